"""`TurnState`: which side has the turn, and what the bot does next. Pure data: no clock, no timer, no observable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Event,
    FunctionCalled,
    ItemCreated,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    TurnTaking,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.operators.commits import asked_of
from voicepipe.operators.idle_prompts import IdlePrompts
from voicepipe.operators.out_of_band import is_out_of_band

__all__ = ["Action", "RunningReply", "StartReply", "StopTurn", "TurnState"]


@dataclass(frozen=True, slots=True)
class StartReply:
    """Stop what runs, and begin a reply, which the client has requested or the conversation is due."""

    item: str
    request: ReplyRequested | None = None


@dataclass(frozen=True, slots=True)
class StopTurn:
    """Stop the running reply, if there is one."""


Action: TypeAlias = StartReply | StopTurn | None
"""What follows an event."""


@dataclass(frozen=True, slots=True)
class RunningReply:
    """A reply between its `ReplyStarted` and its end.

    Args:
        conversation: the conversation of a reply that is not stored; None where it is the session's
        sound_since_s: the time of its first sound
        heard: the words that were heard
        written: the text of a reply that is not spoken
    """

    conversation: Conversation | None = None
    sound_since_s: float | None = None
    heard: tuple[str, ...] = ()
    written: str = ""

    @property
    def text(self) -> str:
        """Return what the user heard, or read."""
        return " ".join(self.heard) or self.written


@dataclass(frozen=True, slots=True)
class TurnState:
    """The state of one conversation's turns and replies.

    `after_input` takes what the user and the client do, `after_output` what the reply does. Both return the next state
    and at most one action.

    Args:
        uninterruptible_s: in this first part of a reply's sound a voice alone does not interrupt
        idle: when the bot breaks a silence
        conversation: what was said and heard
        turn_taking: how the client wants turns to be taken; None where the pipeline leads
        opened: the bot has spoken, or speaks as soon as the user has finished
        user_speaking: the user's turn is open
        reply: the reply that runs
        reply_due: a reply has been ordered and has not begun: the one before it cleans up
        replies: the number of replies so far
        reply_pending: a turn of the user's waits for the end of a reply that it must not interrupt
        requested: the client's request that follows the running reply
        awaits_tool_result: the client runs a function, or has given the result of one, and has asked for no reply since
    """

    uninterruptible_s: float
    idle: IdlePrompts
    conversation: Conversation = field(default_factory=Conversation)
    turn_taking: TurnTaking | None = None
    opened: bool = False
    user_speaking: bool = False
    reply: RunningReply | None = None
    reply_due: bool = False
    replies: int = 0
    reply_pending: bool = False
    requested: ReplyRequested | None = None
    awaits_tool_result: bool = False

    # -- what the user and the client do -------------------------------------------------------------------------------

    def after_input(self, event: Event, now_s: float) -> tuple[TurnState, Action]:
        """Return the state after a turn event or an event of the client's, and what the bot does."""
        state = replace(self, conversation=fold(self.conversation, event))
        match event:
            case SettingsChanged():
                return state._configured(event, now_s)
            case TurnStarted():
                return state._stopped_by_user(cuts=state._voice_interrupts(now_s))
            case TurnConfirmed():
                return state._stopped_by_user(cuts=state._interruptible)
            case TurnEnded():
                return replace(state, user_speaking=False)._turn_ended(event, now_s)
            case ItemCreated(role=role):
                return replace(
                    state, awaits_tool_result=state.awaits_tool_result or role == "tool", idle=state.idle.since(now_s)
                ), None
            case ReplyRequested() if not is_out_of_band(event, state.conversation):
                return state._asked(event)
            case ReplyCancelled(item=""):
                return replace(state, reply_due=False), StopTurn()
            case _:
                return state, None

    def _configured(self, event: SettingsChanged, now_s: float) -> tuple[TurnState, Action]:
        idle_s = None if event.turns is None else event.turns.idle_s
        led, idle = event.turns is not None, self.idle.configured(idle_s, led=event.turns is not None, now_s=now_s)
        state = replace(self, turn_taking=event.turns, idle=idle)
        if event.system_prompt is None or led or self.opened:
            return state, None
        return (replace(state, opened=True), None) if self.user_speaking else state._start()

    def _stopped_by_user(self, *, cuts: bool) -> tuple[TurnState, Action]:
        state = replace(self, user_speaking=True)
        return (replace(state, reply_due=False), StopTurn()) if cuts else (state, None)

    def _turn_ended(self, event: TurnEnded, now_s: float) -> tuple[TurnState, Action]:
        state = replace(self, idle=self.idle.since(now_s)) if event.text else self
        if event.committed or not (self.turn_taking is None or self.turn_taking.answers):
            return state, None
        if not event.text and (self.reply is not None or not self._owes_reply):
            return state, None
        state = replace(state, idle=state.idle.answered())
        return state._start() if state._interruptible else (replace(state, reply_pending=True), None)

    def _asked(self, request: ReplyRequested) -> tuple[TurnState, Action]:
        state = replace(self, idle=self.idle.answered())
        if self.reply is None:
            return state._start(request)
        return (replace(state, requested=request), None) if self.awaits_tool_result else (self, None)

    def after_silence(self) -> tuple[TurnState, Action]:
        """Return the state after the user has been silent for the idle time: their silence is answered."""
        said = self.conversation.user_said(*self.idle.message(self.replies))
        return replace(self, conversation=said, idle=self.idle.prompted())._start()

    def _start(self, request: ReplyRequested | None = None) -> tuple[TurnState, Action]:
        state = replace(self, opened=True, replies=self.replies + 1, reply_due=True)
        return state, StartReply((request and request.item) or f"reply{state.replies}", request)

    # -- what the reply does -------------------------------------------------------------------------------------------

    def begun(self, action: StartReply) -> tuple[TurnState, ReplyStarted]:
        """Return the state in which the reply runs, and the event that says so."""
        asked = asked_of(self.conversation, action.request)
        stored = action.request is None or action.request.remembered
        started = ReplyStarted(asked, action.item)
        state = self._without_reply(RunningReply(None if stored else fold(asked, started)))
        if stored:
            state = replace(state, conversation=fold(state.conversation, started))
        return replace(state, awaits_tool_result=False), started

    def after_output(self, event: ReplyAudio | Event, now_s: float) -> tuple[TurnState, Action]:
        """Return the state after an item of the running reply, and, where it has ended, what follows it."""
        if self.reply is None or isinstance(event, ReplyStarted):
            return self, None
        if isinstance(event, ReplyAudio):
            return self if self.reply.sound_since_s is not None else self._with(sound_since_s=now_s), None
        state = self._folded(event)
        match event:
            case WordSpoken(word=word):
                return state._with(heard=(*self.reply.heard, word)), None
            case ReplyTextWritten(delta=delta):
                return state._with(written=self.reply.written + delta), None
            case FunctionCalled(server_side=False):
                return replace(state, awaits_tool_result=True), None
            case ReplyInterrupted():
                return replace(state._without_reply(None), idle=self.idle.since(now_s)), None
            case ReplyEnded():
                return replace(state, reply=None, idle=self.idle.since(now_s))._followed()
            case _:
                return state, None

    def failed(self) -> TurnState:
        """Return the state after a turn has failed outside its reply: nothing follows it."""
        return replace(self, reply_pending=False, requested=None, reply_due=False)

    def _folded(self, event: Event) -> TurnState:
        if self.reply is None or self.reply.conversation is None:
            return replace(self, conversation=fold(self.conversation, event))
        return self._with(conversation=fold(self.reply.conversation, event))

    def _followed(self) -> tuple[TurnState, Action]:
        return self._start(self.requested) if self.reply_pending or self.requested is not None else (self, None)

    def _without_reply(self, running: RunningReply | None) -> TurnState:
        return replace(self, reply=running, reply_due=False, reply_pending=False, requested=None)

    def _with(self, **changes: object) -> TurnState:
        return replace(self, reply=replace(self.reply or RunningReply(), **changes))

    # -- derived -------------------------------------------------------------------------------------------------------

    @property
    def talk(self) -> Conversation:
        """Return the conversation of the running reply."""
        own = self.reply and self.reply.conversation
        return self.conversation if own is None else own

    @property
    def prompt_at_s(self) -> float | None:
        """Return when the bot breaks the silence: never while a reply, a turn or a function is under way."""
        if self.reply is not None or self.reply_due or self.user_speaking or self.awaits_tool_result:
            return None
        return self.idle.due_s if self.opened else None

    @property
    def _interruptible(self) -> bool:
        return self.reply is None or self.turn_taking is None or self.turn_taking.interrupts

    @property
    def _owes_reply(self) -> bool:
        """Whether it is the bot's turn: to answer, or to open where nothing has been said yet."""
        return self.conversation.awaits_reply or (self.opened and not self.conversation.said)

    def _voice_interrupts(self, now_s: float) -> bool:
        if self.reply is None or self.reply.sound_since_s is None:
            return self._interruptible
        return self._interruptible and now_s - self.reply.sound_since_s >= self.uninterruptible_s
