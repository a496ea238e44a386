"""Marble diagrams: a timeline written as text.

===========  =========================================================================================================
``a``        the value called `a`, any single character but these here; takes a column, 20 ms
``-``        nothing, for a column
``(ab|)``    all of it at one instant; takes one column, whatever is in it
``|``        completion
``#``        an error
``^``        subscription
``!``        disposal
``230ms``    that much time passes; so does ``1.5s``. Stands apart from letters and digits: ``a1s`` are three values
``±20ms``    the next item may come that much earlier or later; written after a time, ``100ms±20ms a``, or alone
space        nothing at all, for the eye
===========  =========================================================================================================

An item stands at the time at which its column begins, the next one 20 ms later: in ``a 230ms b|`` the `a` is at 0,
`b` at 250 and the completion at 270 ms. Where a diagram has a ``^``, time 0 is there for sources, and what stands
before it is at negative times. Values are single characters, because ``word`` is four of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["COLUMN_MS", "Diagram", "DiagramError", "Kind", "Marble", "format_diagram", "format_ms", "parse"]

COLUMN_MS = 20
"""The duration of one character, in ms: the usual frame of sound."""

_TIME = re.compile(r"(?<!\w)(\d+(?:\.\d+)?)(ms|s)(?!\w)")
_TOLERANCE = re.compile(r"±(\d+(?:\.\d+)?)(ms|s)(?!\w)")


class Kind(StrEnum):
    """The kind of an item in a diagram; the value is its name in a report."""

    NEXT = "next"
    COMPLETED = "completed"
    ERROR = "error"
    SUBSCRIBED = "subscribed"
    DISPOSED = "disposed"


SIGNS = {"|": Kind.COMPLETED, "#": Kind.ERROR, "^": Kind.SUBSCRIBED, "!": Kind.DISPOSED}
_SYMBOLS = {kind: sign for sign, kind in SIGNS.items()}
_LAST = (Kind.COMPLETED, Kind.ERROR, Kind.DISPOSED)


@dataclass(frozen=True, slots=True)
class Marble:
    """One item: what happens `at_ms` after the diagram begins. `symbol` names the value, or is the sign itself."""

    at_ms: float
    kind: Kind
    symbol: str
    tolerance_ms: float = 0


@dataclass(frozen=True, slots=True)
class Diagram:
    """A parsed timeline: its items in order, and the time at which the text ends."""

    marbles: tuple[Marble, ...]
    length_ms: float = 0

    def at(self, kind: Kind) -> float | None:
        """The time of the first item of this kind, in ms; None if there is none."""
        return next((marble.at_ms for marble in self.marbles if marble.kind is kind), None)

    def shifted(self, by_ms: float) -> Diagram:
        """The same items, `by_ms` later."""
        moved = (
            Marble(_exact(marble.at_ms + by_ms), marble.kind, marble.symbol, marble.tolerance_ms)
            for marble in self.marbles
        )
        return Diagram(tuple(moved), _exact(self.length_ms + by_ms))

    @property
    def instants(self) -> list[tuple[float, list[Marble]]]:
        """The items of one instant together, in order."""
        instants: dict[float, list[Marble]] = {}
        for marble in self.marbles:
            instants.setdefault(marble.at_ms, []).append(marble)
        return list(instants.items())


class DiagramError(ValueError):
    """A diagram that cannot be read; the message shows it with a caret under the offending column.

    >>> parse("a-(b")
    Traceback (most recent call last):
      ...
    voicepipe.testing.marbles.notation.DiagramError: this group is never closed
        a-(b
          ^
    """

    def __init__(self, message: str, text: str, column: int) -> None:
        self.column = column
        super().__init__(f"{message}\n    {text}\n    {' ' * column}^")


def parse(text: str) -> Diagram:
    """Return the timeline that a text writes.

    Args:
        text: A diagram, such as `a-(bc) 100ms d|`.

    Raises:
        DiagramError: It is none; the message shows the column.

    >>> [f"{marble.at_ms:g} {marble.symbol}" for marble in parse("a-(bc) 100ms±20ms d|").marbles]
    ['0 a', '40 b', '40 c', '160 d', '180 |']
    """
    return _Reader(text.replace("\n", " ")).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.column = 0
        self.now_ms: float = 0
        self.tolerance_ms: float | None = None
        self.group: int | None = None
        self.marbles: list[Marble] = []

    def read(self) -> Diagram:
        while self.column < len(self.text):
            self._step(self.text[self.column])
        if self.group is not None:
            raise self._error("this group is never closed", self.group)
        if self.tolerance_ms is not None:
            raise self._error("a tolerance belongs before an item", len(self.text))
        return Diagram(tuple(self.marbles), self.now_ms)

    def _step(self, character: str) -> None:
        if character == " ":
            self.column += 1
        elif character == "±":
            self._tolerance()
        elif self.group is None and (time := _TIME.match(self.text, self.column)):
            self._wait(_ms(time), time.end())
        else:
            self._character(character)
            self.column += 1

    def _character(self, character: str) -> None:
        match character:
            case "-":
                if self.group is not None:
                    raise self._error("no time passes within a group")
                self._wait(COLUMN_MS, self.column)
            case "(":
                self._open()
            case ")":
                self._close()
            case _:
                self._item(character)

    def _item(self, character: str) -> None:
        if not character.isprintable():
            raise self._error(f"{character!r} cannot be a value")
        if any(marble.kind in _LAST for marble in self.marbles):
            raise self._error(f"nothing can follow {self.marbles[-1].symbol!r}")
        self.marbles.append(Marble(self.now_ms, SIGNS.get(character, Kind.NEXT), character, self.tolerance_ms or 0))
        if self.group is None:
            self.tolerance_ms = None
            self._pass(COLUMN_MS)

    def _open(self) -> None:
        if self.group is not None:
            raise self._error("a group within a group")
        self.group = self.column
        self._count = len(self.marbles)

    def _close(self) -> None:
        if self.group is None:
            raise self._error("this closes no group")
        if len(self.marbles) == self._count:
            raise self._error("an empty group")
        self.group = self.tolerance_ms = None
        self._pass(COLUMN_MS)

    def _wait(self, duration_ms: float, end: int) -> None:
        if self.tolerance_ms is not None:
            raise self._error("a tolerance belongs right before an item")
        self._pass(duration_ms)
        self.column = end

    def _tolerance(self) -> None:
        match = _TOLERANCE.match(self.text, self.column)
        if match is None:
            raise self._error("a tolerance is a time, as in ±20ms")
        if self.group is not None or self.tolerance_ms is not None:
            raise self._error("a tolerance stands once, before an item or a group")
        self.tolerance_ms = _ms(match)
        self.column = match.end()

    def _pass(self, duration_ms: float) -> None:
        self.now_ms = _exact(self.now_ms + duration_ms)

    def _error(self, message: str, column: int | None = None) -> DiagramError:
        return DiagramError(message, self.text, self.column if column is None else column)


def format_diagram(marbles: Iterable[Marble]) -> str:
    """Return the text that `parse` reads as these items, in the order of their times (`Diagram.length_ms` aside).

    Times that are no multiple of 20 ms are written out, and so are silences of more than eight columns.

    Args:
        marbles: The items.

    Raises:
        ValueError: Two items are closer to each other than 20 ms, but not at one instant.

    >>> format_diagram(parse("a 10ms b -- 1.5s (cd|)").marbles)
    'a 10ms b 1.54s (cd|)'
    """
    return "".join(_pieces(Diagram(tuple(marbles)))).strip()


def _pieces(diagram: Diagram) -> Iterator[str]:
    now: float = 0
    for at_ms, marbles in diagram.instants:
        if at_ms < now:
            raise ValueError(f"an item at {format_ms(at_ms)} is too close to the one before it to be written")
        tolerance = marbles[0].tolerance_ms
        yield _gap(_exact(at_ms - now), exact=bool(tolerance)) + (f"±{format_ms(tolerance)} " if tolerance else "")
        symbols = "".join(marble.symbol for marble in marbles)
        yield f"({symbols})" if len(symbols) > 1 or _joins(symbols) else symbols
        now = _exact(at_ms + COLUMN_MS)


def _gap(gap_ms: float, *, exact: bool) -> str:
    columns, rest = divmod(gap_ms, COLUMN_MS)
    if exact:
        return f" {format_ms(gap_ms)}" if gap_ms else " "
    return "-" * int(columns) if not rest and columns <= 8 else f" {format_ms(gap_ms)} "


def _joins(symbol: str) -> bool:
    """A digit might be read as part of a time with what follows it; in a group it cannot."""
    return symbol.isdigit()


def format_ms(duration_ms: float) -> str:
    """``230ms``, ``12.5ms``, ``1.5s``: as a diagram writes it.

    >>> format_ms(230), format_ms(1500), format_ms(60_020)
    ('230ms', '1.5s', '60.02s')
    """
    if duration_ms >= 1000:
        return f"{_exact(duration_ms / 1000, 6)}s".replace(".0s", "s")
    return f"{_exact(duration_ms)}ms".replace(".0ms", "ms")


def _ms(match: re.Match[str]) -> float:
    return _exact(float(match[1]) * (1000 if match[2] == "s" else 1))


def _exact(value: float, digits: int = 3) -> float:
    """Microseconds are the grain of time here: 0.1 + 0.2 must be 0.3. A whole number is an int, and reads as one."""
    rounded = round(float(value), digits)
    return int(rounded) if rounded.is_integer() else rounded
