"""YAML files that are checked: what is wrong is named by its file and its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

__all__ = ["YamlError", "read_yaml"]

T = TypeVar("T")


class YamlError(Exception):
    """A file says something else than it should. `key` is the path to it, like `characters.news.short`."""

    def __init__(self, path: Path, key: str, wrong: str) -> None:
        super().__init__(f"{path}: {key}: {wrong}" if key else f"{path}: {wrong}")
        self.path, self.key, self.wrong = path, key, wrong


def read_yaml(path: Path, kind: type[T]) -> T:
    """Return the file's content as `kind`: a pydantic model, or a type made of some. Raises YamlError."""
    value = _load(path)
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise YamlError(path, ".".join(map(str, first["loc"])), _lower(first["msg"])) from None


def _load(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise YamlError(path, "", f"cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise YamlError(path, _place(error), f"is no YAML: {getattr(error, 'problem', None) or error}") from None


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}" if mark is not None else ""


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
