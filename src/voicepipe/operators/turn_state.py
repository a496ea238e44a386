"""`TurnState`: which side has the turn, and what the bot does next. Pure data: no clock, no timer, no observable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voicepipe.conversation import Conversation, ItemId
from voicepipe.events import (
    EchoFound,
    Event,
    FunctionCalled,
    HangUpRequested,
    ItemCreated,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    TurnConfirmed,
    TurnEnded,
    TurnEvent,
    TurnStarted,
    TurnTaking,
    TurnTextChanged,
    TurnVoiceChanged,
    Unasked,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.operators.echo import Heard, compared
from voicepipe.operators.idle_prompts import IdlePrompts
from voicepipe.operators.out_of_band import is_out_of_band
from voicepipe.operators.running_reply import RunningReply
from voicepipe.operators.turn_actions import Action, HangUp, HoldElapsed, HoldReply, ResumeReply, StartReply, StopTurn
from voicepipe.operators.unasked import UnaskedQueue
from voicepipe.presets import Interruption

__all__ = ["TurnState"]

_ROUNDING_S = 1e-6  # a timer may fire a rounding before its time
_QUESTIONS = ("?", "？", "؟")
# The words that may be heard again: those of the last 15 s, or so.
_ECHO_WORDS = 40
# A turn in which an echo is found counts from so many words on that are not the bot's: what is cut off in the middle of
# a word is misread ("something" for "sunny", "No, no, no").
_DOUBTED_WORDS = 4
# One or two words in common are chance, three in order are an echo.
_ECHO_SURE = 3


@dataclass(frozen=True, slots=True)
class TurnState:
    """The state of one conversation's turns and replies.

    `after_input` takes what the user and the client do, `after_output` what the reply does. Both return the next state
    and at most one action.

    Args:
        rules: what the user's voice does to a reply
        idle: when the bot breaks a silence
        conversation: what was said and heard
        turn_taking: how the client wants turns to be taken; None where the pipeline leads
        opened: the bot has spoken, or speaks as soon as the user has finished
        user_speaking: the user's turn is open
        began_over: the user's turn began over a reply
        over_reply: it began over the sound of a reply, which it has not interrupted
        voice: whether a voice is heard in that turn, and since when it is or is not
        sounded_s: the length of the session's sound so far, in seconds, as long as it is protected
        spoken: the bot's last words
        echoes: the bot's own voice has been heard in this session
        doubted: an echo was found during the user's turn, which may be nothing but that, misread
        reply: the reply that runs
        reply_due: a reply has been ordered and has not begun: the one before it cleans up
        due: the client's request for the reply that has been ordered
        replies: the number of replies so far
        reply_pending: a turn of the user's waits for the end of a reply that it must not interrupt
        requested: the client's request that follows the running reply
        awaits_tool_result: the client runs a function, or has given the result of one, and has asked for no reply since
        unasked: what the bot is to say without being asked
    """

    rules: Interruption
    idle: IdlePrompts
    conversation: Conversation = field(default_factory=Conversation)
    turn_taking: TurnTaking | None = None
    opened: bool = False
    user_speaking: bool = False
    began_over: bool = False
    over_reply: bool = False
    voice: tuple[bool, float] = (False, 0.0)
    sounded_s: float = 0.0
    spoken: tuple[str, ...] = ()
    echoes: bool = False
    doubted: bool = False
    reply: RunningReply | None = None
    reply_due: bool = False
    due: ReplyRequested | None = None
    replies: int = 0
    reply_pending: bool = False
    requested: ReplyRequested | None = None
    awaits_tool_result: bool = False
    unasked: UnaskedQueue = field(default_factory=UnaskedQueue)

    # -- what the user and the client do -------------------------------------------------------------------------------

    def after_input(self, event: Event, now_s: float) -> tuple[TurnState, Action]:
        """Return the state after a turn event or an event of the client's, and what the bot does."""
        state, action = self._after_input(event, now_s)
        return state.next_unasked() if action is None else (state, action)

    def _after_input(self, event: Event, now_s: float) -> tuple[TurnState, Action]:
        if isinstance(event, Unasked):
            return replace(self, unasked=self.unasked.added(event)), None
        if isinstance(event, TurnEvent | HoldElapsed):
            return self._of_user(event, now_s)
        state = self._folded(event)
        match event:
            case SettingsChanged():
                return state._configured(event, now_s)
            case ItemCreated(role=role):
                return replace(
                    state, awaits_tool_result=state.awaits_tool_result or role == "tool", idle=state.idle.since(now_s)
                ), None
            case ReplyRequested() if not is_out_of_band(event, state.conversation):
                return state._asked(event)
            case ReplyCancelled(item=""):
                return state._cancelled()
            case _:
                return state, None

    def _configured(self, event: SettingsChanged, now_s: float) -> tuple[TurnState, Action]:
        turns = event.turns or self.turn_taking
        idle = self.idle.configured(turns and turns.idle_s, led=turns is not None, now_s=now_s)
        state = replace(self, turn_taking=turns, idle=idle)
        if event.system_prompt is None or turns is not None or self.opened:
            return state, None
        if self.user_speaking:
            return replace(state, opened=True), None
        if self.reply is None and not self.reply_due:
            return state._start()
        return replace(state, opened=True, reply_pending=True), None  # the bot speaks unasked, and opens behind that

    def _of_user(self, event: Event, now_s: float) -> tuple[TurnState, Action]:
        match event:
            case TurnStarted():
                began_over = self.reply is not None
                state = replace(self, user_speaking=True, began_over=began_over, over_reply=self._sounds)
                return replace(state, voice=(True, now_s))._voice_heard()
            case TurnVoiceChanged(speaking=speaking, sure=sure):
                state = self if speaking == self.voice[0] else replace(self, voice=(speaking, now_s))
                if sure and self.reply is not None and self.reply.held:
                    return state._stopped()
                return state._voice_heard() if speaking and self.over_reply else (state, None)
            case TurnConfirmed(text=text):
                return replace(self, user_speaking=True)._words_heard(text)
            case TurnTextChanged(text=text):
                return (self, None) if self.reply is None else self._words_heard(text)
            case EchoFound():
                return replace(self, echoes=True, doubted=self.began_over and self.user_speaking)._resumed()
            case TurnEnded():
                counted = replace(event, text=self.counted(event))
                state = replace(self, user_speaking=False, over_reply=False, began_over=False, doubted=False)
                state = replace(state, idle=self.idle.quiet(now_s))
                if event.text and not counted.text:
                    return state._resumed()
                state = replace(state, conversation=fold(self.conversation, counted))
                return state._turn_ended(counted, now_s)
            case _ if self.decide_at_s is not None and now_s >= self.decide_at_s - _ROUNDING_S:
                return self._stopped() if self.voice[0] else self._resumed()
            case _:
                return self, None

    def counted(self, turn: TurnEnded) -> str:
        """Return the words of a turn that count: not the bot's own voice, and no acknowledgement over a reply, unless
        the reply has just asked something."""
        last = next((one.text for one in reversed(self.talk.messages) if one.role == "assistant"), "")
        if turn.acknowledgement and self.over_reply and not last.rstrip().endswith(_QUESTIONS):
            return ""
        return self._heard(turn.text).own

    def _heard(self, text: str) -> Heard:
        """Return which words of a turn are the user's: the bot's own come back where there is an echo."""
        if not self.began_over or not (self.echoes or self._is_protected):
            return Heard(text, 0)
        heard = compared(text, self.spoken)
        return Heard("", heard.echoed) if self.doubted and len(heard.own.split()) < _DOUBTED_WORDS else heard

    def _words_heard(self, text: str) -> tuple[TurnState, Action]:
        """Return what words do: they interrupt, unless they are the bot's own voice."""
        heard = self._heard(text)
        state = replace(self, echoes=self.echoes or heard.echoed >= _ECHO_SURE)
        if text and not heard.own:
            return state._resumed()
        return state._stopped() if self._interruptible else (state, None)

    def _voice_heard(self) -> tuple[TurnState, Action]:
        """Return what a voice does: it stops a reply without sound, and holds one with sound.

        A function that runs needs a word: begun again for a cough, it would be run twice.
        """
        if not self._interruptible or (self.reply is not None and self.reply.functions):
            return self, None
        if not self._sounds:
            return self._stopped()
        if self._is_protected or self.echoes or self.reply is None or self.reply.held:
            return self, None
        return self._with(held=True), HoldReply()

    def _stopped(self) -> tuple[TurnState, Action]:
        waiting = self.unasked.given_back(self.unasked.ordered)
        return replace(self, reply_due=False, due=None, over_reply=False, unasked=waiting), StopTurn()

    def _cancelled(self) -> tuple[TurnState, Action]:
        """Return what the client's cancellation does: it drops even what has not been heard, if that may be stopped."""
        if self._is_uninterruptible:
            return self, None
        reply = self.reply and replace(self.reply, unasked=None)
        return replace(self, reply=reply, reply_due=False, due=None, unasked=self.unasked.dropped()), StopTurn()

    def _resumed(self) -> tuple[TurnState, Action]:
        if self.reply is None or not self.reply.held:
            return self, None
        return self._with(held=False), ResumeReply()

    def _turn_ended(self, event: TurnEnded, now_s: float) -> tuple[TurnState, Action]:
        state = replace(self, idle=self.idle.since(now_s)) if event.text else self
        if event.committed or not (self.turn_taking is None or self.turn_taking.answers):
            return state, None
        if not event.text and (self.reply is not None or not self._owes_reply):
            return state._resumed()
        state = replace(state, idle=state.idle.answered())
        return state._start() if state._interruptible else (replace(state, reply_pending=True), None)

    def _asked(self, request: ReplyRequested) -> tuple[TurnState, Action]:
        state = replace(self, idle=self.idle.answered())
        if self.reply is None:
            return state._start(request)
        follows = self.awaits_tool_result or self.reply.unasked is not None
        return (replace(state, requested=request), None) if follows else (self, None)

    def after_silence(self) -> tuple[TurnState, Action]:
        """Return the state after the user has been silent for the idle time: their silence is answered."""
        said = self.conversation.user_said(*self.idle.message(self.replies))
        return replace(self, conversation=said, idle=self.idle.prompted())._start()

    def _start(self, request: ReplyRequested | None = None) -> tuple[TurnState, Action]:
        waiting = self.unasked.given_back(self.unasked.ordered)
        state = replace(self, opened=True, replies=self.replies + 1, reply_due=True, due=request, unasked=waiting)
        return state, StartReply((request and request.item) or ItemId(f"reply{state.replies}"), request)

    def next_unasked(self) -> tuple[TurnState, Action]:
        """Return the state when the bot says what it is to say unasked, if the moment has come for it."""
        busy = self.reply is not None or self.reply_due
        if not self.unasked.waiting or (busy and self._is_uninterruptible):
            return self, None
        user_waits = self.user_speaking or self.reply_pending or self.requested is not None
        match self.unasked.first(busy=busy, user_waits=user_waits):
            case None:
                return self, None
            case HangUpRequested(reason=reason) as last:
                return replace(self, unasked=self.unasked.without(last)), HangUp(reason)
            case unasked:
                return self._say(unasked)

    def _say(self, unasked: Unasked) -> tuple[TurnState, Action]:
        """Begin to speak unasked. An answer that has been ordered, or of which nothing was heard, follows."""
        state, reply = self, self.reply
        unheard = reply is not None and reply.unasked is None and reply.is_unheard and self._owes_reply
        if unheard or (self.reply_due and self.unasked.ordered is None):
            state = replace(self, reply_pending=True, requested=self.requested or self.due)
        waiting = self.unasked.ordering(unasked)
        state = replace(state, replies=self.replies + 1, reply_due=True, due=None, unasked=waiting)
        return state, StartReply(ItemId(f"reply{state.replies}"), unasked=unasked)

    # -- what the reply does -------------------------------------------------------------------------------------------

    def begun(self, action: StartReply) -> tuple[TurnState, ReplyStarted]:
        """Return the state in which the reply runs, and the event that says so."""
        asked = action.asked(self.conversation)
        stored = action.request is None or action.request.remembered
        started = ReplyStarted(asked, action.item, action.unasked)
        running = RunningReply(None if stored else fold(asked, started), unasked=action.unasked)
        state = self._without_reply(running, keeps_pending=action.unasked is not None)
        if stored:
            state = replace(state, conversation=fold(state.conversation, started))
        if action.unasked is not None:
            return replace(state, unasked=self.unasked.dropped()), started
        return replace(state, awaits_tool_result=False), started

    def after_output(self, event: ReplyAudio | Event, now_s: float) -> tuple[TurnState, Action]:
        """Return the state after an item of the running reply, and, where it has ended, what follows it."""
        if self.reply is None or isinstance(event, ReplyStarted):
            return self, None
        if isinstance(event, ReplyAudio):
            return self._sounded(event.audio.duration_s), None
        reply = self.reply.after(event)
        state = self if reply is self.reply else replace(self, reply=reply)
        state = state._folded(event) if reply.conversation is None else state
        match event:
            case WordSpoken(word=word):
                return replace(state, spoken=(*self.spoken, *word.split())[-_ECHO_WORDS:]), None
            case FunctionCalled(server_side=False):
                return replace(state, awaits_tool_result=True), None
            case ReplyInterrupted():
                return state._interrupted(now_s), None
            case ReplyEnded():
                return replace(state, reply=None, idle=self.idle.since(now_s))._followed()
            case _:
                return state, None

    def _sounded(self, duration_s: float) -> TurnState:
        """Return the state after a frame of sound. Past the protected part nothing changes, and nothing is copied."""
        state = self if self._sounds else self._with(sounds=True)
        return replace(state, sounded_s=self.sounded_s + duration_s) if self._is_protected else state

    def _interrupted(self, now_s: float) -> TurnState:
        """Return the state after the running reply was cut: what was not heard of the pipeline's comes again."""
        ordered, unheard = self.unasked.ordered, self.reply and self.reply.is_unheard and self.reply.unasked
        state = self._without_reply(None, keeps_pending=ordered is not None)
        waiting = replace(self.unasked.given_back(unheard or None), ordered=ordered)
        return replace(state, reply_due=self.reply_due, due=self.due, idle=self.idle.since(now_s), unasked=waiting)

    def failed(self) -> TurnState:
        """Return the state after a turn has failed outside its reply: nothing follows it."""
        return replace(self._without_reply(self.reply, keeps_pending=False), unasked=self.unasked.dropped())

    def _folded(self, event: Event) -> TurnState:
        told = fold(self.conversation, event)
        return self if told is self.conversation else replace(self, conversation=told)

    def _followed(self) -> tuple[TurnState, Action]:
        state, action = self.next_unasked()
        if action is not None or not (self.reply_pending or self.requested is not None):
            return state, action
        if self.user_speaking and self.requested is None:
            return replace(self, reply_pending=False), None  # the end of their turn is answered
        return self._start(self.requested)

    def _without_reply(self, running: RunningReply | None, *, keeps_pending: bool) -> TurnState:
        state = replace(self, reply=running, reply_due=False, due=None)
        return state if keeps_pending else replace(state, reply_pending=False, requested=None)

    def _with(self, **changes: object) -> TurnState:
        return replace(self, reply=replace(self.reply or RunningReply(), **changes))

    # -- derived -------------------------------------------------------------------------------------------------------

    @property
    def talk(self) -> Conversation:
        """Return the conversation of the running reply."""
        own = self.reply and self.reply.conversation
        return self.conversation if own is None else own

    @property
    def answered(self) -> bool:
        """Return whether the user has heard, or read, some of the running reply, besides a filler."""
        return self.reply is not None and ((self.reply.answers and self.reply.sounds) or bool(self.reply.written))

    @property
    def prompt_at_s(self) -> float | None:
        """Return when the bot breaks the silence: never while a reply, a turn or a function is under way."""
        if self.reply is not None or self.reply_due or self.user_speaking or self.awaits_tool_result:
            return None
        return self.idle.due_s if self.opened else None

    @property
    def decide_at_s(self) -> float | None:
        """Return when it is decided what a voice means that holds the reply."""
        if self.reply is None or not self.reply.held:
            return None
        speaking, since_s = self.voice
        return since_s + (self.rules.min_voice_ms if speaking else self.rules.resume_within_ms) / 1000

    @property
    def _sounds(self) -> bool:
        return self.reply is not None and self.reply.sounds

    @property
    def _is_protected(self) -> bool:
        """Return whether the session's sound so far is too short for an echo canceller to know the bot's voice."""
        return self.sounded_s < self.rules.uninterruptible_s

    @property
    def _interruptible(self) -> bool:
        if self._is_uninterruptible:
            return False
        return self.reply is None or self.turn_taking is None or self.turn_taking.interrupts

    @property
    def _is_uninterruptible(self) -> bool:
        """Return whether the bot says, or is about to say, what the pipeline does not want to be interrupted."""
        said = self.unasked.ordered or (self.reply and self.reply.unasked)
        return said is not None and not said.interruptible

    @property
    def _owes_reply(self) -> bool:
        """Return whether it is the bot's turn: to answer, or to open where nothing has been said yet."""
        return self.conversation.awaits_reply or (self.opened and not self.conversation.said)
