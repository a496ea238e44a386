"""The comparison of an observable with a diagram, and a report of the differences."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from voicepipe.testing.marbles.notation import COLUMN_MS, SIGNS, Kind, Marble, format_ms
from voicepipe.testing.marbles.timeline import Recorded, Timeline

__all__ = ["compare", "same"]

LONG_SILENCE = 8
"""Columns without an item, on both sides, that a report shows as a time."""

_SPARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ENDS = ("|", "#")


def same(one: Any, other: Any) -> bool:
    """Equality that also works for numpy arrays, and for what holds them: sequences, mappings and dataclasses."""
    if _is_array(one) or _is_array(other):
        return _same_arrays(one, other)
    if type(one) is type(other):
        if isinstance(one, (list, tuple)):
            pair = cast("tuple[Sequence[Any], Sequence[Any]]", (one, other))
            return len(pair[0]) == len(pair[1]) and all(map(same, *pair))
        if isinstance(one, dict):
            left, right = cast("tuple[Mapping[Any, Any], Mapping[Any, Any]]", (one, other))
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        if dataclasses.is_dataclass(one) and type(one).__eq__ is not object.__eq__ and _made_eq(type(one)):
            return all(same(getattr(one, name), getattr(other, name)) for name in _compared(one))
    return bool(one == other)


def compare(expected: Timeline, actual: Sequence[Recorded]) -> str | None:
    """None if `actual` is what was expected, else a report for people."""
    marbles = expected.notifications
    wanted = [Recorded(marble.at_ms, marble.kind, expected.value(marble)) for marble in marbles]
    agree = list(itertools.starmap(_agree, itertools.zip_longest(marbles, wanted, actual)))
    return None if all(agree) else "\n".join(_report(marbles, wanted, actual, agree))


# ---- comparing ------------------------------------------------------------------------------------------------------


def _agree(marble: Marble | None, want: Recorded | None, got: Recorded | None) -> bool:
    if marble is None or want is None or got is None or want.kind is not got.kind:
        return False
    if abs(want.t_ms - got.t_ms) > marble.tolerance_ms + 1e-6:
        return False
    return _same_errors(want.value, got.value) if want.kind is Kind.ERROR else same(want.value, got.value)


def _same_errors(want: Exception | type[Exception] | None, got: Exception) -> bool:
    if want is None or want is got:
        return True
    return isinstance(got, want) if isinstance(want, type) else type(got) is type(want) and same(want.args, got.args)


def _same_arrays(one: Any, other: Any) -> bool:
    import numpy as np

    return type(one) is type(other) and one.dtype == other.dtype and bool(np.array_equal(one, other))


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and hasattr(value, "dtype")


def _made_eq(kind: type) -> bool:
    """Return whether the dataclass compares field by field; one that says how it compares is taken at its word."""
    return kind.__dataclass_params__.eq  # pyright: ignore


def _compared(value: Any) -> Iterator[str]:
    return (field.name for field in dataclasses.fields(value) if field.compare)


# ---- reporting ------------------------------------------------------------------------------------------------------


Row = list[tuple[Recorded, str]]
"""Items, each with its letter."""


def _report(
    marbles: Sequence[Marble], wanted: Sequence[Recorded], actual: Sequence[Recorded], agree: Sequence[bool]
) -> Iterator[str]:
    expected = [(want, marble.symbol) for want, marble in zip(wanted, marbles, strict=True)]
    came = list(zip(actual, _symbols(expected, actual), strict=True))
    first = agree.index(False)
    at_ms = min(row[first][0].t_ms for row in (expected, came) if first < len(row))
    yield f"the first difference is at {at_ms:g} ms"
    yield ""
    yield from _timelines(expected, came, at_ms)
    yield ""
    yield from _table(marbles, expected, came, agree)


def _symbols(expected: Row, actual: Iterable[Recorded]) -> list[str]:
    """A letter for each item: that of the expected value it equals, or its own, or a spare one."""
    names: list[tuple[Any, str]] = [(want.value, symbol) for want, symbol in expected if want.kind is Kind.NEXT]
    symbols: list[str] = []
    for got in actual:
        if got.kind is not Kind.NEXT:
            symbols.append("|" if got.kind is Kind.COMPLETED else "#")
            continue
        symbol = next((name for value, name in names if same(value, got.value)), None)
        if symbol is None:
            symbol = _new_symbol(got.value, {name for _, name in names})
            names.append((got.value, symbol))
        symbols.append(symbol)
    return symbols


def _new_symbol(value: Any, taken: set[str]) -> str:
    own = value if isinstance(value, str) and len(value) == 1 and value.isalnum() else ""
    return next((symbol for symbol in (*own, *_SPARE) if symbol not in taken), "?")


def _timelines(expected: Row, actual: Row, difference_ms: float) -> Iterator[str]:
    rows = _cells(expected), _cells(actual)
    last = max((column for row in rows for column in row), default=0)
    lines, caret = ["expected  ", "actual    "], "          "
    column, marked = 0, int(difference_ms // COLUMN_MS)
    while column <= last:
        silent = next((ahead for ahead in range(column, last + 1) if any(ahead in row for row in rows)), last + 1)
        if silent - column > LONG_SILENCE:
            texts = [f" {format_ms((silent - column) * COLUMN_MS)} "] * 2
            column = silent
        else:
            if column == marked:
                caret = " " * len(lines[0]) + "^"
            texts = _aligned(rows, column)
            column += 1
        lines = [line + text for line, text in zip(lines, texts, strict=True)]
    yield from (line.rstrip() for line in lines)
    yield caret


def _cells(row: Row) -> dict[int, str]:
    cells: dict[int, str] = {}
    for recorded, symbol in row:
        column = int(recorded.t_ms // COLUMN_MS)
        cells[column] = cells.get(column, "") + symbol
    return {column: f"({text})" if len(text) > 1 else text for column, text in cells.items()}


def _aligned(rows: tuple[dict[int, str], dict[int, str]], column: int) -> list[str]:
    width = max(1, *(len(row.get(column, "")) for row in rows))
    return [row.get(column, "").ljust(width, " " if _over(row, column) else "-") for row in rows]


def _over(row: dict[int, str], column: int) -> bool:
    """Return whether the row has come to its end by this column."""
    return any(at <= column and any(end in text for end in _ENDS) for at, text in row.items())


def _table(marbles: Sequence[Marble], expected: Row, came: Row, agree: Sequence[bool]) -> Iterator[str]:
    """One line per item, in pairs: ``-`` is missing, ``+`` is there instead."""
    for index, fits in enumerate(agree):
        if index < len(expected) and not fits:
            yield _line("-", *expected[index], marbles[index].tolerance_ms)
        if index < len(came):
            yield _line(" " if fits else "+", *came[index])


def _line(mark: str, recorded: Recorded, symbol: str, tolerance_ms: float = 0) -> str:
    at = f"{recorded.t_ms:g}" + (f"±{tolerance_ms:g}" if tolerance_ms else "")
    value = "" if recorded.kind is Kind.COMPLETED else _shown(recorded)
    name = f" {symbol} " if symbol not in SIGNS and value != repr(symbol) else "   "
    return f"{mark} {at:>8} ms  {recorded.kind:<9} {name} {value}".rstrip()


def _shown(recorded: Recorded) -> str:
    if recorded.kind is Kind.ERROR and recorded.value is None:
        return "any error"
    return repr(recorded.value)
