"""The server events for sound that travels as RTP: `output_audio_buffer.*`, and no sound in messages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voicepipe.events import Event, ReplyEnded, ReplyInterrupted, SpeechEncoded
from voicepipe.realtime.ga.responses import Message

__all__ = ["OutputAudioBuffer"]

_SOUND = "response.output_audio.delta"
_CLEARED = "output_audio_buffer.cleared"


class OutputAudioBuffer:
    """The `output_audio_buffer.*` messages: the sound of a response begins (`started`), has been played to its end
    (`stopped`), or was cut (`cleared`)."""

    def __init__(self) -> None:
        self._sounding: str | None = None

    def told(self, event: Event, messages: Iterable[Message], response_id: str | None) -> Iterator[Message]:
        """Yield the messages of an event without sound, and those of the buffer.

        Args:
            event: What has happened.
            messages: What a client on a WebSocket is told of it.
            response_id: The response that is under way.
        """
        for message in messages:
            if message[0] == _CLEARED:
                self._sounding = None
            if message[0] != _SOUND:
                yield message
        if isinstance(event, SpeechEncoded) and self._sounding is None and response_id is not None:
            self._sounding = response_id
            yield "output_audio_buffer.started", {"response_id": response_id}
        if isinstance(event, ReplyEnded | ReplyInterrupted) and self._sounding is not None:
            sounding, self._sounding = self._sounding, None
            kind = _CLEARED if isinstance(event, ReplyInterrupted) else "output_audio_buffer.stopped"
            yield kind, {"response_id": sounding}
