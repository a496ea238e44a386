"""`respond`: the bot's side of a conversation, as turns that switch each other away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import (
    ClientEvent,
    ConversationEnded,
    Event,
    FunctionContinues,
    FunctionReturned,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    StageFailed,
    TurnEnded,
    TurnEvent,
    TurnJudged,
    TurnPaused,
    TurnResumed,
    WordSpoken,
)
from voicepipe.operators.expected_reply import expected_reply
from voicepipe.operators.out_of_band import failure, out_of_band
from voicepipe.operators.reply import Reply
from voicepipe.operators.speculate import SpeculativeReply
from voicepipe.operators.turn_actions import Action, HangUp, HoldElapsed, HoldReply, ResumeReply, StartReply
from voicepipe.operators.turn_state import TurnState
from voicepipe.presets import Interruption
from voicepipe.rx import LoopScheduler, merge, one_at_a_time, switch_turn, transduce
from voicepipe.rx.defer import defer
from voicepipe.rx.of_type import filter_
from voicepipe.rx.publish import publish
from voicepipe.stage import SessionError, Stage, stage_factory, takes_preset

__all__ = ["respond"]


@overload
def respond(reply: Reply, interruption: Interruption, /) -> Stage[TurnEvent | ClientEvent, ReplyAudio | Event]: ...


@overload
def respond(
    reply: Reply,
    *,
    idle_after_s: float,
    idle_prompts: int,
    uninterruptible_s: float,
    grace_s: float,
    min_voice_ms: float,
    resume_within_ms: float,
) -> Stage[TurnEvent | ClientEvent, ReplyAudio | Event]: ...


@takes_preset(Interruption)
@stage_factory(
    gives=(
        *(ReplyStarted, ReplyText, ReplyAudio, WordSpoken, ReplyInterrupted, ReplyEnded, StageFailed, TurnJudged),
        *(FunctionContinues, FunctionReturned),
    )
)
def respond(
    reply: Reply,
    *,
    idle_after_s: float,
    idle_prompts: int,
    uninterruptible_s: float,
    grace_s: float,
    min_voice_ms: float,
    resume_within_ms: float,
) -> Stage[TurnEvent | ClientEvent, ReplyAudio | Event]:
    """Answer each finished turn with `reply(conversation)`, and let the user's next word cut it short.

    - The bot opens when the client has given instructions, unless the user speaks, and answers each `TurnEnded` that
      has words.
    - **Barge-in**: `TurnConfirmed` (a word that is no acknowledgement) interrupts. `TurnStarted` (a voice) holds the
      reply at once; it is interrupted when the voice lasts `min_voice_ms`, and goes on, with nothing lost or said
      twice, `resume_within_ms` after the voice has stopped, or when the turn ends without words or with an
      acknowledgement, which is not answered (`TurnJudged`). In the first `uninterruptible_s` of the session's sound, in
      which an echo canceller is still learning the bot's own voice, a voice does not hold it.
      Before the bot has made a sound any voice stops it: the user was not finished.
    - **Echo**: words over a reply that the bot has just spoken are its own voice. They neither interrupt nor count
      (`TurnJudged`); the user's own words among them do. They are looked for in the first `uninterruptible_s` of the
      session's sound, and from where an echo was noticed until it has ended; there a voice without words holds no
      reply.
    - A voice that turns out to be no word gives the bot its unanswered turn, or its opening, back; not a reply that the
      client has cancelled.
    - **Idle prompt**: when nothing happens for `idle_after_s` after a reply, the user "says" `...` and the bot answers
      that, `idle_prompts` times in a row at most.
    - A failing reply becomes `StageFailed` and ends; the conversation goes on, except after a `SessionError`. The
      failure is `silent` where the user has heard nothing of the answer.
    - A client that leads (`TurnTaking`) has the bot speak when it asks (`ReplyRequested`), unless a reply is on, and
      stop when it asks (`ReplyCancelled`). The bot then does not open, sends idle prompts after `idle_s` only, and
      leaves turns unanswered, or voices without effect, where the client wants that; what was said meanwhile is
      answered next. Where the reply that is on has called a function of the client's, or has been overtaken by what one
      gave, what is asked meanwhile follows it. What it wants in writing and not remembered is answered beside all that,
      at once (`OutOfBandResponse`).
    - **Functions** of the pipeline (`with_tools`) go on after a barge-in, and what they give is part of the
      conversation as soon as it is there (`FunctionContinues`, `FunctionReturned`).
    - **Unasked**: the pipeline has the bot say a text (`SpeechRequested`), answer with instructions
      (`GenerationRequested`) or hang up (`HangUpRequested`): now, after the reply, or in silence, with or without
      interruption. These wait in order, none is lost, and none overlaps a reply.
    - Every `ReplyStarted` is followed by exactly one `ReplyInterrupted` or `ReplyEnded`. What the conversation keeps of
      the bot is what was `WordSpoken`. The next reply begins when the cut one has cleaned up, `grace_s` at most.

    Args:
        reply: Makes the observable of one reply to a conversation, such as `replying` does.

    .. marbles::

        turns     e----s--c---e|               e: TurnEnded   s: TurnStarted   c: TurnConfirmed
        reply     ^-ww-!                       w: WordSpoken; cut by the voice
        again     ------------^-ww-ww|         the next one, heard to its end
        respond   b-ww-x------(jb)-ww-ww(z|)   b: ReplyStarted   x: ReplyInterrupted   j: TurnJudged   z: ReplyEnded
    """
    rules = Interruption(idle_after_s, idle_prompts, uninterruptible_s, grace_s, min_voice_ms, resume_within_ms)
    return _answering(reply, rules)


def _answering(reply: Reply, rules: Interruption) -> Stage[TurnEvent | ClientEvent, ReplyAudio | Event]:
    def answered(turns: Observable[TurnEvent | ClientEvent]) -> Observable[ReplyAudio | Event]:
        return defer(lambda scheduler: turns.pipe(publish(_Turn(reply, scheduler, rules).replies)))

    def stage(turns: Observable[TurnEvent | ClientEvent]) -> Observable[ReplyAudio | Event]:
        return defer(lambda scheduler: scheduler.background.merged_with(turns).pipe(one_at_a_time(answered)))

    return stage


class _Turn:
    """Does what `TurnState` decides: makes the observables of replies and waits."""

    def __init__(self, reply: Reply, scheduler: LoopScheduler, rules: Interruption) -> None:
        self._reply, self._clock, self._hold = reply, scheduler.clock, scheduler.hold
        self._grace_s = rules.grace_s
        self.state = TurnState.of(rules)
        self._follows: Action = None
        self._prompt_at_s: float | None = None

    def replies(self, events: Observable[TurnEvent | ClientEvent]) -> Observable[ReplyAudio | Event]:
        """Return what the bot does. `judge` sees each event before it takes effect, `decision` after that."""
        judged = events.pipe(transduce(lambda _: self.judge))
        decisions = events.pipe(rx_ops.map(self.decision), rx_ops.switch_latest())
        talk = merge(events, decisions).pipe(
            transduce(lambda _: self.decide),
            switch_turn(on_cut=self.cut, on_error=self.fail, grace_s=self._grace_s),
            transduce(lambda _: self.noted),
        )
        late = events.pipe(filter_(self.is_known))
        aside = events.pipe(out_of_band(self._reply, lambda: self.state.conversation))
        return merge(judged, talk, late, aside, *self._speculations(events))

    def _speculations(self, events: Observable[TurnEvent | ClientEvent]) -> Iterator[Observable[Event]]:
        """Yield what begins replies ahead. It comes behind what begins replies, so that a turn's end uses one first."""
        if isinstance(self._reply, SpeculativeReply):
            yield events.pipe(transduce(lambda _: self.expected), self._reply.expecting())

    def expected(self, event: Event) -> Iterator[Conversation | None]:
        """Yield the conversation that will probably be answered, at a pause, and None where it is known."""
        match event:
            case TurnPaused():
                yield expected_reply(self.state, event, self._clock())
            case TurnResumed() | TurnEnded():
                yield None
            case _:
                pass

    def decide(self, event: Event) -> Iterator[Observable[ReplyAudio | Event]]:
        """Yield the bot's next turn, if `event` changes what it does."""
        self.state, action = self.state.after_input(event, self._clock())
        if isinstance(action, HoldReply | ResumeReply):
            self._hold.set(isinstance(action, HoldReply))
        elif action is not None or self.state.prompt_at_s != self._prompt_at_s:
            self._follows = None
            yield self._run(action)

    def judge(self, event: Event) -> Iterator[TurnJudged]:
        """Yield what counts of a turn over a reply, and of an acknowledgement, before it takes effect."""
        over_reply = self.state.user.began_over
        if (
            isinstance(event, TurnEnded)
            and event.text
            and not event.committed
            and (over_reply or event.acknowledgement)
        ):
            text = self.state.counted(event)
            yield TurnJudged(event.item, counts=bool(text), text=text)

    def is_known(self, event: Event) -> bool:
        """Return whether an event tells of a call of an earlier reply."""
        called = isinstance(event, FunctionContinues | FunctionReturned)
        return called and self.state.conversation.has_called(event.id)

    def decision(self, _: Event) -> Observable[Event]:
        """Return `HoldElapsed` at the time at which it is decided what a voice means."""
        decide_at_s = self.state.user.decide_at_s(self.state.reply)
        if decide_at_s is None:
            return reactivex.empty()
        left_s = max(0.0, decide_at_s - self._clock())
        return reactivex.timer(left_s).pipe(rx_ops.map(lambda _: HoldElapsed()))

    def _run(self, action: Action) -> Observable[ReplyAudio | Event]:
        self._prompt_at_s = None
        match action:
            case StartReply():
                turn = self._speak(action)
            case HangUp(reason=reason):
                turn = reactivex.just(ConversationEnded(reason))
            case _:
                turn = defer(lambda _: self._wait())  # when the reply before has been cut
        return reactivex.concat(defer(lambda _: self._released()), turn)

    def _released(self) -> Observable[ReplyAudio | Event]:
        """End the hold of a reply that is over."""
        self._hold.set(False)
        return reactivex.empty()

    def _wait(self) -> Observable[ReplyAudio | Event]:
        """Say what the bot is to say unasked, or wait for the user, and then let their silence be answered."""
        self.state, action = self.state.next_unasked()
        if action is not None:
            return self._run(action)
        self._prompt_at_s = self.state.prompt_at_s
        if self._prompt_at_s is None:
            return reactivex.empty()
        left_s = max(0.0, self._prompt_at_s - self._clock())
        return reactivex.timer(left_s).pipe(rx_ops.flat_map(lambda _: self._break_silence()))

    def _break_silence(self) -> Observable[ReplyAudio | Event]:
        self.state, action = self.state.after_silence()
        return self._run(action)

    def _speak(self, action: StartReply) -> Observable[ReplyAudio | Event]:
        return reactivex.concat(
            defer(lambda _: reactivex.just(self._begin(action))),
            defer(lambda _: self._reply(action.asked(self.state.talk))).pipe(rx_ops.catch(self._failing)),
            defer(lambda _: reactivex.just(self._end())),
            defer(lambda _: self._run(self._follows)),
        )

    def _begin(self, action: StartReply) -> ReplyStarted:
        self.state, started = self.state.begun(action)
        return started

    def _end(self) -> ReplyEnded:
        return ReplyEnded(self.state.reply.text if self.state.reply else "", self.state.talk)

    def noted(self, event: ReplyAudio | Event) -> tuple[ReplyAudio | Event]:
        """Note what the reply did, before it is emitted."""
        self.state, action = self.state.after_output(event, self._clock())
        if isinstance(event, ReplyEnded):
            self._follows = action
        return (event,)

    def cut(self) -> Iterator[Event]:
        """Yield what is emitted where a running reply is stopped."""
        if self.state.reply is not None:
            yield ReplyInterrupted(self.state.reply.text, self.state.talk.cut())

    def fail(self, error: Exception) -> Iterator[Event]:
        """Yield the end of a turn that has failed outside its reply."""
        self.state = self.state.failed()
        yield failure(error)
        if self.state.reply is not None:
            yield self._end()

    def _failing(self, error: Exception, _: Observable[ReplyAudio | Event]) -> Observable[ReplyAudio | Event]:
        if isinstance(error, SessionError):
            return reactivex.throw(error)
        reply = self.state.reply
        return reactivex.just(failure(error, silent=reply is None or not reply.is_answered))
