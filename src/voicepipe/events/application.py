"""`app_event`: events of an application's own that travel between client and pipeline, in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from voicepipe.events.base import Event

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "AppEventType",
    "app_event",
    "app_event_named",
    "app_event_names",
    "app_event_type",
    "is_app_event",
    "is_app_event_type",
]

E = TypeVar("E", bound=Event)

# Part of a message's type, `app.NAME`.
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
# Fields of every message.
_RESERVED = frozenset({"type", "event_id"})


@dataclass(frozen=True, slots=True)
class AppEventType:
    """A registered type of event: its name, its class, and what checks and writes it."""

    name: str
    kind: type[Event]
    adapter: TypeAdapter[Any]


_BY_NAME: dict[str, AppEventType] = {}
_BY_KIND: dict[type[Event], AppEventType] = {}


def app_event(name: str) -> Callable[[type[E]], type[E]]:
    """Register a frozen dataclass as an event that travels between client and pipeline, as `{"type": "app.NAME", …}`.

    In every dialect, what the client sends of this type is checked by pydantic (strictly, as JSON) and comes as an
    event of the class in `session.received`; what is not of its types is an `InputRejected` that names the field. What
    the pipeline emits of the class is sent to the client. What came from the client is not sent back to it, though it
    passes through the stages: to answer with the same content, emit a new event.

    >>> @app_event("order_placed")
    ... @dataclass(frozen=True, slots=True)
    ... class OrderPlaced(Event):
    ...     dish: str
    ...     count: int = 1

    Args:
        name: Letters, digits, "_", "-", and "." between; one for all pipelines of a process.

    Raises:
        TypeError: The class is no frozen dataclass that derives from `Event`, or has a field `type` or `event_id`.
        ValueError: Another class has this name, or the name cannot be sent.
        PydanticUserError: pydantic cannot check a field of this type.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name an event: letters, digits, '_', '-' and dots between them can")

    def register(kind: type[E]) -> type[E]:
        _check(kind)
        before = _BY_NAME.get(name)
        if before is not None and _place(before.kind) != _place(kind):
            raise ValueError(f"app.{name} is the name of {before.kind.__module__}.{before.kind.__qualname__} already")
        from pydantic import TypeAdapter

        # A module that is loaded again registers the class that it has now; sessions on the old one keep theirs.
        _BY_KIND[kind] = _BY_NAME[name] = AppEventType(name, kind, TypeAdapter(kind))
        return kind

    return register


def app_event_named(name: str) -> AppEventType | None:
    """Return the registered type of this name."""
    return _BY_NAME.get(name)


def app_event_names() -> list[str]:
    """Return the names of all registered types."""
    return list(_BY_NAME)


def app_event_type(event: object) -> AppEventType | None:
    """Return the registered type of an event; None for an event that does not travel."""
    return _BY_KIND.get(type(event))  # pyright: ignore[reportArgumentType] — a key of any type is looked up


def is_app_event(event: object) -> bool:
    """Return whether an event is of a registered type."""
    return type(event) in _BY_KIND


def is_app_event_type(kind: type[Event]) -> bool:
    """Return whether a class is registered."""
    return kind in _BY_KIND


def _check(kind: type[object]) -> None:
    params = vars(kind).get("__dataclass_params__")  # its own: a class without fields inherits those of Event
    if not issubclass(kind, Event) or params is None or not params.frozen:
        raise TypeError(f"{kind.__name__} should be a frozen dataclass that derives from Event")
    if taken := _RESERVED & {field.name for field in fields(kind)}:
        raise TypeError(f"{kind.__name__}: every message has fields called {' and '.join(sorted(taken))} already")


def _place(kind: type[Event]) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__
