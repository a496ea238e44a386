"""The `repr` of a scenario's parts: the Python that builds them, so that a failure can be pasted into a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, cast

__all__ = ["arguments", "call", "show_time", "shown"]


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
    return ", ".join([*map(shown, values), *(f"{name}={shown(value)}" for name, value in named.items())])


def shown(value: Any) -> str:
    """Return a value as Python writes it; of an event, or another dataclass, only the fields that are no defaults.

    >>> from voicepipe.events import TurnTaking
    >>> shown(TurnTaking("client", answers=False))
    'TurnTaking(by="client", answers=False)'
    """
    if is_dataclass(value) and not isinstance(value, type):
        given = {one.name: getattr(value, one.name) for one in fields(value) if one.repr and one.init}
        defaults = {one.name: _default(one) for one in fields(value)}
        return f"{type(value).__name__}({arguments(**{k: v for k, v in given.items() if v != defaults[k]})})"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(round(value, 6))
    if isinstance(value, str) and '"' not in value:
        return f'"{repr(value)[1:-1]}"'
    if isinstance(value, tuple | list):
        items = list(map(shown, cast("Sequence[Any]", value)))
        inner = ", ".join(items)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(items) == 1)})"
    return getattr(value, "__qualname__", None) or repr(value)


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def show_time(seconds: float) -> str:
    """Return a time for a message: ``200 ms`` or ``2.5 s``."""
    return f"{round(seconds * 1000, 3):g} ms" if 0 < abs(seconds) < 1 else f"{round(seconds, 6):g} s"
