"""`ServerEventEncoder`: from a pipeline's events to the server events of the GA form, with all ids.

It holds one session's items, turn and response; the dialects `ga` and `beta` use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

from voicepipe.conversation import NO_ITEM, SILENCE, Conversation, ItemId
from voicepipe.events import (
    Event,
    FunctionCalled,
    FunctionCallWritten,
    FunctionReturned,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    MaxTokensReached,
    OutOfBandResponse,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SessionOpened,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TextNotSpoken,
    TokenLogprob,
    TokensCounted,
    ToolApprovalGiven,
    ToolListFailed,
    ToolListStarted,
    ToolsListed,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnStarted,
    Warned,
    WordSpoken,
)
from voicepipe.realtime.errors import server_error
from voicepipe.realtime.ga.items import AnyItem, Item, Items
from voicepipe.realtime.ga.mcp_tools import refusal
from voicepipe.realtime.ga.responses import Content, Message, ResponseEncoder, ResponseOptions
from voicepipe.realtime.ga.session_config import SessionConfig
from voicepipe.realtime.ga.tool_calls import ToolList, ToolServerItems
from voicepipe.realtime.ids import WireItemId

__all__ = ["ServerEventEncoder"]


class ServerEventEncoder:
    """`translate` returns the server events for an event, in the order that the client needs.

    `speech_started` stops the client's playback, so it is sent when a voice takes the turn: at once while the bot is
    silent, otherwise when it interrupts or turns out to be words. The words of a turn are sent when it has ended, after
    their item.

    `TextNotSpoken` stands in the status details of the response. Other warnings (`Warned`, `Overflowed`) are only
    logged: this protocol has no event for them but `error`, and a Node client without a handler for `error` ends its
    process. A lost service is told: without it nothing is heard.
    """

    def __init__(self, config: SessionConfig, name: Callable[[str], str]) -> None:
        self.config = config
        self.items = Items(name("salt").removeprefix("salt_")[:12])
        self.response: ResponseEncoder | None = None
        # Requested responses that have not begun, by the pipeline's name of their item.
        self.requested: dict[ItemId, ResponseOptions] = {}
        self.requested_out_of_band: dict[ItemId, ResponseOptions] = {}
        # Out-of-band responses by the same names, before and after their start.
        self.out_of_band_responses: dict[ItemId, ResponseEncoder] = {}
        self.tools = ToolServerItems(self.items, name)
        # Tools that are not served, each with the reason, of which the client is told behind its settings.
        self.refused_tools: tuple[str, ...] = ()
        # The client's sound: all, and what is not in an item yet.
        self.appended_ms = self.buffered_ms = 0.0
        self._name = name
        self._session_id, self.conversation_id = name("sess"), name("conv")
        self._turn = _Turn()
        self._unjudged: TurnEnded | None = None
        # Of what was recognised and is in no transcript yet.
        self._logprobs: list[TokenLogprob] = []
        # The end of the last turn.
        self._ended_s = 0.0
        self._committed_s: dict[WireItemId, float] = {}
        self._cancelled: Literal["turn_detected", "client_cancelled"] = "turn_detected"

    @property
    def turn_is_open(self) -> bool:
        """Return whether the user is known to be speaking."""
        return self._turn.item is not None

    def translate(self, event: Event) -> Iterator[Message]:
        match event:
            case SpeechEncoded() | WordSpoken() | ReplyTextWritten():
                yield from self._content(event)
            case ReplyText() | FunctionCallWritten() | FunctionCalled() | MaxTokensReached() | TokensCounted():
                if self.response is not None:
                    yield from self._called(event, self.response)
            case ToolListStarted() | ToolsListed() | ToolListFailed() | ToolApprovalGiven() | FunctionReturned():
                yield from self._tools(event)
            case TextNotSpoken(message=message) if self.response is not None:
                self.response.leave_unspoken(message)
            case TurnStarted() | TurnConfirmed() | TurnEnded() | TurnJudged():
                yield from self._turns(event)
            case Transcribed(logprobs=logprobs) if self.config.logprobs:
                self._logprobs += logprobs
            case ReplyStarted() | ReplyEnded() | ReplyInterrupted() | ReplyCancelled():
                yield from self._replies(event)
            case OutOfBandResponse(item=key, event=aside):
                yield from self._aside(key, aside)
            case SessionOpened(session_id=session_id):
                self._session_id = session_id
                yield "session.created", {"session": self._session()}
                yield from self._refused_tools("session.tools")
            case SettingsChanged() if event.written:
                yield "session.updated", {"session": self._session()}
                yield from self._refused_tools("session.tools")
            case ReplyRequested():
                yield from self._refused_tools("response.tools")
            case InputCommitted() | InputCleared() | ItemCreated() | ItemDeleted() | ItemTruncated() | ItemRequested():
                yield from self._wishes(event)
            case StageFailed() | InputRejected():
                yield from self._failed(event, self.response)
            case Warned(service_lost=True):
                yield "error", {"error": server_error(event)}
            case _:
                pass

    def _session(self) -> dict[str, Any]:
        return {**self.config.written(), "id": self._session_id}

    def _refused_tools(self, where: str) -> Iterator[Message]:
        """Report the tools that were left out; the rest of the client's message holds."""
        refused, self.refused_tools = self.refused_tools, ()
        if refused:
            yield "error", {"error": server_error(refusal(refused, where))}

    def _called(self, event: Content, response: ResponseEncoder) -> Iterator[Message]:
        """Return the events of a response's piece; of a call that a tool server has, those of its own."""
        if isinstance(event, FunctionCalled) and event.server and self.tools.is_tool(event.call.name):
            yield from self.tools.called(event.call, response)
        else:
            yield from response.content(event)

    def _tools(self, event: ToolList | ToolApprovalGiven | FunctionReturned) -> Iterator[Message]:
        match event:
            case ToolApprovalGiven(item=key):
                yield from self._added(self.items[self.items.id_of(key)])
                yield from self.tools.approved(event)
            case FunctionReturned():
                yield from self.tools.returned(event)
            case _:
                yield from self.tools.listed(event)

    def _failed(self, event: StageFailed | InputRejected, response: ResponseEncoder | None) -> Iterator[Message]:
        """Report a failure at the end of its response; one that belongs to no response is an error event."""
        error = server_error(event)
        if isinstance(event, StageFailed) and not event.fatal and response is not None:
            response.fail(error["code"], error["message"])
        else:
            yield "error", {"error": error}

    # ---- the user's turn --------------------------------------------------------------------------------------------

    def _turns(self, event: TurnStarted | TurnConfirmed | TurnEnded | TurnJudged) -> Iterator[Message]:
        match event:
            case TurnStarted(at_s=at_s, item=key):
                yield from self._judged()
                self._turn = _Turn(self.items.id_of(key or ItemId(self._name("turn"))), self._padded(at_s))
                self._turn.over_reply = self.response is not None
                if self.response is None:
                    self.requested.clear()  # a speaking user is not answered before the end of the turn
                    yield from self._speech_started()
            case TurnConfirmed():
                if self.response is None or not self.config.interrupts:
                    yield from self._speech_started()  # otherwise it may be the bot's own voice
            case TurnEnded(committed=True):
                yield from self._transcription(self.items.id_of(event.item), event.text)
            case TurnEnded(text=text) if text and self._turn.over_reply:
                self._unjudged = event  # `TurnJudged` follows
            case TurnEnded():
                yield from self._turn_ended(event)
            case TurnJudged(text=text):
                yield from self._judged(text)

    def _judged(self, text: str | None = None) -> Iterator[Message]:
        """End a turn over a reply with what counts of it: all of it, in a pipeline that judges no turns."""
        ended, self._unjudged = self._unjudged, None
        if ended is not None:
            yield from self._turn_ended(ended if text is None else replace(ended, text=text))

    def _padded(self, at_s: float) -> float:
        """Return the start of a turn: the onset, less the client's prefix, but not within another turn."""
        return max(at_s - (self.config.prefix_ms or 0.0) / 1000, min(self._ended_s, at_s))

    def _speech_started(self) -> Iterator[Message]:
        turn = self._turn
        if turn.item is not None and not turn.told:
            turn.told = True
            yield "input_audio_buffer.speech_started", {"audio_start_ms": _ms(turn.from_s), "item_id": turn.item}

    def _turn_ended(self, ended: TurnEnded) -> Iterator[Message]:
        has_words = bool(ended.text) or ended.text_follows
        if has_words:
            if self._turn.item is None:
                self._turn = _Turn(self.items.id_of(ended.item or ItemId(self._name("turn"))), ended.at_s)
            yield from self._speech_started()
        turn, self._turn, self._ended_s = self._turn, _Turn(), ended.at_s
        if turn.item is not None and turn.told:
            yield "input_audio_buffer.speech_stopped", {"audio_end_ms": _ms(ended.at_s), "item_id": turn.item}
        if turn.item is not None and has_words:
            yield from self._committed(turn.item, ended.at_s - turn.from_s)
            if ended.text:
                yield from self._transcription(turn.item, ended.text)
        self._logprobs.clear()

    def _committed(self, item_id: WireItemId, seconds: float) -> Iterator[Message]:
        """Make an item of the user's sound; its transcript follows."""
        self._committed_s[item_id] = seconds
        self.buffered_ms = 0.0
        previous = self.items.last
        item = self.items.add(Item(item_id, "user", [{"type": "input_audio", "transcript": None}], "completed"))
        yield "input_audio_buffer.committed", {"previous_item_id": previous, "item_id": item_id}
        yield from self._added(item)

    def _added(self, item: AnyItem) -> Iterator[Message]:
        place = {"previous_item_id": self.items.before(item.id)}
        yield "conversation.item.added", {**place, "item": item.written()}
        yield "conversation.item.done", {**place, "item": item.written()}

    def _transcription(self, item_id: WireItemId, text: str) -> Iterator[Message]:
        seconds, logprobs = self._committed_s.pop(item_id, 0.0), self._scored()
        item = self.items.message(item_id)
        if item is not None:
            item.content[0]["transcript"] = text
        if self.config.input["transcription"] is None:
            return
        kind, where = "conversation.item.input_audio_transcription", {"item_id": item_id, "content_index": 0}
        if logprobs is not None:
            where = {**where, "logprobs": logprobs}
        if text:
            yield f"{kind}.delta", {**where, "delta": text}
        usage = {"type": "duration", "seconds": round(max(0.0, seconds), 3)}
        yield f"{kind}.completed", {**where, "transcript": text, "usage": usage}

    def _scored(self) -> list[dict[str, Any]] | None:
        """Return the probabilities of what was recognised since the last transcript, where the client wants them."""
        logprobs, self._logprobs = self._logprobs, []
        told = [{"token": one.text, "logprob": one.logprob, "bytes": list(one.text.encode())} for one in logprobs]
        return told if self.config.logprobs else None

    # ---- the bot's reply --------------------------------------------------------------------------------------------

    def _replies(self, event: ReplyStarted | ReplyEnded | ReplyInterrupted | ReplyCancelled) -> Iterator[Message]:
        match event:
            case ReplyStarted():
                yield from self._end()
                yield from self._broken_silence(event)
                yield from self._begin(event.item, event.conversation.aloud, event.conversation)
            case ReplyEnded():
                yield from self._end()
            case ReplyInterrupted():
                if self._cancelled == "turn_detected":
                    yield from self._speech_started()
                yield from self._cut()
            case ReplyCancelled(item=str(key)) if key:
                self.requested_out_of_band.pop(key, None)
            case ReplyCancelled(clears=clears):
                if clears and self.response is not None:
                    yield "output_audio_buffer.cleared", {"response_id": self.response.id}
                self._cancelled = "turn_detected" if self.response is None else "client_cancelled"
                self.requested.clear()

    def _begin(self, key: ItemId, aloud: bool, conversation: Conversation | None = None) -> Iterator[Message]:
        wishes = self.requested.pop(key, None) or ResponseOptions(aloud, output=self.output())
        key = key or ItemId(self._name("reply"))
        self.response = ResponseEncoder(self._name("resp"), key, self.items, self.conversation_id, wishes)
        if conversation is not None:
            self.response.tokens.read(conversation)
        self._cancelled = "turn_detected"
        yield from self.response.created()

    def _aside(self, key: ItemId, event: ReplyAudio | Event) -> Iterator[Message]:
        if isinstance(event, ReplyStarted):
            wishes = self.requested_out_of_band.pop(key, None) or ResponseOptions(False, False, output=self.output())
            self.out_of_band_responses[key] = ResponseEncoder(
                self._name("resp"), key, self.items, self.conversation_id, wishes
            )
            self.out_of_band_responses[key].tokens.read(event.conversation)
            yield from self.out_of_band_responses[key].created()
        response = self.out_of_band_responses.get(key)
        if response is None:
            return
        match event:
            case ReplyEnded():
                yield from self.out_of_band_responses.pop(key).completed()
            case ReplyInterrupted():
                yield from self.out_of_band_responses.pop(key).cancelled("client_cancelled")
            case StageFailed():
                yield from self._failed(event, response)
            case FunctionReturned():
                yield from self._tools(event)
            case (
                ReplyTextWritten()
                | ReplyText()
                | FunctionCallWritten()
                | FunctionCalled()
                | MaxTokensReached()
                | TokensCounted()
            ):
                yield from self._called(event, response)
            case _:
                pass

    def output(self) -> dict[str, Any]:
        """Return the format and voice of a response."""
        return {"format": self.config.output["format"], "voice": self.config.voice}

    def _content(self, event: Content) -> Iterator[Message]:
        if self.response is None:  # of a pipeline that knows no replies
            yield from self._begin(NO_ITEM, not isinstance(event, ReplyTextWritten))
        assert self.response is not None
        yield from self.response.content(event)

    def _end(self) -> Iterator[Message]:
        response, self.response = self.response, None
        if response is not None:
            yield from response.completed()
            yield from self._speech_started()

    def _cut(self) -> Iterator[Message]:
        self.requested.clear()  # what should have followed does not
        response, self.response = self.response, None
        if response is not None:
            yield from response.cancelled(self._cancelled)

    def _broken_silence(self, started: ReplyStarted) -> Iterator[Message]:
        """Report that the bot speaks because the user was silent for the client's time."""
        said, idle_s = started.conversation.messages[-1:], self.config.idle_s
        if idle_s is None or not said or said[0].text != SILENCE or self.items.id_of(said[0].item) in self.items:
            return
        item_id, end_ms = self.items.id_of(said[0].item), round(self.appended_ms)
        span = {"audio_start_ms": max(0, end_ms - round(idle_s * 1000)), "audio_end_ms": end_ms}
        yield "input_audio_buffer.timeout_triggered", {**span, "item_id": item_id}
        yield from self._committed(item_id, 0.0)

    # ---- what the client has done to the conversation ----------------------------------------------------------------

    def _wishes(
        self, event: InputCommitted | InputCleared | ItemCreated | ItemDeleted | ItemTruncated | ItemRequested
    ) -> Iterator[Message]:
        match event:
            case InputCommitted(item=key):
                if (spoken := self.items.get(self.items.id_of(key))) is not None:
                    yield from self._added(spoken)  # a message of its own, which was not in the buffer
                elif key:
                    yield from self._committed(self.items.id_of(key), self.buffered_ms / 1000)
            case InputCleared():
                self.buffered_ms = 0.0
                yield "input_audio_buffer.cleared", {}
            case ItemCreated():
                yield from self._added(self.items[self.items.id_of(event.item)])
            case ItemDeleted(item=key):
                self.items.remove(self.items.id_of(key))
                yield "conversation.item.deleted", {"item_id": self.items.id_of(key)}
            case ItemTruncated(item=key, audio_end_ms=end_ms):
                item = self.items[self.items.id_of(key)]
                if isinstance(item, Item):
                    item.truncate(end_ms)
                where = {"item_id": item.id, "content_index": 0}
                yield "conversation.item.truncated", {**where, "audio_end_ms": round(end_ms)}
            case ItemRequested(item=key):
                yield "conversation.item.retrieved", {"item": self.items[self.items.id_of(key)].written()}


class _Turn:
    """The user's current turn: its item, its start, and whether the client knows of it."""

    def __init__(self, item: WireItemId | None = None, from_s: float = 0.0) -> None:
        self.item, self.from_s, self.told = item, from_s, False
        self.over_reply = False  # it began while a response was in progress


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
