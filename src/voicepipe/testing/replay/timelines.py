"""Two sessions side by side, where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, NamedTuple

from voicepipe.recording.records import SoundEncoded
from voicepipe.testing.player.picture import picture

__all__ = ["Row", "timelines"]

_AROUND = 2  # equal rows that are shown before and behind a difference
_NEAR_S = 0.0005  # times are shown in milliseconds


class Row(NamedTuple):
    """A line of each session; "" where one has none. `differs`: in text or time."""

    one: str
    other: str
    differs: bool


def timelines(one: Sequence[tuple[float, Any]], other: Sequence[tuple[float, Any]], began_s: float) -> list[Row]:
    """Return the places where two sessions differ, each with some equal lines around it; ("…", "…") stands for others.

    Args:
        one: What a session emitted, each with its clock.
        other: The same of the other session.
        began_s: The clock at the begin of both.
    """
    return list(_shortened(list(_rows(_lines(one, began_s), _lines(other, began_s)))))


def _lines(events: Iterable[tuple[float, Any]], began_s: float) -> list[tuple[str, str]]:
    """Return time and text of each line of a picture."""
    drawn = [(at_s - began_s, event) for at_s, event in events if not isinstance(event, SoundEncoded)]
    return [(line[:7], line[9:].rstrip()) for line in picture(drawn, ()).splitlines()[1:]]


def _rows(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> Iterator[Row]:
    matcher = SequenceMatcher(None, [text for _, text in one], [text for _, text in other], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        for left, right in zip_longest(one[a:b], other[c:d]):
            same = tag == "equal" and left is not None and right is not None and not _apart(left[0], right[0])
            yield Row(_shown(left), _shown(right), differs=not same)


def _apart(one: str, other: str) -> bool:
    return abs(float(one) - float(other)) > _NEAR_S


def _shown(line: tuple[str, str] | None) -> str:
    return "" if line is None else f"{line[0]}  {line[1]}"


def _shortened(rows: Sequence[Row]) -> Iterator[Row]:
    near = {at + shift for at, row in enumerate(rows) if row.differs for shift in range(-_AROUND, _AROUND + 1)}
    skipped = False
    for at, row in enumerate(rows):
        if at in near:
            if skipped:
                yield Row("…", "…", differs=False)
            yield row
        skipped = at not in near
