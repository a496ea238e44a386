"""Split an LLM's text into words, and words into clauses."""

from __future__ import annotations

import re
from collections.abc import Iterator

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Event, ReplyText, Unspoken
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["at_most_sentences", "by_clause", "split_words"]


@stage_factory(gives=(ReplyText,), takes=(str,), passes=True)
def split_words() -> Stage[str | Event, Unspoken | Event]:
    """Emit whole words, each with its leading space, when the next one begins; the last at the end.

    Splits at white space only: "don't", "3.5" and "Hello," are one word each. The words have the same letters as the
    deltas; runs of white space become one space. Items that are not text (a function call) pass, and end a word.

    .. marbles::

        llm           a--b--c|      "Hel", "lo wor", "ld."
        split_words   ---x---(y|)   "Hello", " world."
    """
    return transduce(lambda _: _Words(), finish=_Words.rest)


class _Words:
    def __init__(self) -> None:
        self._tail = ""
        self._first = True

    def __call__(self, delta: str | Event) -> Iterator[Event]:
        if not isinstance(delta, str):
            yield from self.rest()
            yield delta
            return
        *whole, self._tail = re.split(r"\s+", self._tail + delta)
        for word in whole:
            yield from self._word(word)

    def rest(self) -> Iterator[ReplyText]:
        word, self._tail = self._tail, ""
        yield from self._word(word)

    def _word(self, word: str) -> Iterator[ReplyText]:
        if word:
            yield ReplyText(word if self._first else f" {word}")
            self._first = False


@stage_factory(passes=True)
def at_most_sentences(count: int) -> Stage[Unspoken | Event, Unspoken | Event]:
    """Pass the reply up to the end of its sentence number `count`, and then stop the model.

    A small model does not stop by itself, and long answers bore the listener. Items that are not text pass.

    Args:
        count: The number of sentences, 1 at least.

    .. marbles::

        words               a-b-c-d|      "No." " I" " won't." " And"
        at_most_sentences   a-b-(c|)      with count 2
    """

    def stage(words: Observable[Unspoken | Event]) -> Observable[Unspoken | Event]:
        return reactivex.defer(lambda _: words.pipe(rx_ops.take_while(_Enough(count).goes_on, inclusive=True)))

    return stage


class _Enough:
    def __init__(self, count: int) -> None:
        self._left = count

    def goes_on(self, text: Unspoken | Event) -> bool:
        if not isinstance(text, ReplyText):
            return True
        self._left -= bool(_SENTENCE_END.search(text.delta)) and text.delta.strip().lower() not in _ABBREVIATIONS
        return self._left > 0


_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*$")
_CLAUSE_END = re.compile(r"[.!?…][\"'”’)\]]*$|[,;:—–][\"'”’)\]]*$")
_ABBREVIATIONS = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "e.g.", "i.e.", "vs.", "etc."})


@stage_factory()
def by_clause(*, first_words: int, min_words: int, max_words: int) -> Stage[ReplyText, str]:
    """Emit clauses for a TTS: cut after punctuation, or where they get too long.

    Args:
        first_words: The first clause ends at the first punctuation, or after so many words: the voice begins early.
        min_words: Each later clause has at least so many, except at the end of a sentence: it sounds better.
        max_words: No clause has more.

    .. marbles::

        words       a-b-c-d|      "Well," " I" " know" " it."
        by_clause   x-----y|      "Well," and "I know it."
    """
    return transduce(lambda _: _Clauses(first_words, min_words, max_words), finish=_Clauses.rest)


class _Clauses:
    def __init__(self, first_words: int, min_words: int, max_words: int) -> None:
        self._words: list[str] = []
        self._min, self._max = 1, first_words
        self._later = (min_words, max_words)

    def __call__(self, text: ReplyText) -> Iterator[str]:
        self._words.append(text.delta)
        if self._ends():
            yield from self.rest()

    def rest(self) -> Iterator[str]:
        clause, self._words = "".join(self._words).strip(), []
        if clause:
            self._min, self._max = self._later
            yield clause

    def _ends(self) -> bool:
        word = self._words[-1].strip().lower()
        if len(self._words) >= self._max:
            return True
        if not _CLAUSE_END.search(word) or word in _ABBREVIATIONS:
            return False
        return len(self._words) >= self._min or word[-1] not in ",;:—–"
