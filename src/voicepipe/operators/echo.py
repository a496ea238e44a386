"""Echo detection: separates the user's words of a turn from those of the bot's own voice. Pure.

A loudspeaker's sound comes back into the microphone where no echo canceller removes it, and the recogniser writes what
the bot has just said, with mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache

from voicepipe.events import EchoEnded, EchoFound

__all__ = ["Heard", "OwnVoice", "compared"]

# The words that may be heard again: those of the last 15 s, or so.
_ECHO_WORDS = 40
# Without another word of it, an echo that was noticed in words has ended after as much of the bot's sound.
_ECHO_LIKELY_S = 15.0
# One or two words in common are chance, three in order are an echo.
_ECHO_SURE = 3

# A misread word has most of its letters: "whether" for "weather" 0.86, "sonny" for "sunny" 0.8, "vest" for "west" 0.75;
# two words that have nothing to do with each other have 0.2 to 0.5.
_SIMILAR = 0.7
_JOINED_SIMILAR = 0.6  # of several words with misread limits, too: "to day" for "today"
# Two sentences about one thing share their small words. An echo has more of them, or three in a row.
_ECHO_SHARE, _SURE_SHARE, _RUN = 0.5, 0.65, 3


@dataclass(frozen=True, slots=True)
class Heard:
    """The recognised words of a turn, by their source.

    Args:
        own: the user's words
        echoed: how many words are the bot's
    """

    own: str
    echoed: int


@dataclass(frozen=True, slots=True)
class OwnVoice:
    """The state of echo detection: the bot's last words, and whether an echo of them is likely.

    Args:
        likely_s: for so much more of the bot's sound an echo is likely: at first until an echo canceller has converged,
            and again after an echo was noticed in words
        spoken: the bot's last words
        found: an echo was found in the sound, and has not ended
    """

    likely_s: float
    spoken: tuple[str, ...] = ()
    found: bool = False

    @property
    def may_echo(self) -> bool:
        """Return whether words over a reply may be the bot's own."""
        return self.found or self.likely_s > 0

    def sounded(self, duration_s: float) -> OwnVoice:
        """Return the state after a frame of sound. Where no echo is likely nothing changes, and nothing is copied."""
        return replace(self, likely_s=max(0.0, self.likely_s - duration_s)) if self.likely_s else self

    def said(self, word: str) -> OwnVoice:
        """Return the state after a word of the bot's."""
        return replace(self, spoken=(*self.spoken, *word.split())[-_ECHO_WORDS:])

    def noticed(self, heard: Heard) -> OwnVoice:
        """Return the state after words were compared: enough of the bot's in order are an echo."""
        return replace(self, likely_s=_ECHO_LIKELY_S) if heard.echoed >= _ECHO_SURE else self

    def after(self, event: EchoFound | EchoEnded) -> OwnVoice:
        """Return the state after an echo was found in the sound, or has ended there, and in the words, too."""
        return replace(self, found=True) if isinstance(event, EchoFound) else replace(self, found=False, likely_s=0.0)


def compared(heard: str, spoken: Sequence[str]) -> Heard:
    """Compare what was heard with the words that the bot has spoken shortly before.

    >>> spoken = "The weather in Paris is sunny today, with some wind.".split()
    >>> compared("Whether in Paris is sunny", spoken)
    Heard(own='', echoed=5)
    >>> compared("in Paris stop please is sunny", spoken)
    Heard(own='stop please', echoed=4)
    >>> compared("What is the time?", spoken)
    Heard(own='What is the time?', echoed=0)

    Args:
        heard: The text of a turn.
        spoken: The bot's words, in the order in which they were heard.
    """
    bots = [_plain(word) for word in spoken]
    words = heard.split()
    own, run = _apart([_closest(_plain(word), bots) for word in words], bots)
    echoed = len(words) - len(own)
    if own and not _is_echo(echoed / len(words), run, len(words)):
        return Heard(heard, 0)
    return Heard(" ".join(words[at] for at in own), echoed)


def _is_echo(share: float, run: int, words: int) -> bool:
    return share >= _ECHO_SHARE and (run >= _RUN or (share >= _SURE_SHARE and words > _RUN + 1))


def _apart(words: Sequence[str], bots: Sequence[str]) -> tuple[list[int], int]:
    """Return the places of the words that are not the bot's, and the most of the bot's in a row."""
    own: list[int] = []
    run = 0
    for tag, start, stop, first, last in SequenceMatcher(None, bots, words, autojunk=False).get_opcodes():
        if tag == "equal":
            run = max(run, last - first)
        elif last > first and not _misread(_beside(bots, start, stop, first, last, len(words)), words[first:last]):
            own += range(first, last)
    return own, run


def _beside(bots: Sequence[str], start: int, stop: int, first: int, last: int, heard: int) -> Sequence[str]:
    """Return the bot's words in the place of others: at the edges of what was heard only the nearest ones."""
    size = last - first + 1
    if first == 0:
        return bots[max(start, stop - size) : stop] if last < heard else ()
    return bots[start : min(stop, start + size)] if last == heard else bots[start:stop]


def _misread(said: Sequence[str], heard: Sequence[str]) -> bool:
    """Return whether words are others that were misread; figures are heard as words."""
    if said and all(any(map(str.isdigit, word)) for word in said):
        return len(heard) <= 3 * len(said)
    return bool(said) and _similarity("".join(said), "".join(heard)) >= _JOINED_SIMILAR


def _closest(word: str, bots: Sequence[str]) -> str:
    """Return the bot's word that a word is, or that it is misread from; itself, where there is none."""
    if word in bots or not bots:
        return word
    best = max(bots, key=lambda one: _similarity(one, word))
    return best if _similarity(best, word) >= _SIMILAR else word


@lru_cache(4096)
def _similarity(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word.casefold())
