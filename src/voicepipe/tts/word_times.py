"""From the times of spoken words to those of written ones: "$5" is one word, and "five dollars" are two. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from voicepipe.events import WordSpoken
from voicepipe.text.reading import Unit
from voicepipe.text.words import Word, has_letters

__all__ = ["WordTracker", "written_times"]

RESYNC = 80
"""A word that the voice reports is searched for so many letters ahead."""


def written_times(
    units: Iterable[Unit], times: Sequence[tuple[str, float, float]], from_s: float, to_s: float
) -> Iterator[WordSpoken]:
    """Yield the written words of a clause with their times.

    A unit has the time of its spoken words; several written words share it evenly, and so do the words behind it that
    have no sound. A clause without sound has its whole time for its words. If the voice reports other pieces than
    words, the written words that begin in one are one `WordSpoken`.

    Args:
        units: the clause
        times: each spoken word, and when it starts and stops, in seconds; empty: the clause has no sound
        from_s: when the clause starts
        to_s: when it stops, in the same seconds as `times`
    """
    parts = _sounding(units)
    total = sum(count for _, count in parts)
    if times and total and len(times) != total:
        yield from _by_piece(parts, total, times)
        return
    first = 0
    for words, count in parts:
        inner = times[first : first + count]
        yield from _shared(words, inner[0][1], inner[-1][2]) if inner else _shared(words, from_s, to_s)
        first += count


def _by_piece(
    parts: Sequence[tuple[list[Word], int]], total: int, times: Sequence[tuple[str, float, float]]
) -> Iterator[WordSpoken]:
    """Yield one word for each piece that a voice reports: the written words that begin in it."""
    sizes = [len(word.split()) for word, _, _ in times]
    ends = (
        list(accumulate(sizes)) if sum(sizes) == total else [total * (at + 1) / len(times) for at in range(len(times))]
    )
    begins = list(accumulate((count for _, count in parts), initial=0))
    placed = deque(
        (word, begin + count * number / len(words))
        for (words, count), begin in zip(parts, begins, strict=False)
        for number, word in enumerate(words)
    )
    for (_, start_s, stop_s), end in zip(times, ends, strict=True):
        inside: list[Word] = []
        while placed and placed[0][1] < end:
            inside.append(placed.popleft()[0])
        if inside:
            text = inside[0].text + "".join(word.text if word.glued else f" {word.text}" for word in inside[1:])
            yield WordSpoken(text, start_s, stop_s, inside[0].glued)


def _sounding(units: Iterable[Unit]) -> list[tuple[list[Word], int]]:
    """Return written words and how many spoken ones they are; those without sound go with the ones before them."""
    parts: list[tuple[list[Word], int]] = []
    silent: list[Word] = []
    for unit in units:
        if not (count := _count(unit)):
            (parts[-1][0] if parts else silent).extend(unit.words)
        else:
            parts.append(([*silent, *unit.words], count))
            silent = []
    return parts or ([(silent, 0)] if silent else [])


def _count(unit: Unit) -> int:
    return len(unit.spoken.split()) if has_letters(unit.spoken) else 0


def _shared(words: Sequence[Word], start_s: float, stop_s: float) -> Iterator[WordSpoken]:
    bounds = [start_s + (stop_s - start_s) * number / len(words) for number in range(len(words))] + [stop_s]
    for word, (start, stop) in zip(words, pairwise(bounds), strict=True):
        yield WordSpoken(word.text, start, stop, word.glued)


class WordTracker:
    """The written words of a reply, in step with the words that a voice reports as it says them.

    The two are matched by their letters, so that it does not matter how the voice splits and writes words.
    """

    def __init__(self) -> None:
        self._letters = ""
        self._words: list[tuple[Word, int]] = []
        """Each written word, and the number of letters that are said before it."""
        self._at = self._reported = 0
        self._stop_s = 0.0

    def add(self, unit: Unit) -> None:
        """Add words that are about to be said."""
        spoken = [_letters(word) for word in unit.spoken.split()]
        starts = [len(self._letters) + length for length in accumulate(map(len, spoken), initial=0)]
        for number, word in enumerate(unit.words):
            self._words.append((word, starts[number * len(spoken) // len(unit.words)]))
        self._letters += "".join(spoken)

    def restart(self) -> None:
        """Expect all words from the beginning: the voice says them once more."""
        self._at = self._reported = 0
        self._stop_s = 0.0

    def said(self, text: str, start_s: float, stop_s: float) -> list[WordSpoken]:
        """Return the written words that begin with a word that the voice reports."""
        heard = _letters(text)
        if not heard:
            return []
        found = self._letters.find(heard, self._at, self._at + RESYNC + len(heard))
        self._at = found + len(heard) if found >= 0 else self._next_start()
        self._stop_s = max(self._stop_s, stop_s)
        return self._until(self._at, start_s, stop_s)

    def rest(self) -> list[WordSpoken]:
        """Return the words that are left when all has been said: those that have no sound."""
        return self._until(len(self._letters) + 1, self._stop_s, self._stop_s)

    def _next_start(self) -> int:
        """Return where the word behind the current one begins: the voice writes this one in another way."""
        starts = (start for _, start in self._words[self._reported :])
        return next((start for start in starts if start > self._at), len(self._letters))

    def _until(self, letters: int, start_s: float, stop_s: float) -> list[WordSpoken]:
        words: list[Word] = []
        while self._reported < len(self._words) and self._words[self._reported][1] < letters:
            words.append(self._words[self._reported][0])
            self._reported += 1
        return list(_shared(words, start_s, stop_s)) if words else []


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()
