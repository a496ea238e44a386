"""Additions to autodoc: types in signatures as they are written (`Stage[Event, Event]`, not what that stands for), and
the documentation of a name where it is defined, also where a package only re-exports it."""

from __future__ import annotations

import inspect
import re
import sys
from enum import Enum
from typing import Any

from says import public
from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer

SHOWN = (int, float, str, tuple, type(None))
"""Defaults that say something."""


class _Written:
    """Prints as its text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def as_written(
    _app: Sphinx, what: str, _name: str, thing: Any, _options: Any, given: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """For what has annotations that are text, as `from __future__ import annotations` leaves them."""
    if isinstance(thing, type) and issubclass(thing, Enum):
        return None, None  # nobody makes one
    if what not in ("function", "method", "class", "exception") or ":" not in (given or ""):
        return None  # a page has written it, to be brief
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    parameters = [_parameter(one) for one in signature.parameters.values() if one.name != "self"]
    arguments = str(inspect.Signature(parameters))
    result = signature.return_annotation
    if what in ("class", "exception") or not isinstance(result, str):
        return arguments, returned
    return arguments, _linked(result)


def _parameter(one: inspect.Parameter) -> inspect.Parameter:
    written = getattr(one.annotation, "__forward_arg__", one.annotation)
    if isinstance(written, str):
        one = one.replace(annotation=_Written(_linked(written)))
    if isinstance(one.default, SHOWN) or one.default is one.empty or _is_kept(one.default):
        return one
    return one.replace(default=_Written("..."))


def _is_kept(default: object) -> bool:
    """Autodoc has put it there, and it prints as it is written."""
    return type(default).__name__ == "DefaultValue"


def _linked(annotation: str) -> str:
    """With the full names of what is public, which Sphinx links, and shows by their last part."""
    return re.sub(r"(?<![\w.'\"])[A-Z]\w+", lambda name: public().get(name[0], name[0]), annotation)


def said_at_home(_app: Sphinx, what: str, full_name: str, thing: Any, _options: Any, lines: list[str]) -> None:
    """The text below an alias or a constant; of itself it has only that of its type."""
    name = full_name.rpartition(".")[2]
    if what != "data":
        return
    for module in [one for path, one in sys.modules.items() if path.startswith("voicepipe.")]:
        if vars(module).get(name) is thing and (said := _attribute_docs(module.__name__).get(("", name))):
            lines[:] = said
            return


def _attribute_docs(module: str) -> dict[tuple[str, str], list[str]]:
    try:
        return ModuleAnalyzer.for_module(module).find_attr_docs()
    except PycodeError:
        return {}


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-signature", as_written)
    app.connect("autodoc-process-docstring", said_at_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
