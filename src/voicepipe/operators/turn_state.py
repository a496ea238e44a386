"""`TurnState`: which side has the turn, and what the bot does next. Pure data: no clock, no timer, no observable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Event,
    FunctionCalled,
    FunctionContinues,
    FunctionReturned,
    HangUpRequested,
    ItemCreated,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    TurnEnded,
    TurnEvent,
    TurnTaking,
    Unasked,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.operators.echo import OwnVoice
from voicepipe.operators.idle_prompts import IdlePrompts
from voicepipe.operators.next_reply import NextReply
from voicepipe.operators.out_of_band import is_out_of_band
from voicepipe.operators.running_reply import RunningReply
from voicepipe.operators.turn_actions import Action, HangUp, HoldElapsed, HoldReply, ResumeReply, StartReply, StopTurn
from voicepipe.operators.user_turn import UserTurn, Verdict
from voicepipe.presets import Interruption

__all__ = ["TurnState"]


@dataclass(frozen=True, slots=True)
class TurnState:
    """The state of one conversation's turns and replies.

    `after_input` takes what the user and the client do, `after_output` what the reply does; both return an action, too.

    Args:
        user: the user's turn, and what it means for the reply
        idle: when the bot breaks a silence
        conversation: what was said and heard
        turn_taking: how the client wants turns to be taken; None where the pipeline leads
        opened: the bot has spoken, or speaks as soon as the user has finished
        reply: the reply that runs
        next: what the bot says next
        functions: the calls of the pipeline's functions that go on after their replies
        awaits_tool_result: the client runs a function, or has given the result of one, and has asked for no reply since
        declined: the client has cancelled the reply to what was said last: no sound gives it back
    """

    user: UserTurn
    idle: IdlePrompts
    conversation: Conversation = field(default_factory=Conversation)
    turn_taking: TurnTaking | None = None
    opened: bool = False
    reply: RunningReply | None = None
    next: NextReply = field(default_factory=NextReply)
    functions: frozenset[str] = frozenset()
    awaits_tool_result: bool = False
    declined: bool = False

    @classmethod
    def of(cls, rules: Interruption) -> TurnState:
        """Return the state at the beginning of a session."""
        return cls(UserTurn.of(rules), IdlePrompts.of(rules))

    # -- what the user and the client do -------------------------------------------------------------------------------

    def after_input(self, event: Event, now_s: float) -> tuple[TurnState, Action]:
        """Return the state after a turn event or an event of the client's, and what the bot does."""
        state, action = self._after_input(event, now_s)
        return state.next_unasked() if action is None else (state, action)

    def _after_input(self, event: Event, now_s: float) -> tuple[TurnState, Action]:
        if isinstance(event, Unasked):
            return self._with_next(unasked=self.next.unasked.added(event)), None
        if isinstance(event, TurnEnded):
            return self._of_turn(event, now_s)
        if isinstance(event, TurnEvent | HoldElapsed):
            return self._of_user(event, now_s)
        state = self._folded(event)
        match event:
            case SettingsChanged():
                return state._configured(event, now_s)
            case ItemCreated(role=role):
                awaits = self.awaits_tool_result or role == "tool"
                state = state._spoken() if role == "user" else state
                return replace(state, awaits_tool_result=awaits)._silent_since(now_s), None
            case ReplyRequested() if not is_out_of_band(event, state.conversation):
                return state._asked(event)
            case ReplyCancelled(item=""):
                return state._cancelled()
            case FunctionContinues() | FunctionReturned():
                return state._function_told(event, now_s), None
            case _:
                return state, None

    def _function_told(self, event: FunctionContinues | FunctionReturned, now_s: float) -> TurnState:
        """Return the state after news of a function of a reply that is over."""
        goes_on = isinstance(event, FunctionContinues) and not event.taken_over_by
        running = self.functions | {event.id} if goes_on else self.functions - {event.id}
        return replace(self, functions=running, idle=self.idle.since(now_s)) if running != self.functions else self

    def _configured(self, event: SettingsChanged, now_s: float) -> tuple[TurnState, Action]:
        turns = event.turns or self.turn_taking
        idle = self.idle.configured(turns and turns.idle_s, led=turns is not None, now_s=now_s)
        state = replace(self, turn_taking=turns, idle=idle)
        if event.system_prompt is None or turns is not None or self.opened:
            return state, None
        if self.user.speaking:
            return replace(state, opened=True), None
        if not self._is_busy:
            return state._start()
        return replace(
            state._with_next(pending=True), opened=True
        ), None  # the bot speaks unasked, and opens behind that

    def _of_user(self, event: Event, now_s: float) -> tuple[TurnState, Action]:
        user, verdict = self.user.after(event, self.reply, now_s, interruptible=self._interruptible)
        state = self if user is self.user else replace(self, user=user)
        match verdict:
            case Verdict.HOLD:
                return state._with(held=True), HoldReply()
            case Verdict.STOP:
                return state._stopped()
            case Verdict.RESUME:
                return state._resumed()
            case Verdict.NOTHING:
                return state, None

    def _of_turn(self, event: TurnEnded, now_s: float) -> tuple[TurnState, Action]:
        """Return what the end of the user's turn does: its words are answered, if there are any that count."""
        counted = replace(event, text=self.counted(event))
        state = replace(self, user=self.user.ended(), idle=self.idle.quiet(now_s))
        if event.text and not counted.text:
            return state._resumed()
        state = replace(state, conversation=fold(self.conversation, counted))
        return state._turn_ended(counted, now_s)

    def counted(self, turn: TurnEnded) -> str:
        """Return the words of a turn that count."""
        last = next((one.text for one in reversed(self.talk.messages) if one.role == "assistant"), "")
        return self.user.counted(turn, last)

    def _stopped(self) -> tuple[TurnState, Action]:
        return replace(self, next=self.next.stopped(), user=self.user.silenced()), StopTurn()

    def _cancelled(self) -> tuple[TurnState, Action]:
        """Return what the client's cancellation does: it drops even what has not been heard, if that may be stopped."""
        if self._is_uninterruptible:
            return self, None
        reply = self.reply and replace(self.reply, unasked=None)
        return replace(self, reply=reply, next=self.next.cancelled(), declined=self._is_busy), StopTurn()

    def _resumed(self) -> tuple[TurnState, Action]:
        if self.reply is None or not self.reply.held:
            return self, None
        return self._with(held=False), ResumeReply()

    def _turn_ended(self, event: TurnEnded, now_s: float) -> tuple[TurnState, Action]:
        state = self._spoken()._silent_since(now_s) if event.text else self
        if event.committed or not (self.turn_taking is None or self.turn_taking.answers):
            return state, None
        if not event.text and (self.reply is not None or not self._owes_reply):
            return state._resumed()
        return state._start() if state._interruptible else (state._with_next(pending=True), None)

    def _spoken(self) -> TurnState:
        """Return the state when the user has said or written something."""
        return replace(self, idle=self.idle.answered(), declined=False)

    def _silent_since(self, now_s: float) -> TurnState:
        return replace(self, idle=self.idle.since(now_s))

    def _asked(self, request: ReplyRequested) -> tuple[TurnState, Action]:
        state = replace(self, idle=self.idle.answered())
        if self.reply is None:
            return state._start(request)
        follows = self.awaits_tool_result or self.reply.unasked is not None
        return (state._with_next(requested=request), None) if follows else (self, None)

    def after_silence(self) -> tuple[TurnState, Action]:
        """Return the state after the user has been silent for the idle time: their silence is answered."""
        said = self.conversation.user_said(*self.idle.message(self.next.count))
        return replace(self, conversation=said, idle=self.idle.prompted())._start()

    def _start(self, request: ReplyRequested | None = None) -> tuple[TurnState, Action]:
        following, start = self.next.ordered(request)
        return replace(self, opened=True, next=following), start

    def next_unasked(self) -> tuple[TurnState, Action]:
        """Return the state when the bot says what it is to say unasked, if the moment has come for it."""
        unasked = self.next.unasked
        if not unasked.waiting or (self._is_busy and self._is_uninterruptible):
            return self, None
        match unasked.first(busy=self._is_busy, user_waits=self.user.speaking or self.next.waits):
            case None:
                return self, None
            case HangUpRequested(reason=reason) as last:
                return self._with_next(unasked=unasked.without(last)), HangUp(reason)
            case said:
                reply = self.reply
                unheard = reply is not None and reply.unasked is None and reply.is_unheard and self._owes_reply
                following, start = self.next.ordered_unasked(said, unheard=unheard)
                return replace(self, next=following), start

    # -- what the reply does -------------------------------------------------------------------------------------------

    def begun(self, action: StartReply) -> tuple[TurnState, ReplyStarted]:
        """Return the state in which the reply runs, and the event that says so."""
        asked = action.asked(self.conversation)
        stored = action.request is None or action.request.remembered
        started = ReplyStarted(asked, action.item, action.unasked)
        running = RunningReply(None if stored else fold(asked, started), unasked=action.unasked)
        state = replace(self, reply=running, next=self.next.begun(action.unasked))
        if stored:
            state = replace(state, conversation=fold(state.conversation, started))
        if action.unasked is None:
            state = replace(state, awaits_tool_result=False, declined=False)
        return state, started

    def after_output(self, event: ReplyAudio | Event, now_s: float) -> tuple[TurnState, Action]:
        """Return the state after an item of the running reply, and, where it has ended, what follows it."""
        if self.reply is None or isinstance(event, ReplyStarted):
            return self, None
        reply = self.reply.after(event)
        state = self if reply is self.reply else replace(self, reply=reply)
        if isinstance(event, ReplyAudio):
            return state._hearing(self.user.own_voice.sounded(event.audio.duration_s)), None
        state = state._folded(event) if reply.conversation is None else state
        match event:
            case WordSpoken(word=word):
                return state._hearing(self.user.own_voice.said(word)), None
            case FunctionCalled(server_side=False):
                return replace(state, awaits_tool_result=True), None
            case ReplyInterrupted():
                return replace(state, reply=None, next=self.next.cut(self.reply), idle=self.idle.since(now_s)), None
            case ReplyEnded():
                idle = self.idle.ended(now_s) if reply.unasked is None else self.idle.since(now_s)
                return replace(state, reply=None, idle=idle)._followed()
            case _:
                return state, None

    def _hearing(self, own_voice: OwnVoice) -> TurnState:
        return self if own_voice is self.user.own_voice else replace(self, user=self.user.hears(own_voice))

    def failed(self) -> TurnState:
        """Return the state after a turn has failed outside its reply: nothing follows it."""
        return replace(self, next=self.next.failed())

    def _folded(self, event: Event) -> TurnState:
        told = fold(self.conversation, event)
        return self if told is self.conversation else replace(self, conversation=told)

    def _followed(self) -> tuple[TurnState, Action]:
        state, action = self.next_unasked()
        if action is not None or not self.next.waits:
            return state, action
        if self.user.speaking and self.next.requested is None:
            return self._with_next(pending=False), None  # the end of their turn is answered
        return self._start(self.next.requested)

    def _with_next(self, **changes: object) -> TurnState:
        return replace(self, next=replace(self.next, **changes))

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
        runs = self.functions or self.awaits_tool_result or self.conversation.client_runs_function
        if self._is_busy or self.user.speaking or runs:
            return None
        return self.idle.due_s if self.opened else None

    @property
    def _is_busy(self) -> bool:
        """Return whether a reply runs, or has been ordered."""
        return self.reply is not None or self.next.is_due

    @property
    def _interruptible(self) -> bool:
        if self._is_uninterruptible:
            return False
        return self.reply is None or self.turn_taking is None or self.turn_taking.interrupts

    @property
    def _is_uninterruptible(self) -> bool:
        """Return whether the bot says, or is about to say, a text of the pipeline's that is not interruptible."""
        said = self.next.unasked.ordered or (self.reply and self.reply.unasked)
        return said is not None and not said.interruptible

    @property
    def _owes_reply(self) -> bool:
        """Return whether it is the bot's turn: to answer, or to open where nothing has been said yet.

        A silence is answered once: a prompt that has failed comes again as the next one, after the idle time.
        """
        if self.declined:
            return False
        if self.conversation.is_silent:
            return self.idle.open
        return self.conversation.awaits_reply or (self.opened and not self.conversation.said)
