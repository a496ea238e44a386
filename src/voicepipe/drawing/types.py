"""Which events come out of a stage, by what its functions' annotations say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, cast

from voicepipe.drawing.inside import arguments
from voicepipe.stage import Declaration, Declared, stage_name

__all__ = ["EITHER", "STREAM", "asked_of", "given_by"]

STREAM, EITHER = "a stream", "a stream, or what its stage is asked with"

SAYS_NOTHING = frozenset({"Event", "Any"})

LETS_THROUGH = frozenset(
    {"catch", "debounce", "delay", "distinct", "distinct_until_changed", "do_action", "filter", "finally_action"}
    | {"replay", "retry", "sample", "skip", "skip_until", "skip_while", "start_with", "take", "take_until"}
    | {"take_while", "throttle_first", "timeout"}
)
"""Operators of reactivex that give what they get."""


def given_by(stage: Any, flowing: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a stage's output event types for the input types `flowing`; empty if unknown."""
    if isinstance(stage, Declared):
        return _declared(cast("Declared[Any, Any]", stage).declaration, flowing)
    written = _names(_returned(stage), r"Observable\[(.*)\]")
    if written:
        return written
    return _operator(stage, flowing)


def _declared(declaration: Declaration, flowing: tuple[str, ...]) -> tuple[str, ...]:
    if not declaration.gives and not declaration.passes:
        returned = _returned(declaration.factory)
        written = _names(returned, r"Stage\[.*?, (.*)\]") or _names(returned, r"Callable\[\[.*\], Observable\[(.*)\]\]")
        if re.search(r"\[(\w), \1\]", returned):
            return flowing
        return _once([*_yielded([*declaration.args, *declaration.kwargs.values()]), *written])
    taken = {kind.__name__ for kind in declaration.takes}
    passing = [name for name in flowing if name not in taken] if declaration.passes else []
    return _once([*(kind.__name__ for kind in declaration.gives), *passing])


def _operator(stage: Any, flowing: tuple[str, ...]) -> tuple[str, ...]:
    name = stage_name(stage)
    if name in LETS_THROUGH:
        return flowing
    if name == "map":
        mapper = next(iter(arguments(stage).values()), None)
        return (mapper.__name__,) if isinstance(mapper, type) else _names(_returned(mapper), r"(.*)")
    return ()


def _yielded(given: list[Any]) -> tuple[str, ...]:
    """Return the item type of a function that was given: a stage that calls it emits such items."""
    names = (_names(_returned(one), r"Async\w+\[(.*?)(?:, None)?\]") for one in given)
    return next(filter(None, names), ())


def asked_of(stage: Any, parameter: str) -> str | None:
    """Return the argument type of a stage's parameter that is a function of an observable: STREAM for a stage,
    EITHER, or the name of the type that it is asked with."""
    if not isinstance(stage, Declared):
        return None
    factory = cast("Declared[Any, Any]", stage).declaration.factory
    annotation = _annotation(factory, parameter)
    if annotation.startswith(("Stage[", "Callable[[Observable[")):
        return STREAM
    if annotation.startswith("Maker[") or annotation == "Callable[[Any], Observable[B]]":
        return EITHER
    asked = re.match(r"Callable\[\[(\w+)\], Observable\[", _alias(annotation))
    return asked[1] if asked else None


def _alias(annotation: str) -> str:
    asked = {"Reply": "Conversation", "Llm": "Conversation", "EndOfTurn": "Audio"}.get(annotation)
    return f"Callable[[{asked}], Observable[" if asked else annotation


def _annotation(function: Any, parameter: str) -> str:
    annotation: Any = inspect.signature(function).parameters[parameter].annotation
    return annotation if isinstance(annotation, str) else _spelled(annotation)


def _returned(function: Any) -> str:
    """Return the annotation of a function's result, as text."""
    annotation: Any = getattr(function, "__annotations__", {}).get("return", "")
    return annotation if isinstance(annotation, str) else _spelled(annotation)


def _spelled(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else re.sub(r"\b[a-z_][\w]*\.", "", repr(annotation))


def _names(annotation: str, pattern: str) -> tuple[str, ...]:
    """The types of a union; those that say nothing are left out."""
    match = re.fullmatch(pattern, annotation)
    names = match[1].split(" | ") if match else []
    return _once(
        name for name in names if re.fullmatch(r"[A-Z]\w+|str|int|float|bytes", name) and name not in SAYS_NOTHING
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
