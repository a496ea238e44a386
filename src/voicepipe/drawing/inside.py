"""The parts of a stage or an observable, read from its closure."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator
from enum import Enum
from typing import Any, TypeGuard, cast

from reactivex import Observable

from voicepipe.stage import Declared, stage_name

__all__ = ["arguments", "composed", "contained", "held_by", "is_observable", "is_share", "origin", "printed", "title"]

DEEP = 8
"""Functions within functions that are looked into."""

CALLED = {"return_value": "just"}


def arguments(stage: Any) -> dict[str, Any]:
    """Return the arguments of a stage: those of its declaration, or the variables of the function around it."""
    if isinstance(stage, Declared):
        return cast("Declared[Any, Any]", stage).declaration.arguments()
    held = held_by(stage)
    if {"fun", "args", "kwargs"} <= held.keys():  # an operator of reactivex
        return {" " * number: value for number, value in enumerate(held["args"])} | held["kwargs"]
    return held


def is_observable(value: object) -> TypeGuard[Observable[Any]]:
    """Return whether it is one, whatever its type."""
    return isinstance(value, Observable)


def composed(stage: Any) -> tuple[Any, ...]:
    """The stages that `reactivex.compose` has made one of; none where it has not."""
    made_by_compose = getattr(stage, "__qualname__", "").startswith("compose.")
    return tuple(held_by(stage).get("operators", ())) if made_by_compose else ()


def title(stage: object) -> str:
    """Return the name of a stage's box."""
    return "λ" if getattr(stage, "__name__", "") == "<lambda>" else stage_name(stage)


def is_share(stage: Any) -> bool:
    """Return whether it only shares one subscription: `share()`, or a part of it."""
    if isinstance(stage, Declared):
        return False
    name = stage_name(stage)
    return name in {"share", "ref_count"} or (name == "publish" and not any(map(callable, arguments(stage).values())))


def printed(value: object) -> str:
    """A parameter's value in small print; nothing for what is no word."""
    match value:
        case bool() | int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case str():
            return repr(value) if len(value) <= 24 else repr(value[:23] + "…")
        case Enum():
            return str(value.name)
        case type():
            return str(value.__name__)
        case types.FunctionType() | types.MethodType() | types.BuiltinFunctionType():
            return "" if value.__name__.startswith(("<", "_")) else stage_name(value)
        case tuple():
            named = (one for one in cast("tuple[object, ...]", value) if inspect.isroutine(one) or _is_named(one))
            return ", ".join(filter(None, map(printed, named)))
        case _ if _is_named(value):
            return str(vars(value)["__name__"])
        case _:
            return ""


def _is_named(value: object) -> bool:
    """Return whether it is an object with a name of its own, such as an MCP server among functions."""
    return not isinstance(value, type) and "__name__" in getattr(value, "__dict__", ())


def origin(observable: Observable[Any]) -> str:
    """The name of the function that made an observable."""
    subscribe = getattr(observable, "_subscribe", None)
    if subscribe is None:
        return type(observable).__name__
    name: str = subscribe.__qualname__.split(".")[0].rstrip("_")
    return CALLED.get(name, "timer" if name.startswith("observable_timer") else name)


def contained(observable: Observable[Any]) -> list[Observable[Any]]:
    """The observables that another one is made from, in the order in which they are named."""
    found: dict[int, Observable[Any]] = {}
    for thing in _inside(getattr(observable, "_subscribe", None), DEEP):
        found.setdefault(id(thing), thing)
    return list(found.values())


def _inside(thing: Any, deep: int) -> Iterator[Observable[Any]]:
    if deep == 0:
        return
    match thing:
        case Observable():
            yield cast("Observable[Any]", thing)
        case list() | tuple():
            for one in cast("list[Any]", thing):
                yield from _inside(one, deep - 1)
        case functools.partial():
            yield from _inside([thing.func, *thing.args, *thing.keywords.values()], deep - 1)
        case Declared():
            yield from _inside(list(cast("Declared[Any, Any]", thing).declaration.arguments().values()), deep - 1)
        case types.FunctionType():
            yield from _inside([*held_by(thing).values()], deep - 1)
        case _:
            pass


def held_by(function: Any) -> dict[str, Any]:
    """The variables of a function's closure, those that have a value yet."""
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    held: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars if code else (), cells or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:  # defined further down
            continue
    return held
