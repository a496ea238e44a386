"""The server events of OpenAI's Realtime API (GA) as types, as a client reads them.

Each has the fields that a client acts on, and the whole message in `raw`. An event of another type is a plain
`ServerEvent`: servers add types and fields.
"""

from __future__ import annotations

import base64
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = [
    "AudioDelta",
    "Disconnected",
    "ErrorDetails",
    "InputCommitted",
    "ItemAdded",
    "ItemDeleted",
    "ItemDone",
    "ItemTruncated",
    "OutputItemAdded",
    "OutputItemDone",
    "Reconnected",
    "Response",
    "ResponseCreated",
    "ResponseDone",
    "Resume",
    "ServerError",
    "ServerEvent",
    "SessionCreated",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "TextDelta",
    "TranscriptDelta",
    "TranscriptionCompleted",
    "TranscriptionDelta",
    "TranscriptionFailed",
    "read_event",
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ServerEvent(_Part):
    """A server event. `raw` is the message, which does not stand in the `repr`."""

    type: str
    event_id: str = ""
    raw: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False, exclude=True)


# ---- the session -----------------------------------------------------------------------------------------------------


class Resume(_Part):
    """The secret that takes up a session of voicepipe again, `within_s` seconds after its loss at the latest."""

    token: str = Field(repr=False)
    within_s: float


class SessionCreated(ServerEvent):
    """`session.created`: the session has begun, with these settings."""

    session: dict[str, Any]
    resume: Resume | None = None


class SessionUpdated(ServerEvent):
    """`session.updated`: the settings as they are now."""

    session: dict[str, Any]


class ErrorDetails(_Part):
    """The reason of an error. `event_id` and `param` name the client's event and its field, where there is one."""

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


class ServerError(ServerEvent):
    """`error`: a request was refused, or something has failed. The conversation goes on unless the server closes."""

    error: ErrorDetails


class Disconnected(ServerEvent):
    """`client.disconnected`, made by the client: the connection is lost, and is made again. `reason` says why."""

    type: str = "client.disconnected"
    reason: str


class Reconnected(ServerEvent):
    """`client.reconnected`, made by the client: the conversation goes on.

    `resumed`: in the same session, where everything is as it was. Otherwise in a new one, which has been told the
    settings and the items of the old one; a reply that was under way is lost.
    """

    type: str = "client.reconnected"
    resumed: bool


# ---- the user --------------------------------------------------------------------------------------------------------


class SpeechStarted(ServerEvent):
    """`input_audio_buffer.speech_started`: the user speaks; stop the playback."""

    item_id: str
    audio_start_ms: float = 0.0


class SpeechStopped(ServerEvent):
    """`input_audio_buffer.speech_stopped`: the user has finished."""

    item_id: str
    audio_end_ms: float = 0.0


class InputCommitted(ServerEvent):
    """`input_audio_buffer.committed`: what was said is an item. Its transcript follows."""

    item_id: str
    previous_item_id: str | None = None


class TranscriptionDelta(ServerEvent):
    """`conversation.item.input_audio_transcription.delta`: more of what the user said."""

    item_id: str
    delta: str = ""


class TranscriptionCompleted(ServerEvent):
    """`conversation.item.input_audio_transcription.completed`: all that the user said."""

    item_id: str
    transcript: str


class TranscriptionFailed(ServerEvent):
    """`conversation.item.input_audio_transcription.failed`: there is no transcript of this item."""

    item_id: str
    error: ErrorDetails


# ---- items -----------------------------------------------------------------------------------------------------------


class ItemAdded(ServerEvent):
    """`conversation.item.added`: an item stands in the conversation, behind `previous_item_id`."""

    item: dict[str, Any]
    previous_item_id: str | None = None


class ItemDone(ItemAdded):
    """`conversation.item.done`: the item is complete."""


class ItemDeleted(ServerEvent):
    """`conversation.item.deleted`."""

    item_id: str


class ItemTruncated(ServerEvent):
    """`conversation.item.truncated`: the item ends where the user stopped hearing it."""

    item_id: str
    audio_end_ms: float


# ---- responses -------------------------------------------------------------------------------------------------------


class Response(_Part):
    """A response. `conversation_id` is None for one outside of the conversation."""

    id: str
    status: Literal["in_progress", "completed", "cancelled", "failed", "incomplete"] | str = "in_progress"
    status_details: dict[str, Any] | None = None
    conversation_id: str | None = None

    @property
    def failure(self) -> str:
        """The server's reason for a failure; "" if it has not failed."""
        if self.status != "failed":
            return ""
        error: object = (self.status_details or {}).get("error")
        told = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
        return str(told.get("message") or told.get("code") or told.get("type") or "it did not say why")


class ResponseCreated(ServerEvent):
    """`response.created`: the bot begins to answer."""

    response: Response


class ResponseDone(ServerEvent):
    """`response.done`: the answer is complete, cancelled, or has failed."""

    response: Response


class _OfResponse(ServerEvent):
    response_id: str
    item_id: str = ""


class OutputItemAdded(ServerEvent):
    """`response.output_item.added`: a message, or a function call, begins."""

    response_id: str
    item: dict[str, Any]


class OutputItemDone(OutputItemAdded):
    """`response.output_item.done`: a message or a function call is complete."""


class AudioDelta(_OfResponse):
    """`response.output_audio.delta`: more of the bot's sound, in base64."""

    delta: str = Field(repr=False)

    @property
    def data(self) -> bytes:
        """The sound, in the format of the session's output. Raises ValueError if it is not base64."""
        return base64.b64decode(self.delta)


class TranscriptDelta(_OfResponse):
    """`response.output_audio_transcript.delta`: more of what the bot says."""

    delta: str


class TextDelta(_OfResponse):
    """`response.output_text.delta`: more of what the bot writes."""

    delta: str


_TRANSCRIPTION = "conversation.item.input_audio_transcription"

_TYPES: Final[dict[str, type[ServerEvent]]] = {
    "session.created": SessionCreated,
    "session.updated": SessionUpdated,
    "error": ServerError,
    "input_audio_buffer.speech_started": SpeechStarted,
    "input_audio_buffer.speech_stopped": SpeechStopped,
    "input_audio_buffer.committed": InputCommitted,
    f"{_TRANSCRIPTION}.delta": TranscriptionDelta,
    f"{_TRANSCRIPTION}.completed": TranscriptionCompleted,
    f"{_TRANSCRIPTION}.failed": TranscriptionFailed,
    "conversation.item.added": ItemAdded,
    "conversation.item.done": ItemDone,
    "conversation.item.deleted": ItemDeleted,
    "conversation.item.truncated": ItemTruncated,
    "response.created": ResponseCreated,
    "response.done": ResponseDone,
    "response.output_item.added": OutputItemAdded,
    "response.output_item.done": OutputItemDone,
    "response.output_audio.delta": AudioDelta,
    "response.output_audio_transcript.delta": TranscriptDelta,
    "response.output_text.delta": TextDelta,
}


def read_event(message: dict[str, Any]) -> ServerEvent:
    """Return a message as an event of its type; a plain `ServerEvent` for a type that is not listed here.

    Raises:
        ValueError: A field that the type needs is missing, or has another type. The message names the field.
    """
    kind = _TYPES.get(message["type"], ServerEvent)
    try:
        return kind.model_validate({**message, "raw": message})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{message['type']}: '{where}': {first['msg']}") from None
