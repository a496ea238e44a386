"""How the parts of a scenario are printed: as the Python that builds them. A failure can be pasted into a test."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar

__all__ = ["Step", "arguments", "number", "show_time"]


class Step:
    """A frozen dataclass that one method of the builder makes; `str()` of it is the call of that method."""

    method: ClassVar[str]

    def __str__(self) -> str:
        return f"{self.method}({arguments(*own_values(self, skip=()))})"


def own_values(step: Any, *, skip: tuple[str, ...]) -> list[Any]:
    """Return the values of a step's fields, without those named in `skip` and without defaults at the end."""
    values = [(field, getattr(step, field.name)) for field in fields(step) if field.name not in skip]
    while values and _is_default(*values[-1]):
        values.pop()
    return [value for _, value in values]


def _is_default(field: Field[Any], value: Any) -> bool:
    return field.default is not MISSING and value == field.default


def arguments(*values: Any, **named: Any) -> str:
    """Return the arguments of a call, as Python writes them.

    >>> arguments("hello", 2.0, after_s=0.25)
    '"hello", 2, after_s=0.25'
    """
    return ", ".join([*map(_shown, values), *(f"{name}={_shown(value)}" for name, value in named.items())])


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str) and '"' not in value:
        return f'"{repr(value)[1:-1]}"'
    return repr(value)


def number(value: float) -> str:
    """Return a number without a needless fraction: `2`, `0.25`."""
    return repr(int(value)) if value == int(value) else repr(round(value, 6))


def show_time(seconds: float) -> str:
    """Return a time for a message: ``200 ms`` or ``2.5 s``."""
    return f"{round(seconds * 1000, 3):g} ms" if 0 < abs(seconds) < 1 else f"{round(seconds, 6):g} s"
