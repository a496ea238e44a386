"""`RelayedReply`: a reply of another server while it is played: what was heard of it, and its words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from voicepipe.conversation import ItemId
from voicepipe.events import Audio, ReplyAudio, WordSpoken

__all__ = ["RelayedReply"]

LETTERS_PER_S = 14.0
"""Of a text without the times of its words, a space for each word included: 150 words a minute, of 4.7 letters."""

AHEAD_S = 1.0
"""Where the sound is further ahead of what is heard, the server sends it as fast as it is made, and the text ahead of
it. voicepipe sends 0.3 s ahead, and each word when it is heard."""

SETTLED_S = 0.5
"""So much of a reply has been heard when it is clear which of the two a server does."""

_PIECES = re.compile(r"(\s*)(\S+)")


@dataclass(slots=True)
class RelayedReply:
    """A reply from its first response to its end.

    Args:
        item: The pipeline's name of its message.
        response_id: The server's id of the response that is under way.
    """

    item: ItemId
    response_id: str
    remote_item: str = ""
    calls: set[str] = field(default_factory=set[str])
    """The pipeline's functions that run for it."""
    is_complete: bool = False
    """The server has ended the response."""
    words: list[WordSpoken] = field(default_factory=list[WordSpoken])
    """What was heard."""
    has_called: bool = False
    """The response has called functions of the pipeline's: another response goes on with what they give."""
    continues: bool = False
    """That response has been asked for."""
    made_s: float = 0.0
    """How much sound has come."""
    _released_s: float = 0.0
    _ends_at: float = 0.0
    _text_until_s: float = 0.0
    _begins_word: bool = True

    def next_response(self, response_id: str) -> None:
        """Go on with another response."""
        self.response_id, self._begins_word = response_id, True
        self.is_complete = self.has_called = self.continues = False

    def made(self, audio: Audio) -> None:
        """Note sound that has come."""
        self.made_s += audio.duration_s

    def released(self, sound: ReplyAudio, at_s: float) -> None:
        """Note sound that goes to the client now."""
        self._ends_at = max(self._ends_at, at_s) + sound.audio.duration_s
        self._released_s += sound.audio.duration_s

    def heard_s(self, at_s: float) -> float:
        """Return how much of the sound the user has heard."""
        return max(0.0, self._released_s - max(0.0, self._ends_at - at_s))

    def times(self, delta: str, at_s: float) -> Iterator[WordSpoken]:
        """Yield the words of a piece of the transcript; one that continues a word is `glued`.

        Args:
            delta: The piece.
            at_s: The time on the session's clock.
        """
        heard_s = self.heard_s(at_s)
        if self.made_s - heard_s < AHEAD_S and heard_s > SETTLED_S:
            self._text_until_s = heard_s
        for space, text in _PIECES.findall(delta):
            start_s = max(self._text_until_s, heard_s)
            self._text_until_s = start_s + (len(text) + 1) / LETTERS_PER_S
            yield WordSpoken(text, start_s, self._text_until_s, glued=not (space or self._begins_word))
            self._begins_word = False
        self._begins_word = self._begins_word or delta[-1:].isspace()

    @property
    def text(self) -> str:
        """The heard text."""
        said = ""
        for word in self.words:
            said += word.word if word.glued or not said else f" {word.word}"
        return said
