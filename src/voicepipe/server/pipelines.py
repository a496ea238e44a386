"""`Pipelines`: the pipelines of one server, and which of them a client gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from voicepipe.session import Pipeline

__all__ = ["OneOrMore", "Pipelines"]

OneOrMore: TypeAlias = Pipeline | Mapping[str, Pipeline]
"""A pipeline, or pipelines by name; the first of them is the default."""

# A name is a part of a path, and the text of `?model=`.
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The pipelines of one server, by name. They share its engine and its limits.

    Args:
        by_name: At least one; the first is the default.
    """

    by_name: Mapping[str, Pipeline]

    @classmethod
    def of(cls, given: OneOrMore) -> Pipelines:
        """Return the pipelines that are given; a single one has the name "".

        Raises:
            ValueError: There is none, or a name cannot be a part of a path.
        """
        if callable(given):
            return cls({"": given})
        if not given:
            raise ValueError("there is no pipeline to serve")
        if wrong := [name for name in given if not _NAME.fullmatch(name)]:
            raise ValueError(f"{wrong[0]!r} cannot name a pipeline: letters, digits, '-', '_' and '.' can")
        return cls(dict(given))

    @property
    def default(self) -> str:
        """The name of the pipeline for a client that names none."""
        return next(iter(self.by_name))

    def chosen(self, path: str, model: str) -> str | None:
        """Return the name of the pipeline that a client gets; None if there is none.

        The path counts first: it names a pipeline, or nothing is served there. A `model` that is no pipeline gets the
        default one, since clients of OpenAI's protocol send the name of a model of OpenAI's.

        Args:
            path: What stands behind `/v1/realtime/` in the address; "" for nothing.
            model: The parameter `model` of the address.
        """
        if path:
            return path if path in self.by_name else None
        return model if model in self.by_name else self.default

    def __getitem__(self, name: str) -> Pipeline:
        return self.by_name[name]
