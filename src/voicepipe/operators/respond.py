"""`respond`: the bot's side of a conversation, as turns that switch each other away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias, overload

import reactivex
from reactivex import Observable, abc
from reactivex import operators as rx_ops

from voicepipe.conversation import SILENCE, Conversation
from voicepipe.events import (
    ClientEvent,
    Event,
    FunctionCalled,
    ItemCreated,
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
    TurnConfirmed,
    TurnEnded,
    TurnEvent,
    TurnStarted,
    TurnTaking,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.operators.commits import asked_of
from voicepipe.operators.out_of_band import failure, is_out_of_band, out_of_band
from voicepipe.presets import Interruption
from voicepipe.rx import Clock, merge, scheduler_of, switch_turn, transduce
from voicepipe.stage import SessionError, Stage, stage_factory, takes_preset

__all__ = ["Reply", "respond"]

Reply: TypeAlias = Callable[[Conversation], Observable[ReplyAudio | Event]]
"""What the bot says to a conversation: `ReplyText`, `ReplyAudio` and `WordSpoken` on the playback clock, until it is
played; or
`ReplyTextWritten`, where it is not `aloud`."""


@overload
def respond(reply: Reply, interruption: Interruption, /) -> Stage[TurnEvent | ClientEvent, ReplyAudio | Event]: ...


@overload
def respond(
    reply: Reply, *, idle_after_s: float, idle_prompts: int, uninterruptible_s: float, grace_s: float
) -> Stage[TurnEvent | ClientEvent, ReplyAudio | Event]: ...


@takes_preset(Interruption)
@stage_factory(gives=(ReplyStarted, ReplyText, ReplyAudio, WordSpoken, ReplyInterrupted, ReplyEnded, StageFailed))
def respond(
    reply: Reply, *, idle_after_s: float, idle_prompts: int, uninterruptible_s: float, grace_s: float
) -> Stage[TurnEvent | ClientEvent, ReplyAudio | Event]:
    """Answer each finished turn with `reply(conversation)`, and let the user's next word cut it short.

    - The bot opens when the client has given instructions, unless the user speaks, and answers each `TurnEnded` that
      has words.
    - **Barge-in**: `TurnConfirmed` (a word) always interrupts; `TurnStarted` (a voice) does, except in the first
      `uninterruptible_s` of sound, in which an echo canceller is still learning the bot's own voice.
      Before the bot has made a sound any voice stops it: the user was not finished.
    - A voice that turns out to be no word gives the bot its unanswered turn, or its opening, back.
    - **Idle prompt**: when nothing happens for `idle_after_s` after a reply, the user "says" `...` and the bot answers
      that, `idle_prompts` times in a row at most.
    - A failing reply becomes `StageFailed` and ends; the conversation goes on, except after a `SessionError`.
    - A client that leads (`TurnTaking`) has the bot speak when it asks (`ReplyRequested`), unless a reply is on, and
      stop when it asks (`ReplyCancelled`). The bot then does not open, sends idle prompts after `idle_s` only, and
      leaves turns unanswered, or voices without effect, where the client wants that; what was said meanwhile is
      answered next. Where the reply that is on has called a function of the client's, or has been overtaken by what one
      gave, what is asked meanwhile follows it. What it wants in writing and not remembered is answered beside all that,
      at once (`OutOfBandResponse`).
    - Every `ReplyStarted` is followed by exactly one `ReplyInterrupted` or `ReplyEnded`. What the conversation keeps of
      the bot is what was `WordSpoken`. The next reply begins when the cut one has cleaned up, `grace_s` at most.

    .. marbles::

        turns     e----s--c---e|              e: TurnEnded   s: TurnStarted   c: TurnConfirmed
        reply     ^-ww-!                      w: WordSpoken; cut by the voice
        again     ------------^-ww-ww|        the next one, heard to its end
        respond   b-ww-x------b-ww-ww(z|)     b: ReplyStarted   x: ReplyInterrupted   z: ReplyEnded
    """

    def stage(turns: Observable[TurnEvent | ClientEvent]) -> Observable[ReplyAudio | Event]:
        def begin(scheduler: abc.SchedulerBase) -> Observable[ReplyAudio | Event]:
            floor = TurnState(reply, scheduler_of(scheduler).clock, idle_after_s, idle_prompts, uninterruptible_s)

            def both(events: Observable[TurnEvent | ClientEvent]) -> Observable[ReplyAudio | Event]:
                talk = events.pipe(
                    transduce(lambda _: floor.decide),
                    switch_turn(on_cut=floor.cut, on_error=floor.fail, grace_s=grace_s),
                    rx_ops.do_action(floor.remember),
                )
                return merge(talk, events.pipe(out_of_band(reply, lambda: floor.conversation)))

            return turns.pipe(rx_ops.publish(both))

        return reactivex.defer(begin)

    return stage


class TurnState:
    """The state of one conversation's turns and replies."""

    def __init__(
        self, reply: Reply, clock: Clock, idle_after_s: float, idle_prompts: int, uninterruptible_s: float
    ) -> None:
        self._reply, self._clock = reply, clock
        self._idle_after_s, self._idle_prompts, self._uninterruptible_s = idle_after_s, idle_prompts, uninterruptible_s
        self.conversation = Conversation()
        self._out_of_band: Conversation | None = None
        """The conversation of a reply that is not stored."""
        self._client: TurnTaking | None = None
        """How the client wants turns to be taken, if it leads."""
        self._replying = False
        self._replies = 0
        self._reply_pending = False
        """Whether the user's turn was left unanswered because a reply was on."""
        self._awaits_tool_result = False
        """Whether the reply has called a function of the client's, or what one gave has come meanwhile."""
        self._requested: ReplyRequested | None = None
        """What the client has asked for meanwhile."""
        self._sound_since: float | None = None
        self._heard: list[str] = []
        self._written = ""
        self._idle_prompted = 0
        self._opened = self._user_speaking = False

    # -- what happens next ---------------------------------------------------------------------------------------------

    def decide(self, event: Event) -> Iterator[Observable[ReplyAudio | Event]]:
        """The next turn of the bot, if `event` changes what it does."""
        self.conversation = fold(self.conversation, event)
        if isinstance(event, TurnStarted | TurnConfirmed | TurnEnded):
            self._user_speaking = not isinstance(event, TurnEnded)
        match event:
            case SettingsChanged(system_prompt=prompt, turns=turns):
                self._client = turns
                if prompt is not None and turns is None and not self._opened:
                    yield from self._open()
            case TurnStarted() if self._may_interrupt():
                yield reactivex.empty()
            case TurnConfirmed() if self._interrupts:
                yield reactivex.empty()
            case TurnEnded() if event.committed or not self._answers:
                pass
            case TurnEnded(text=text) if text or (self._owes_reply and not self._replying):
                self._idle_prompted = 0
                yield from self._answer()
            case TurnEnded() if not self._replying:
                yield self._prompt_when_idle()
            case ItemCreated(role="tool"):
                self._awaits_tool_result = True
            case ReplyRequested() if is_out_of_band(event, self.conversation):
                pass
            case ReplyRequested() if not self._replying:
                self._idle_prompted = 0
                yield self._speak(event)
            case ReplyRequested() if self._awaits_tool_result:
                self._idle_prompted, self._requested = 0, event
            case ReplyCancelled(item=""):
                yield reactivex.empty()
            case _:
                pass

    def _open(self) -> Iterator[Observable[ReplyAudio | Event]]:
        """Now, or, while the user speaks, when they have finished."""
        if self._user_speaking:
            self._opened = True
        else:
            yield self._speak()

    def _answer(self) -> Iterator[Observable[ReplyAudio | Event]]:
        """Now, or, if the reply that is on must not be interrupted, after it."""
        if self._interrupts or not self._replying:
            yield self._speak()
        else:
            self._reply_pending = True

    @property
    def _answers(self) -> bool:
        return self._client is None or self._client.answers

    @property
    def _interrupts(self) -> bool:
        return self._client is None or self._client.interrupts or not self._replying

    @property
    def _owes_reply(self) -> bool:
        """Whether it is the bot's turn: to answer, or to open where nothing has been said yet."""
        return self.conversation.awaits_reply or (self._opened and not self.conversation.said)

    def _may_interrupt(self) -> bool:
        if not self._interrupts:
            return False
        if self._sound_since is None or not self._replying:
            return True
        return self._clock() - self._sound_since >= self._uninterruptible_s

    def _speak(self, request: ReplyRequested | None = None) -> Observable[ReplyAudio | Event]:
        self._opened = True
        self._replies += 1
        item = (request and request.item) or f"reply{self._replies}"
        return reactivex.concat(
            reactivex.defer(lambda _: reactivex.just(self._begin(request, item))),
            reactivex.defer(lambda _: self._reply(asked_of(self._talk, request))).pipe(rx_ops.catch(self._failing)),
            reactivex.defer(lambda _: reactivex.just(ReplyEnded(self._heard_text, self._talk))),
            reactivex.defer(lambda _: self._next()),
        )

    def _begin(self, request: ReplyRequested | None, item: str) -> ReplyStarted:
        asked = asked_of(self.conversation, request)
        self._out_of_band = asked if request is not None and not request.remembered else None
        return ReplyStarted(asked, item)

    def _next(self) -> Observable[ReplyAudio | Event]:
        """What follows a reply that was not interrupted."""
        owed, asked = self._reply_pending, self._requested
        self._reply_pending, self._requested = False, None
        return self._speak(asked) if owed or asked is not None else self._prompt_when_idle()

    def _prompt_when_idle(self) -> Observable[ReplyAudio | Event]:
        """Wait for the user; then let their silence speak for them."""
        after_s = self._idle_after_s if self._client is None else self._client.idle_s
        if after_s is None or not self._opened or self._idle_prompted >= self._idle_prompts:
            return reactivex.empty()
        return reactivex.timer(after_s).pipe(rx_ops.flat_map(lambda _: self._break_silence()))

    def _break_silence(self) -> Observable[ReplyAudio | Event]:
        self._idle_prompted += 1
        self.conversation = self.conversation.user_said(SILENCE, f"silence{self._replies}")
        return self._speak()

    # -- what has happened ---------------------------------------------------------------------------------------------

    def remember(self, event: ReplyAudio | Event) -> None:
        """Fold what the bot did into the conversation."""
        if isinstance(event, ReplyAudio):
            self._sound_since = self._clock() if self._sound_since is None else self._sound_since
            return
        if self._out_of_band is None:
            self.conversation = fold(self.conversation, event)
        else:
            self._out_of_band = fold(self._out_of_band, event)
        match event:
            case ReplyStarted():
                self._replying, self._awaits_tool_result, self._sound_since, self._heard, self._written = (
                    True,
                    False,
                    None,
                    [],
                    "",
                )
            case FunctionCalled(server_side=False):
                self._awaits_tool_result = True
            case WordSpoken(word=word):
                self._heard.append(word)
            case ReplyTextWritten(delta=delta):
                self._written += delta
            case ReplyEnded() | ReplyInterrupted():
                self._replying, self._out_of_band = False, None
            case _:
                pass

    def cut(self) -> Iterator[Event]:
        """The user takes the floor: what goes out before the running turn is stopped."""
        if self._replying:
            self._reply_pending, self._requested = False, None
            yield ReplyInterrupted(self._heard_text, self._talk.cut())

    def fail(self, error: Exception) -> Iterator[Event]:
        """A turn broke, outside of the reply itself."""
        self._reply_pending, self._requested = False, None
        yield failure(error)
        if self._replying:
            yield ReplyEnded(self._heard_text, self._talk)

    def _failing(self, error: Exception, _: Observable[ReplyAudio | Event]) -> Observable[ReplyAudio | Event]:
        return reactivex.throw(error) if isinstance(error, SessionError) else reactivex.just(failure(error))

    @property
    def _talk(self) -> Conversation:
        return self.conversation if self._out_of_band is None else self._out_of_band

    @property
    def _heard_text(self) -> str:
        return " ".join(self._heard) or self._written
