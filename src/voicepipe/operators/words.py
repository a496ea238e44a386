"""From an LLM's deltas to words, and from words to clauses."""

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
    """Whole words, each with its leading space, as soon as the next one begins; the last at the end.

    Splits at white space only: "don't", "3.5" and "Hello," are one word each. What the deltas say is what the words
    say, letter for letter, but for runs of white space. What is no text (a function call) passes, and ends a word.

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
    """The reply up to the end of its sentence number `count`; the model is then told to stop.

    A small model does not know when it has said enough, and a listener does not forgive it. What is no text passes.

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
    """Pieces that a speech synthesiser can say on their own: cut after punctuation, or where they grow too long.

    The first piece ends at the first punctuation, or after `first_words`, so that the voice begins early; the later
    ones have at least `min_words` (a sentence's end counts always), which sounds better, and at most `max_words`.

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
