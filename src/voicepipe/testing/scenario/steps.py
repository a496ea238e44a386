"""The `repr` of a scenario's parts: the Python that builds them, so that a failure can be pasted into a test."""

from __future__ import annotations

from typing import Any

__all__ = ["arguments", "call", "show_time"]


def call(method: str, *values: Any, **named: Any) -> str:
    """Return a call of the builder, as Python writes it; None stands for a default and is left out.

    >>> call("by", 2.0, times=None)
    'by(2)'
    """
    given = {name: value for name, value in named.items() if value is not None}
    return f"{method}({arguments(*(value for value in values if value is not None), **given)})"


def arguments(*values: Any, **named: Any) -> str:
    """Return the arguments of a call, as Python writes them.

    >>> arguments("hello", 2.0, after_s=0.25)
    '"hello", 2, after_s=0.25'
    """
    return ", ".join([*map(_shown, values), *(f"{name}={_shown(value)}" for name, value in named.items())])


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(round(value, 6))
    if isinstance(value, str) and '"' not in value:
        return f'"{repr(value)[1:-1]}"'
    return repr(value)


def show_time(seconds: float) -> str:
    """Return a time for a message: ``200 ms`` or ``2.5 s``."""
    return f"{round(seconds * 1000, 3):g} ms" if 0 < abs(seconds) < 1 else f"{round(seconds, 6):g} s"
