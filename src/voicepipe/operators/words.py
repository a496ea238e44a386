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
from voicepipe.text.clauses import ClauseCutter
from voicepipe.text.sentences import ends_before, ends_with, is_list_mark
from voicepipe.text.words import Word, is_unspaced, pieces, words_of

__all__ = ["as_words", "at_most_sentences", "by_clause", "split_words"]


def as_words(text: ReplyText) -> list[Word]:
    """Return a piece of the reply's text as words: one, unless a stage of the user's has made a piece of several."""
    glued = not text.delta[:1].isspace() and is_unspaced(text.delta)
    word = text.delta.strip()
    if not word:
        return []
    if " " not in word and "\n" not in word:
        return [Word(word, glued, text.line_breaks)]
    first, *others = words_of(word)
    return [Word(first.text, glued, text.line_breaks), *others]


@stage_factory(gives=(ReplyText,), takes=(str,), passes=True)
def split_words() -> Stage[str | Event, Unspoken | Event]:
    """Emit whole words, each with its leading space, when the next one begins; the last at the end.

    Splits at white space: "don't", "3.5" and "Hello," are one word each; and, in scripts that have none, behind their
    punctuation: "今日は。元気です。" are two. The words have the same letters as the deltas; runs of white space become
    one space, and `ReplyText.line_breaks` says how many lines ended there. Items that are not text (a function call)
    pass, and end a word.

    .. marbles::

        llm           a--b--c|      "Hel", "lo wor", "ld."
        split_words   ---x---(y|)   "Hello", " world."
    """
    return transduce(lambda _: _Words(), finish=_Words.rest)


class _Words:
    def __init__(self) -> None:
        self._tail = ""
        self._first = True
        self._glued = False
        self._line_breaks = 0

    def __call__(self, delta: str | Event) -> Iterator[Event]:
        if not isinstance(delta, str):
            yield from self.rest()
            yield delta
            return
        # The odd parts are the white space between the words.
        *parts, self._tail = _SPACE.split(self._tail + delta)
        for word, space in zip(parts[::2], parts[1::2], strict=True):
            yield from self._token(word)
            self._glued = False
            self._line_breaks += space != " " and space.count("\n")
        if not self._tail.isascii():
            whole, self._tail = pieces(self._tail)
            for piece in whole:
                yield from self._word(piece)
                self._glued = True

    def rest(self) -> Iterator[ReplyText]:
        word, self._tail = self._tail, ""
        yield from self._token(word)
        self._glued = False

    def _token(self, token: str) -> Iterator[ReplyText]:
        if token.isascii():
            yield from self._word(token)
            return
        whole, rest = pieces(token)
        for piece in [*whole, rest]:
            yield from self._word(piece)
            self._glued = True

    def _word(self, word: str) -> Iterator[ReplyText]:
        if word:
            breaks = 0 if self._first else self._line_breaks
            yield ReplyText(word if self._first or self._glued else f" {word}", breaks)
            self._first, self._line_breaks = False, 0


_SPACE = re.compile(r"(\s+)")


@stage_factory(passes=True)
def at_most_sentences(count: int) -> Stage[Unspoken | Event, Unspoken | Event]:
    """Pass the reply up to the end of its sentence number `count`, and then stop the model.

    A small model does not stop by itself, and long answers bore the listener. Items that are not text pass. Where
    only the next word tells whether a sentence has ended, the reply ends before that word.

    Args:
        count: The number of sentences, 1 at least.

    .. marbles::

        words               a-b-c-d|      "No." " I" " won't." " And"
        at_most_sentences   a-b-(c|)      with count 2
    """

    def stage(words: Observable[Unspoken | Event]) -> Observable[Unspoken | Event]:
        return reactivex.defer(lambda _: _until_enough(words, _Sentences(count)))

    return stage


def _until_enough(words: Observable[Unspoken | Event], sentences: _Sentences) -> Observable[Unspoken | Event]:
    """Stop before the item with which the last sentence turns out to have ended, or behind its last word."""
    return words.pipe(
        rx_ops.take_while(sentences.goes_on_before), rx_ops.take_while(sentences.goes_on_behind, inclusive=True)
    )


class _Sentences:
    """Count sentences. A list's items without full stops are one: its marks end none."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._sentence: list[str] = []
        self._behind_mark = False

    def goes_on_before(self, item: Unspoken | Event) -> bool:
        if (
            self._sentence
            and not self._behind_mark
            and isinstance(item, ReplyText)
            and ends_before(self._sentence, Word(item.delta.strip()))
        ):
            self._ended()
        return self._left > 0

    def goes_on_behind(self, item: Unspoken | Event) -> bool:
        if isinstance(item, ReplyText):
            word = item.delta.strip()
            self._sentence.append(word)
            self._behind_mark = item.line_breaks > 0 and is_list_mark(word)
            # "No." alone is an answer: only its next word could tell that it is a number.
            if not self._behind_mark and (ends_with(self._sentence) or self._sentence == ["No."]):
                self._ended()
        return self._left > 0

    def _ended(self) -> None:
        self._left -= 1
        self._sentence = []


@stage_factory()
def by_clause(*, first_words: int, min_words: int, max_words: int) -> Stage[ReplyText, str]:
    """Emit clauses for a TTS: cut after punctuation, at the end of a line, or where they get too long.

    A full stop behind an initial, an abbreviation or a list's number ends none; where only the next word tells ("U.S.",
    "p.m."), the clause ends with it. What is read together, such as "5 km" or a link, is never cut.

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
        self._cutter = ClauseCutter(first_words=first_words, min_words=min_words, max_words=max_words)

    def __call__(self, text: ReplyText) -> Iterator[str]:
        return (str(clause) for word in as_words(text) for clause in self._cutter(word))

    def rest(self) -> Iterator[str]:
        return map(str, self._cutter.rest())
