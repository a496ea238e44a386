"""Captions of the user's words: first word by word, then corrected when the server has recognised the utterance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple, cast

__all__ = ["SETTLES_WITHIN_S", "Asked", "Captions", "new_texts", "user_texts"]

SETTLES_WITHIN_S = 0.3
"""A reply follows the end of the user's turn at once; without one by now the words will not be corrected."""

LONGEST_GAP_S = 10.0
"""An utterance without an end and without words for this time is over: recognisers emit a word a second."""

# The text of a silence in the history of voicepipe and Unmute.
_SILENCE = "..."


class Asked(NamedTuple):
    """The words of a reply about the user's side."""

    answers: bool | None
    """True for an answer to the user, False for one to a silence; None if the server does not say."""
    text: str | None
    """The final text of the utterance: empty if the recogniser has withdrawn its words; None if there is none."""


class Captions:
    """The user's utterances that are not final.

    Words belong to the open utterance. `stop` closes it. It becomes final by the history that comes with the next
    reply, by a transcription, or unchanged after `SETTLES_WITHIN_S`; each utterance once. Methods return what became
    final, or None. Times are seconds on one clock.
    """

    def __init__(self) -> None:
        self._words: list[str] = []
        self._stopped: list[str] = []
        self._word_s = self._stopped_s = 0.0
        self._history: list[str] = []
        # Final utterances that are not in the history yet.
        self._settled = 0

    def word(self, at_s: float, text: str) -> None:
        """Add a recognised word."""
        self._words.append(text)
        self._word_s = at_s

    def stop(self, at_s: float) -> None:
        """Note the end of the user's turn: later words belong to the next one."""
        if self._words:
            self._stopped, self._words, self._stopped_s = self._stopped + self._words, [], at_s

    def correct(self, text: str) -> str | None:
        """Note the server's transcription of the whole utterance."""
        return self._settle(text)

    def reply(self, history: Sequence[Any] | None) -> Asked:
        """Note the start of a reply, with the `history` of the conversation if the server sends it."""
        if history is None:
            return Asked(None, self.end())
        answers, texts = bool(user_texts(history[-1:])), user_texts(history)
        new, self._history = new_texts(self._history, texts), texts
        text = " ".join(new[self._settled :])
        if not text and self._settled:
            text = " ".join(self._stopped)  # earlier final texts stand in the history together with it
        if not text and not self._stopped:
            self._settled = max(0, self._settled - len(new))
            return Asked(answers, None)  # open words belong to an utterance that has just begun
        if text.endswith(" ".join(self._words)):  # a server may send the last words when the turn has ended
            self._stopped, self._words = self._stopped + self._words, []
        settled = self._settle(text)
        self._settled = 0
        return Asked(answers, settled)

    def wait(self, at_s: float) -> str | None:
        """Note the time."""
        if self._stopped:
            return self.end() if at_s - self._stopped_s >= SETTLES_WITHIN_S else None
        return self.end() if at_s - self._word_s >= LONGEST_GAP_S else None

    def end(self) -> str | None:
        """Make the present words final."""
        return self._settle(" ".join(self._stopped or self._words))

    def _settle(self, text: str) -> str | None:
        if not self._stopped and not self._words:
            return None
        if self._stopped:
            self._stopped = []
        else:
            self._words = []
        self._settled += bool(text)
        return text


def user_texts(history: Sequence[Any]) -> list[str]:
    """Return the user's messages, without silences that a server has written."""
    users = [cast("dict[str, Any]", one) for one in history if isinstance(one, dict)]
    texts = [str(one.get("content") or "").strip() for one in users if one.get("role") == "user"]
    return [text for text in texts if text and text != _SILENCE]


def new_texts(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return what `after` has that `before` has not; of a longer message, its addition.

    >>> new_texts(["Hi.", "What is"], ["Hi.", "What is the time?"])
    ['the time?']
    """
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    new = list(after[same:])
    if new and same < len(before) and new[0].startswith(before[same]):
        new[0] = new[0][len(before[same]) :].strip()
    return [text for text in new if text]
