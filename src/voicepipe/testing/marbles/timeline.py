"""`Timeline`: a diagram with the values of its letters; `Recorded`: one thing that an observable did, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from voicepipe.testing.marbles.notation import SIGNS, Diagram, Kind, Marble, format_diagram, parse

__all__ = ["Recorded", "Script", "ScriptedError", "Timeline", "timeline"]


class ScriptedError(Exception):
    """The error of ``#`` when no `error` is given."""


class Recorded(NamedTuple):
    """A notification of an observable, `t_ms` after it was subscribed. Equal to the plain tuple: ``(40, "next", "a")``.

    `kind` is "next", "error" or "completed"; `value` the item, the exception, or None.
    """

    t_ms: float
    kind: Kind
    value: Any

    def __str__(self) -> str:
        shown = "" if self.kind is Kind.COMPLETED else f"  {self.value!r}"
        return f"{self.t_ms:g} ms  {self.kind}{shown}"


@dataclass(frozen=True)
class Timeline:
    """A diagram and what its letters stand for; a letter without a value stands for itself.

    `error` is what ``#`` stands for: an exception, or in an expectation also a class of exceptions, or None for any.
    """

    diagram: Diagram
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: Exception | type[Exception] | None = None

    def value(self, marble: Marble) -> Any:
        """The item or exception that a marble stands for."""
        match marble.kind:
            case Kind.NEXT:
                return self.values.get(marble.symbol, marble.symbol)
            case Kind.ERROR:
                return self.error
            case _:
                return None

    @property
    def notifications(self) -> list[Marble]:
        """The items that an observer sees: all but ``^`` and ``!``."""
        return [marble for marble in self.diagram.marbles if marble.kind not in (Kind.SUBSCRIBED, Kind.DISPOSED)]

    def since_subscription(self) -> Timeline:
        """The same with time 0 at the ``^``, if there is one."""
        start_ms = self.diagram.at(Kind.SUBSCRIBED)
        return replace(self, diagram=self.diagram.shifted(-start_ms)) if start_ms else self

    @property
    def ends(self) -> bool:
        """Return whether it completes or fails; without, it goes on in silence."""
        return any(marble.kind in (Kind.COMPLETED, Kind.ERROR) for marble in self.diagram.marbles)

    @property
    def text(self) -> str:
        """The diagram, for people."""
        return format_diagram(self.diagram.marbles)


Script: TypeAlias = str | Timeline
"""A diagram as text, or one that has its values already (`Marbles.audio`)."""


def timeline(script: Script, values: Mapping[str, Any]) -> Timeline:
    """Give the letters of a diagram their values; the keyword `error` is what ``#`` stands for.

    The keyword `table` is a mapping with the values of many diagrams; this one may lack some of their letters.

    Raises:
        DiagramError: The diagram cannot be read.
        TypeError: A value's name cannot be a letter, or is not in the diagram; or some letters stand
            for what is no string, and others have no value: they would stand for themselves.
    """
    known = dict(values)
    table = dict[str, Any](known.pop("table", {}))
    error = known.pop("error", table.pop("error", None))
    for name in [*known, *table]:
        if len(name) != 1 or name in SIGNS or name in "-()± ":
            raise TypeError(f"{name!r} cannot be a value's name: a letter of a diagram is one character")
    if isinstance(script, Timeline):
        return _bound(replace(script, values={**script.values, **table, **known}, error=error or script.error), known)
    return _bound(Timeline(parse(script), {**table, **known}, error), known)


def _bound(read: Timeline, given: Mapping[str, Any]) -> Timeline:
    """The same. Raises TypeError for letters without a value, and for values of `given` without a letter."""
    letters = {marble.symbol for marble in read.diagram.marbles if marble.kind is Kind.NEXT}
    if unused := sorted(given.keys() - letters):
        raise TypeError(f"{read.text!r} has no {_list(unused)}, for which a value was given")
    plain = all(isinstance(value, str) for value in read.values.values())
    if not plain and (unbound := sorted(letters - read.values.keys())):
        raise TypeError(f"{read.text!r} has {_list(unbound)} without a value, while other letters have one")
    return read


def _list(letters: Iterable[str]) -> str:
    return ", ".join(map(repr, letters))
