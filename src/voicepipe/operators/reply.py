"""`Reply`: a function from a conversation to the bot's reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Event, ReplyAudio

__all__ = ["Reply"]

Reply: TypeAlias = Callable[[Conversation], Observable[ReplyAudio | Event]]
"""Makes the reply to a conversation: `ReplyText`, `ReplyAudio` and `WordSpoken` on the playback clock, until it is
played; or `ReplyTextWritten`, where it is not `aloud`."""
