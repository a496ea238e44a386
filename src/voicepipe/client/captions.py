"""What the user has said: guessed word by word, and corrected when the server has understood the whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple, cast

__all__ = ["SETTLES_WITHIN_S", "Asked", "Captions", "new_texts", "user_texts"]

SETTLES_WITHIN_S = 0.3
"""A reply follows the end of the user's turn at once; a server that gives none by now will not correct the words."""

LONGEST_GAP_S = 10.0
"""An utterance without an end that gets no more words is over: recognisers give a word a second."""

_SILENCE = "..."
"""What voicepipe and Unmute write into the history where the user has said nothing for a while."""


class Asked(NamedTuple):
    """What a reply says about the user's side."""

    answers: bool | None
    """Whether it answers the user, and not their silence; None where the server does not tell."""
    text: str | None
    """How the utterance reads that is settled now: empty where the recogniser has taken its words back. None: none."""


class Captions:
    """The utterances of the user that are not settled yet.

    Words belong to the utterance that is open. `stop` closes it; it is settled by the history that comes with the next
    reply, by a transcription of the whole, or after `SETTLES_WITHIN_S` as it was guessed. Each is settled once. What is
    settled is returned; None where nothing is. Times are seconds on one clock.
    """

    def __init__(self) -> None:
        self._words: list[str] = []
        self._stopped: list[str] = []
        self._word_s = self._stopped_s = 0.0
        self._history: list[str] = []
        self._settled = 0
        """Utterances that are settled and do not stand in the history yet."""

    def word(self, at_s: float, text: str) -> None:
        """A word was recognised."""
        self._words.append(text)
        self._word_s = at_s

    def stop(self, at_s: float) -> None:
        """The user's turn has ended: words that come now are of the next one."""
        if self._words:
            self._stopped, self._words, self._stopped_s = self._stopped + self._words, [], at_s

    def correct(self, text: str) -> str | None:
        """The server has transcribed the whole utterance."""
        return self._settle(text)

    def reply(self, history: Sequence[Any] | None) -> Asked:
        """A reply begins, to this `history` of the conversation, where the server sends it."""
        if history is None:
            return Asked(None, self.end())
        answers, texts = bool(user_texts(history[-1:])), user_texts(history)
        new, self._history = new_texts(self._history, texts), texts
        text = " ".join(new[self._settled :])
        if not text and self._settled:
            text = " ".join(self._stopped)  # what was settled stands in the history together with it
        if not text and not self._stopped:
            self._settled = max(0, self._settled - len(new))
            return Asked(answers, None)  # words that are open belong to an utterance that has just begun
        if text.endswith(" ".join(self._words)):  # a server may send the last words when the turn has ended
            self._stopped, self._words = self._stopped + self._words, []
        settled = self._settle(text)
        self._settled = 0
        return Asked(answers, settled)

    def wait(self, at_s: float) -> str | None:
        """It is `at_s` now."""
        if self._stopped:
            return self.end() if at_s - self._stopped_s >= SETTLES_WITHIN_S else None
        return self.end() if at_s - self._word_s >= LONGEST_GAP_S else None

    def end(self) -> str | None:
        """What is there counts as it was guessed."""
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
    """What the user has said, message by message; silences that a server has written down do not count."""
    users = [cast("dict[str, Any]", one) for one in history if isinstance(one, dict)]
    texts = [str(one.get("content") or "").strip() for one in users if one.get("role") == "user"]
    return [text for text in texts if text and text != _SILENCE]


def new_texts(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What `after` has that `before` has not; of a message that has grown, what has been added.

    >>> new_texts(["Hi.", "What is"], ["Hi.", "What is the time?"])
    ['the time?']
    """
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    new = list(after[same:])
    if new and same < len(before) and new[0].startswith(before[same]):
        new[0] = new[0][len(before[same]) :].strip()
    return [text for text in new if text]
