"""Presets with other numbers, for a session that is run again: `ENDPOINTING.silence_ms=500`."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from voicepipe import presets

__all__ = ["WrongOverride", "overridden"]


class WrongOverride(ValueError):
    """An override names no number of a preset, or has no value for it. The message says what there is."""


@contextmanager
def overridden(changes: Sequence[str]) -> Generator[None]:
    """While the context is open, presets have other numbers, in all modules that use them.

    A pipeline that makes presets of its own when it is loaded must be loaded in here.

    Args:
        changes: Each as `PRESET.field=value`.

    Raises:
        WrongOverride: One of them is wrong; nothing is changed.
    """
    wanted = [_change(text) for text in changes]
    before = [(preset, name, getattr(preset, name)) for preset, name, _ in wanted]
    try:
        for preset, name, value in wanted:
            object.__setattr__(preset, name, value)  # in place: each module has imported the very object
        yield
    finally:
        for preset, name, value in reversed(before):
            object.__setattr__(preset, name, value)


def _change(text: str) -> tuple[Any, str, Any]:
    target, equals, written = text.partition("=")
    preset_name, _, name = target.strip().partition(".")
    if not equals or not name:
        raise WrongOverride(f"{text!r} is no change; write PRESET.field=value, as in ENDPOINTING.silence_ms=500")
    preset = getattr(presets, preset_name, None)
    if not dataclasses.is_dataclass(preset) or isinstance(preset, type):
        raise WrongOverride(f"there is no preset {preset_name!r}{_meant(preset_name, _presets())}")
    fields = [one.name for one in dataclasses.fields(preset)]
    if name not in fields:
        raise WrongOverride(f"{preset_name} has no {name!r}{_meant(name, fields)}")
    return preset, name, _value(preset, name, written.strip())


def _presets() -> list[str]:
    return [name for name in presets.__all__ if name.isupper() and dataclasses.is_dataclass(getattr(presets, name))]


def _value(preset: Any, name: str, written: str) -> Any:
    """Return a value of the kind that the field has. Raises WrongOverride."""
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        value = written
    now = getattr(preset, name)
    if isinstance(now, int | float) and not isinstance(now, bool):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
    elif isinstance(value, type(now)):
        return value
    raise WrongOverride(f"{name} is a {type(now).__name__}, such as {now!r}, and not {written!r}")


def _meant(name: str, known: Iterable[str]) -> str:
    there = list(known)
    near = get_close_matches(name, there, n=1) or get_close_matches(name.upper(), there, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(there)}"
