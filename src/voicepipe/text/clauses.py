"""Cut a text into clauses for a voice, word by word. A clause never ends within words that are read together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from voicepipe.text.groups import Grouper
from voicepipe.text.sentences import ends_before, ends_with, is_list_mark
from voicepipe.text.words import Word, has_letters, is_unspaced

__all__ = ["Clause", "ClauseCutter"]

_CLOSING = "\"'”’»)\\]*_`~」』）"
_COMMA = re.compile(rf"[,;:—–،؛、，；：][{_CLOSING}]*$")

SPARE = 12
"""A clause that is too long goes on for so many words at most, while it is within a number or a link."""


class Clause(NamedTuple):
    """Words that are said in one breath.

    `ends_line`: a line ends behind them, as a heading or a list's item, which may have no full stop.
    """

    words: list[Word]
    ends_line: bool = False

    def __str__(self) -> str:
        """Return the clause as it is written."""
        first, *others = self.words
        return first.text + "".join(word.text if word.glued else f" {word.text}" for word in others)


class ClauseCutter:
    """Words in, clauses out: at once behind punctuation that is clear, else with the next word.

    Args:
        first_words: the first clause ends at the first punctuation, or after so many words
        min_words: each later clause has at least so many, except at the end of a sentence or a line
        max_words: no clause has more, except within words that are read together
    """

    def __init__(self, *, first_words: int, min_words: int, max_words: int) -> None:
        self._words: list[Word] = []
        self._sentence: list[str] = []
        self._says_something = False
        # In words; two characters of a script without spaces count as one.
        self._length = 0
        self._groups = Grouper()
        self._min, self._max = 1, first_words
        self._later = (min_words, max_words)

    def __call__(self, word: Word) -> Iterator[Clause]:
        if self._words and self._says_something:
            if ends_before(self._sentence, word):
                yield self._cut(ended=True, ends_line=word.line_breaks > 0)
            elif self._breaks_before(word):
                yield self._cut(ended=False)
        self._words.append(word)
        self._sentence.append(word.text)
        self._length += 1 if word.text.isascii() else _length(word.text)
        self._says_something = self._says_something or has_letters(word.text)
        self._groups(word)
        if not self._says_something:
            return
        ends = ends_with(self._sentence)
        if ends or (ends is False and not self._groups.is_open and self._is_long_enough(word)):
            yield self._cut(ended=ends)

    def rest(self) -> Iterator[Clause]:
        """Return the clause that has not ended."""
        if self._words:
            yield self._cut(ended=True)

    def _breaks_before(self, word: Word) -> bool:
        """Return whether the clause ends before `word` within a sentence: at a line's end, or where it is long."""
        if self._groups.belongs(word):
            return self._length >= self._max + SPARE
        if word.line_breaks:
            return not is_list_mark(self._words[-1].text)
        return self._groups.is_open and ends_with(self._sentence) is False and self._is_long_enough(self._words[-1])

    def _is_long_enough(self, word: Word) -> bool:
        if self._length >= self._max:
            return True
        return self._length >= self._min and not word.text[-1].isalnum() and bool(_COMMA.search(word.text))

    def _cut(self, *, ended: bool, ends_line: bool = False) -> Clause:
        clause = Clause(self._words, ends_line)
        if ended:
            self._sentence = []
        self._words, self._length, self._says_something = [], 0, False
        self._groups = Grouper()
        self._min, self._max = self._later
        return clause


def _length(word: str) -> int:
    return max(1, len(word) // 2) if is_unspaced(word) else 1
