"""`RelayState`: a conversation that another server leads, between that server and a pipeline. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from voicepipe.audio import Decoder, Pcm16
from voicepipe.client import events as remote
from voicepipe.client.speech_to_speech.actions import Action, Begin, Call, Cut, Emit, Finish, Play, Send
from voicepipe.client.speech_to_speech.reply import RelayedReply
from voicepipe.client.speech_to_speech.requests import SERVICE, item_request, response_request, settings_request
from voicepipe.client.speech_to_speech.turns import UserTurns
from voicepipe.conversation import NO_ITEM, Conversation, Function, FunctionCall, ItemId, joined
from voicepipe.events import (
    Audio,
    Event,
    FunctionCalled,
    FunctionReturned,
    InputCleared,
    InputCommitted,
    ItemCreated,
    ItemDeleted,
    ItemTruncated,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SettingsChanged,
    StageFailed,
    Warned,
    WordSpoken,
    fold,
)
from voicepipe.services import ServiceError

__all__ = ["RelayState"]

_RATE_HZ = 24_000
# How far ahead a server may send: ten minutes, 30 MB. OpenAI sends a reply as fast as it is made, and ends it.
_MOST_AHEAD_S = 600.0
# Events of a response that waits until the one before it has been played; ten minutes of sound are 6,000.
_MOST_BEHIND = 10_000


@dataclass(slots=True)
class RelayState:
    """One session's relayed conversation. Each method returns what is to be done.

    Args:
        clock: The session's clock, in seconds.
        session: The pipeline's settings of the server's session.
        functions: The descriptions of the pipeline's functions.
    """

    clock: Callable[[], float]
    session: dict[str, Any]
    functions: Callable[[], tuple[Function, ...]]
    talk: Conversation = field(default_factory=Conversation)
    reply: RelayedReply | None = None
    turns: UserTurns = field(default_factory=UserTurns)
    _requested: deque[ItemId] = field(default_factory=deque[ItemId])
    _replies: int = 0
    _has_opened: bool = False
    _interrupts: bool = True
    # A response that the server has begun before the reply before it was played, with its events.
    _behind: deque[remote.ServerEvent] = field(default_factory=deque[remote.ServerEvent])
    _behind_ids: set[str] = field(default_factory=set[str])
    _decode: Decoder = field(default_factory=lambda: Pcm16(_RATE_HZ).decoder())

    # ---- the pipeline's client ---------------------------------------------------------------------------------------

    def taken(self, item: Event) -> Iterator[Action]:
        """Take an event of the client's; it passes, too."""
        self.talk = fold(self.talk, item)
        yield Emit(item)
        match item:
            case SettingsChanged():
                yield from self._configured(item)
            case InputCommitted(item=key):
                self.turns.commit(key)
                yield Send({"type": "input_audio_buffer.commit"})
            case InputCleared():
                yield Send({"type": "input_audio_buffer.clear"})
            case ItemCreated(after=after):
                previous = "root" if after == NO_ITEM else None if after is None else self._remote(after)
                yield Send(item_request(item, previous))
            case ItemDeleted(item=key):
                yield Send({"type": "conversation.item.delete", "item_id": self._remote(key)})
            case ItemTruncated(item=key, audio_end_ms=end_ms):
                yield from self._truncated(key, end_ms)
            case ReplyRequested():
                yield from self._asked(item)
            case ReplyCancelled(item=key) if not key:
                yield Send({"type": "response.cancel"})
                yield from self._cut()
            case _:
                pass

    def spoken(self, audio: Audio) -> None:
        """Note the user's sound, which goes to the server."""
        self.turns.sent_s += audio.duration_s

    def _configured(self, event: SettingsChanged) -> Iterator[Action]:
        if (request := settings_request(event, self.session, self.functions())) is not None:
            yield Send(request)
        opens = event.system_prompt and not self.talk.led and not self._has_opened
        if opens:
            yield Send({"type": "response.create"})
        self._has_opened = self._has_opened or bool(opens)

    def _asked(self, event: ReplyRequested) -> Iterator[Action]:
        if event.remembered:
            self._requested.append(event.item)
            yield Send(response_request(event))
        else:
            yield Emit(Warned(f"The {SERVICE} is not asked for a response outside of the conversation."))

    def _truncated(self, key: ItemId, end_ms: float) -> Iterator[Action]:
        said = next((one for one in self.talk.messages if one.item == key), None)
        request = {"type": "conversation.item.truncate", "item_id": self._remote(key), "content_index": 0}
        yield Send({**request, "audio_end_ms": round(end_ms)}, None if said is None else joined(said.spoken))

    def _remote(self, key: ItemId) -> str:
        return self.turns.names.get(key, key)

    # ---- the server --------------------------------------------------------------------------------------------------

    def received(self, event: remote.ServerEvent) -> Iterator[Action]:
        """Take an event of the server."""
        if self._waits(event):
            if len(self._behind) < _MOST_BEHIND:
                self._behind.append(event)
            return
        match event:
            case remote.SessionCreated(session=session) | remote.SessionUpdated(session=session):
                self._interrupts = _interrupts(session)
            case remote.SpeechStarted():
                yield from map(Emit, self.turns.started(event))
                yield from self._cut() if self._interrupts else ()
            case remote.SpeechStopped():
                self.turns.stopped(event)
            case remote.InputCommitted():
                yield from map(Emit, self.turns.committed(event, self.talk))
            case remote.TranscriptionCompleted(item_id=name, transcript=text):
                yield from self._transcribed(name, text.strip())
            case remote.TranscriptionFailed(item_id=name, error=error):
                yield Emit(Warned(f"The {SERVICE} has no transcript of what was said: {error.message}"))
                yield from self._transcribed(name, "")
            case remote.ResponseCreated(response=response):
                yield from self._begun(response)
            case remote.ResponseDone(response=response):
                yield from self._done(response)
            case remote.OutputItemAdded() | remote.AudioDelta() | remote.TranscriptDelta() | remote.TextDelta():
                if self.reply is not None and event.response_id == self.reply.response_id:
                    yield from self._content(event, self.reply)
            case remote.ServerError(error=error):
                yield Emit(Warned(f"The {SERVICE} says: {error.message}"))
            case remote.Disconnected(reason=reason):
                yield Emit(Warned(f"The {SERVICE} is away ({reason}); it is connected again.", service_lost=True))
            case remote.Reconnected(resumed=False):
                yield from self._lost()
            case _:
                pass

    def _transcribed(self, item_id: str, text: str) -> Iterator[Action]:
        self.talk, told = self.turns.transcribed(item_id, text, self.talk)
        yield from map(Emit, told)

    # ---- its responses -----------------------------------------------------------------------------------------------

    def _waits(self, event: remote.ServerEvent) -> bool:
        """Return whether an event belongs to a response that waits until the reply before it has been played."""
        reply = self.reply
        if isinstance(event, remote.ResponseCreated) and reply is not None and not reply.continues:
            self._behind_ids.add(event.response.id)
        match event:
            case remote.ResponseCreated(response=response) | remote.ResponseDone(response=response):
                return response.id in self._behind_ids
            case remote.OutputItemAdded() | remote.AudioDelta() | remote.TranscriptDelta() | remote.TextDelta():
                return event.response_id in self._behind_ids
            case _:
                return False

    def _begun(self, response: remote.Response) -> Iterator[Action]:
        if self.reply is not None:  # it goes on with what a function has given
            self.reply.next_response(response.id)
            return
        self._replies += 1
        item = (self._requested.popleft() if self._requested else NO_ITEM) or ItemId(f"reply{self._replies}")
        self.reply = RelayedReply(item, response.id)
        started = ReplyStarted(self.talk, item)
        self.talk = fold(self.talk, started)
        yield Begin(started)

    def _content(
        self,
        event: remote.OutputItemAdded | remote.AudioDelta | remote.TranscriptDelta | remote.TextDelta,
        reply: RelayedReply,
    ) -> Iterator[Action]:
        match event:
            case remote.OutputItemDone(
                item={"type": "function_call", "call_id": str(call), "name": str(name), "arguments": str(arguments)}
            ):
                yield from self._called(FunctionCall(call, name, arguments), reply)
            case remote.OutputItemDone(item={"type": "function_call"}):
                yield Emit(Warned(f"The {SERVICE} has called a function without saying which, or with what."))
            case remote.OutputItemAdded(item={"type": "message", "id": str(name)}):
                reply.remote_item = self.turns.names[reply.item] = name
            case remote.AudioDelta():
                yield from self._heard(event, reply)
            case remote.TranscriptDelta(delta=delta):
                yield Play(ReplyText(delta))
                yield from map(Play, reply.times(delta, self.clock()))
            case remote.TextDelta(delta=delta):
                yield Play(ReplyTextWritten(delta))
            case _:
                pass

    def _heard(self, event: remote.AudioDelta, reply: RelayedReply) -> Iterator[Action]:
        """Play a piece of sound. Sound that cannot be read, or has no end, ends the reply."""
        try:
            audio = Audio(self._decode(event.data), _RATE_HZ)
        except ValueError as error:
            yield from self._failed(ServiceError(SERVICE, "sent sound that cannot be read", str(error)), reply)
            return
        reply.made(audio)
        if reply.made_s - reply.heard_s(self.clock()) > _MOST_AHEAD_S:
            yield Send({"type": "response.cancel"})
            what = f"more than {_MOST_AHEAD_S:g} s that the user has not heard yet"
            yield from self._failed(ServiceError(SERVICE, "sent sound without an end", what), reply)
        else:
            yield Play(ReplyAudio(audio))

    def _called(self, call: FunctionCall, reply: RelayedReply) -> Iterator[Action]:
        own = call.name in {one.name for one in self.functions()}
        called = FunctionCalled(call, server_side=own)
        self.talk = fold(self.talk, called)
        yield Play(called)
        if own:
            reply.calls.add(call.id)
            reply.has_called = True
            yield Call(call)

    def returned(self, call_id: str, output: str) -> Iterator[Action]:
        """Take the result of a function of the pipeline's. The server goes on with it, unless the user has spoken."""
        self.talk = fold(self.talk, FunctionReturned(call_id, output))
        yield Emit(FunctionReturned(call_id, output))
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        yield Send({"type": "conversation.item.create", "item": item})
        reply = self.reply
        if reply is not None and call_id in reply.calls:
            reply.calls.remove(call_id)
            yield from self._go_on(reply)

    def _go_on(self, reply: RelayedReply) -> Iterator[Action]:
        if reply.is_complete and not reply.calls:
            reply.continues = True
            yield Send({"type": "response.create"})

    def _done(self, response: remote.Response) -> Iterator[Action]:
        reply = self.reply
        if reply is None or reply.response_id != response.id:
            return
        reply.is_complete = True
        if response.status == "cancelled":
            yield from self._cut()
        elif response.failure:
            yield from self._failed(ServiceError(SERVICE, "could not answer", response.failure), reply)
        elif reply.has_called:
            yield from self._go_on(reply)
        else:
            yield Finish()

    # ---- what is heard -----------------------------------------------------------------------------------------------

    def released(self, item: ReplyAudio | Event) -> None:
        """Note what goes to the client now, before it is emitted."""
        reply = self.reply
        if reply is None:
            return
        match item:
            case ReplyAudio():
                reply.released(item, self.clock())
            case WordSpoken():
                reply.words.append(item)
                self.talk = fold(self.talk, item)
            case ReplyTextWritten():
                self.talk = fold(self.talk, item)
            case _:
                pass

    def played(self) -> Iterator[Action]:
        """End a reply that has been played to its end."""
        reply, self.reply = self.reply, None
        if reply is not None:
            yield Emit(ReplyEnded(reply.text, self.talk))
        behind, self._behind, self._behind_ids = self._behind, deque(), set()
        for event in behind:
            yield from self.received(event)

    def _cut(self) -> Iterator[Action]:
        """End the reply here, and tell the server how much of it was heard."""
        reply, self.reply = self.reply, None
        self._behind.clear()
        if reply is None:
            return
        heard_s = reply.heard_s(self.clock())
        self.talk = self.talk.cut()
        yield Cut()
        yield Emit(ReplyInterrupted(reply.text, self.talk))
        if reply.remote_item and heard_s:
            where = {"item_id": reply.remote_item, "content_index": 0, "audio_end_ms": int(heard_s * 1000)}
            yield Send({"type": "conversation.item.truncate", **where}, reply.text)

    def _failed(self, error: ServiceError, reply: RelayedReply) -> Iterator[Action]:
        """End a reply that has failed."""
        self.reply = None
        yield Cut()
        yield Emit(StageFailed(SERVICE, error, silent=not reply.words))
        yield Emit(ReplyEnded(reply.text, self.talk))

    def _lost(self) -> Iterator[Action]:
        """Go on in a new session, which knows what was said."""
        reply, was_asked = self.reply, self.talk.awaits_reply
        if reply is not None:
            yield from self._failed(ServiceError(SERVICE, "was lost while it spoke"), reply)
        yield from map(Emit, self.turns.restart())
        if was_asked or (reply is not None and not reply.words):
            yield Send({"type": "response.create"})


def _interrupts(session: dict[str, Any]) -> bool:
    """Return whether the server stops its response when the user speaks."""
    match session:
        case {"audio": {"input": {"turn_detection": {"interrupt_response": False}}}}:
            return False
        case _:
            return True
