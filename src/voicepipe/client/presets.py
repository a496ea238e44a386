"""Times and sizes of a client: see `voicepipe.presets` for those of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["REALTIME", "Realtime"]


@dataclass(frozen=True, slots=True)
class Realtime:
    """Talk to a server of conversations. For `voicepipe.client.connect` and `voicepipe.client.relay`.

    Args:
        open_s: how long a handshake and its greeting may take
        back_within_s: how long a lost connection is made again, until the conversation has ended
        pause_s: the pause before the first new attempt; each later one is twice as long
        longest_pause_s: the bound of a pause
        waiting_audio_s: how much of the user's sound waits for a lost connection; of more, the oldest is dropped
        waiting_events: how many events of the server wait to be read; the server waits before it sends more
        history_items: how many items a new session is told of; of more, the oldest go
    """

    open_s: float
    back_within_s: float
    pause_s: float
    longest_pause_s: float
    waiting_audio_s: float
    waiting_events: int
    history_items: int


REALTIME: Final = Realtime(
    open_s=10,
    back_within_s=180,
    pause_s=0.25,
    longest_pause_s=8,
    waiting_audio_s=5,
    waiting_events=256,
    history_items=200,
)
"""The page in the browser gives up after the same three minutes. 5 s of sound are the question that was being asked
when the connection broke; what is older has lost its occasion. 256 events are 5 s of sound in packets of 20 ms, and 200
items are a conversation of half an hour."""
