"""The diagrams in the docstrings show what really happens: each is read where it stands, and played.

An example plays rows of the block as sources (`Drawing.hot`, `Drawing.cold`), or has others compared with what passes
(`Drawing.watch`, `Drawing.note`); what it gives must be as the last row says. No row may be left over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import numpy as np
import pytest
import reactivex
import structlog
from reactivex import Observable
from reactivex import operators as rx_ops

import voicepipe
import voicepipe.stt.kyutai.stage as stt
import voicepipe.tts.kyutai.stage as tts
from voicepipe.audio import BadAudio, Pcm16, resample
from voicepipe.boundary.batches import Batches, Step, in_batches
from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.pending import PendingWork
from voicepipe.boundary.requests import in_task
from voicepipe.boundary.tasks import async_stage
from voicepipe.boundary.threads import in_worker
from voicepipe.boundary.workers import Outcome, Priority, Ticket, Workers
from voicepipe.conversation import Conversation
from voicepipe.events import (
    AgentChanged,
    Audio,
    AudioReceived,
    ConversationEnded,
    Event,
    FlushRequested,
    FunctionCall,
    FunctionCalled,
    FunctionReturned,
    InputRejected,
    Pause,
    ReplyAudio,
    ReplyDelayed,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    Samples,
    SettingsChanged,
    SpeculationEnded,
    SpeechEncoded,
    SpeechProbability,
    SpeechStarted,
    SpeechStopped,
    SynthesisEnded,
    SynthesisStarted,
    Transcribed,
    TranscriptDrafted,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
    TurnStarted,
    TurnTaking,
    TurnTextChanged,
    WordRecognised,
    WordSpoken,
)
from voicepipe.llm.prefill import PromptPrefill
from voicepipe.operators import (
    Agent,
    as_text,
    at_most_sentences,
    by_clause,
    cancel_echo,
    decode,
    detect_turns,
    encode,
    endpoint,
    fallback,
    fill_gaps,
    followed_by,
    gate,
    hang_up_after,
    hedge,
    listen,
    override_settings,
    pace,
    respond,
    retrying,
    speculate,
    split_words,
    suppress_noise,
    tee,
    text_only,
    wait_for_user,
    with_agents,
    with_deadline,
    with_filler,
    with_tools,
)
from voicepipe.operators.deadline import Bounds, DeadlineMissed, Watch, with_timeout
from voicepipe.operators.fallback.attempts import Attempt, Plan, race
from voicepipe.operators.latency import measure_turns
from voicepipe.operators.out_of_band import out_of_band
from voicepipe.operators.pace import Due, release_at
from voicepipe.operators.tee import side_branch
from voicepipe.operators.text_only import per_run
from voicepipe.presets import ECHO, TOOLS, UTTERANCES
from voicepipe.rx import Clock, LoopScheduler, feedback, merge, of_type, one_at_a_time, switch_turn, transduce
from voicepipe.rx.defer import defer
from voicepipe.rx.early_subscription import EarlySubscription, until_used
from voicepipe.rx.of_type import filter_
from voicepipe.rx.publish import publish
from voicepipe.services import NULL_OBSERVER, Address, Backoff, ConnectionLost, Finder, Instance, socket_stage
from voicepipe.stage import Stage, StageError, naming
from voicepipe.stt import by_utterance
from voicepipe.testing import Block, Cold, Hot, Kind, Marble, Marbles, Recorded, Row, ScriptedError, Timeline, find
from voicepipe.testing.marbles.compare import compare
from voicepipe.testing.marbles.notation import parse
from voicepipe.testing.servers import ByTime, SttServer, TtsServer
from voicepipe.testing.servers.base import FakeServer
from voicepipe.tts import Timing, clause_by_clause
from voicepipe.tts.kyutai.prewarm import PrewarmedConnection
from voicepipe.vad import by_frame
from voicepipe.vad.frames import by_frame_together, frame_batches

T = TypeVar("T")
Server = TypeVar("Server", bound=FakeServer)

FOUND = list(find(Path(voicepipe.__file__).parent))


# ---- how a diagram is run --------------------------------------------------------------------------------------------


class Like:
    """Stands for whatever event there is of a kind, if its fields are as given."""

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, kind: type, **fields: object) -> None:
        self.kind, self.fields = kind, fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self.kind) and all(
            getattr(other, name) == value for name, value in self.fields.items()
        )

    def __repr__(self) -> str:
        return f"some {self.kind.__name__}({', '.join(f'{name}={value!r}' for name, value in self.fields.items())})"


class Several(tuple[Any, ...]):
    """Events of one instant for which a diagram has one letter."""

    __slots__ = ()


class Drawing:
    """The rows of a block at work. `exits` is left when all has been played."""

    def __init__(self, marbles: Marbles, rows: Sequence[Row], values: Mapping[str, Any]) -> None:
        self.marbles, self.exits = marbles, ExitStack()
        self._rows, self._values = {row.name: row for row in rows}, values
        assert len(self._rows) == len(rows), "two rows of one name"
        self._unused = list(self._rows)
        self._cold: dict[str, Cold] = {}
        self._watched: dict[str, list[Recorded]] = {}

    def hot(self, name: str) -> Hot:
        """The row as a source that plays by itself."""
        return self.marbles.hot(self.row(name))

    def cold(self, name: str) -> Cold:
        """The row as a source that plays when it is subscribed, which must be at its ``^``, if it has one."""
        self._cold[name] = self.marbles.cold(self.row(name))
        return self._cold[name]

    def watch(self, name: str) -> Stage[Any, Any]:
        """Everything passes, and must do so as the row says."""
        self._watched.setdefault(name, [])
        return rx_ops.do_action(
            lambda item: self.note(name, item),
            lambda error: self.note(name, error, Kind.ERROR),
            lambda: self.note(name, None, Kind.COMPLETED),
        )

    def note(self, name: str, value: object, kind: Kind = Kind.NEXT) -> None:
        """Something has happened that must be in the row."""
        self._watched.setdefault(name, []).append(Recorded(self.marbles.now_ms(), kind, value))

    def row(self, name: str, error: Exception | None = None) -> Timeline:
        """The row, with the values of its letters."""
        self._unused = [other for other in self._unused if other != name]
        marbles, values = list[Marble](), dict[str, Any]()
        for marble in self._rows[name].diagram.marbles:
            value = self._values.get(marble.symbol, marble.symbol)
            one_by_one = value if isinstance(value, Several) else [value]
            for number, part in enumerate(one_by_one):
                symbol = marble.symbol if len(one_by_one) == 1 else f"{marble.symbol}{number}"
                marbles.append(replace(marble, symbol=symbol))
                values[symbol] = part
        return Timeline(replace(self._rows[name].diagram, marbles=tuple(marbles)), values, error)

    def expect(self, result: Observable[Any], error: Exception | None) -> None:
        """That `result` is the last row, that the watched rows are as they are drawn, and that all rows were used."""
        last = list(self._rows)[-1]
        with self.exits:
            self.marbles.expect(result, self.row(last, error))
        for name, recorded in self._watched.items():
            report = compare(self.row(name), recorded)
            assert report is None, f"the row {name!r}: {report}"
        for name, source in self._cold.items():
            self._expect_subscription(name, source)
        assert not self._unused, f"rows that nobody plays: {self._unused}"

    def _expect_subscription(self, name: str, source: Cold) -> None:
        assert source.subscriptions, f"{name} was never subscribed"
        diagram, first = self._rows[name].diagram, source.subscriptions[0]
        begins, ends = diagram.at(Kind.SUBSCRIBED), diagram.at(Kind.DISPOSED)
        assert begins in (None, first.subscribed_ms), f"{name} was subscribed at {first.subscribed_ms} ms"
        assert ends in (None, first.disposed_ms), f"{name} was disposed at {first.disposed_ms} ms"


Example = Callable[[Drawing], Observable[Any]]
Values = dict[str, Any]
EXAMPLES: dict[str, tuple[Example, Exception | None, Values]] = {}


def example(where: str, *, error: Any = None, **values: Any) -> Callable[[Example], Example]:
    """Play the diagram of `where`: `values` are the meanings of its letters, `error` the result's ``#``."""

    def register(play: Example) -> Example:
        EXAMPLES[f"voicepipe.{where}"] = (play, error, values)
        return play

    return register


@pytest.mark.parametrize("block", FOUND, ids=lambda block: block.where)
def test_it_happens_as_it_is_drawn(marbles: Marbles, block: Block) -> None:
    """Source rows are played, and what comes of them is in the other rows."""
    play, error, values = EXAMPLES[block.where]
    drawing = Drawing(marbles, block.rows, values)
    drawing.expect(play(drawing), error)


def test_every_diagram_is_run() -> None:
    """Each documented function has one diagram and one example; none is exempt."""
    assert sorted(block.where for block in FOUND) == sorted(EXAMPLES)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ({"source": "a-b|", "upper": "A-C|"}, "the first difference is at 40 ms"),
        ({"source": "a-b|", "seen": "a--b|", "upper": "A-B|"}, "the row 'seen': the first difference is at 40 ms"),
        ({"source": "a-b|", "other": "c|", "upper": "A-B|"}, "rows that nobody plays: \\['other'\\]"),
        ({"source": "-^a-b|", "upper": "-A-B|"}, "source was subscribed at 0 ms"),
        ({"source": "^a-b!", "upper": "-A-B"}, "source was disposed at None ms"),
    ],
)
def test_a_wrong_diagram_is_found(marbles: Marbles, rows: dict[str, str], complaint: str) -> None:
    """In any of its rows."""
    drawing = Drawing(marbles, [Row(name, parse(text)) for name, text in rows.items()], {})
    seen: Stage[Any, Any] = drawing.watch("seen") if "seen" in rows else lambda source: source
    result = drawing.cold("source").pipe(seen, rx_ops.map(str.upper))
    with pytest.raises(AssertionError, match=complaint):
        drawing.expect(result, None)


# ---- what the letters stand for --------------------------------------------------------------------------------------


def sound(ms: int, level: float = 0.5, *, rate_hz: int = 1000) -> Audio:
    return Audio(np.full(ms * rate_hz // 1000, level, np.float32), rate_hz)


def words(**texts: str) -> dict[str, ReplyText]:
    return {letter: ReplyText(text) for letter, text in texts.items()}


def upper(item: str) -> Iterator[str]:
    yield item.upper()


def silent(source: Observable[Any]) -> Observable[Any]:
    """Takes everything, and says nothing."""
    return source.pipe(rx_ops.ignore_elements())


def failing_at(letter: str) -> Stage[str, str]:
    """Silent, until it fails at an item."""

    def step(item: str) -> Iterator[str]:
        if item == letter:
            raise ScriptedError(item)
        yield from ()

    return transduce(lambda _: step)


class SlowWorkers(Workers):
    """Takes some virtual time for each job, and no thread."""

    def __init__(self, work_s: float = 0.0) -> None:
        super().__init__(0, "none")
        self._work_s = work_s

    def submit(
        self,
        work: Callable[[Ticket], T],
        done: Callable[[Outcome[T]], object],
        *,
        priority: Priority = Priority.TURN,
        what: str = "",
    ) -> Ticket:
        ticket = Ticket()

        def finish() -> None:
            if not ticket.cancelled:
                done(Outcome(work(ticket)))

        asyncio.get_running_loop().call_later(self._work_s, finish)
        return ticket


# ---- rx --------------------------------------------------------------------------------------------------------------


@example("rx.transduce.transduce")
def _(drawing: Drawing) -> Observable[Any]:
    gives = {"a": "x", "b": "", "c": "yz"}
    return drawing.hot("source").pipe(transduce(lambda _: gives.__getitem__))


@example("operators.pace.release_at")
def _(drawing: Drawing) -> Observable[Any]:
    due_s = {"a": 0.0, "b": 0.04, "c": 0.08}

    def due(clock: Clock) -> Callable[[str], Iterable[Due[str]]]:
        return lambda item: [Due(clock() + due_s[item], item)]

    return drawing.hot("source").pipe(transduce(due), release_at())


class Constant:
    """A value that can be asked for again."""

    def possible(self) -> bool:
        return True

    def forget(self) -> None: ...

    def dispose(self) -> None: ...


@example("rx.merge.merge")
def _(drawing: Drawing) -> Observable[Any]:
    return merge(drawing.hot("a"), drawing.hot("b"))


@example("rx.defer.defer")
def _(drawing: Drawing) -> Observable[Any]:
    made = drawing.cold("made")
    return defer(lambda _: made)


@example("rx.of_type.of_type", **{"1": 1, "2": 2})
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("source").pipe(of_type(str))


@example("rx.of_type.filter_", **{"1": "1", "2": "2"})
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("source").pipe(filter_(str.isalpha))


@example("rx.publish.publish", A="aa", B="bb", C="cc")
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("source").pipe(publish(lambda source: reactivex.zip(source, source)), rx_ops.map("".join))


@example("operators.text_only.per_run", A=(1, "a"), B=(1, "b"), x="x", C=(2, "c"))
def _(drawing: Drawing) -> Observable[Any]:
    source = drawing.hot("source").pipe(rx_ops.map(lambda item: (0, "x") if item == "x" else item))
    runs = per_run(rx_ops.delay(0.02), lambda item: item in ("a", "b", "c"))
    return source.pipe(runs, rx_ops.map(lambda out: "x" if out == (0, (0, "x")) else out))


@example("operators.fallback.attempts.race")
def _(drawing: Drawing) -> Observable[Any]:
    first, second = drawing.cold("first"), drawing.cold("second")
    attempts = [Attempt("first", lambda: first, 0.0), Attempt("second", lambda: second, 0.0)]
    return race(attempts, Plan(lambda _: True), Constant())


@example("operators.deadline.with_timeout")
def _(drawing: Drawing) -> Observable[Any]:
    source = drawing.cold("source")

    def make(watch: Watch) -> Observable[Any]:
        watch.asked()
        return source

    return with_timeout(make, Bounds(1.0, 0.1, lambda bound_s, first: ScriptedError("late")), lambda _: True)


@example("operators.tee.side_branch")
def _(drawing: Drawing) -> Observable[Any]:
    stage: Stage[Any, Any] = lambda source: source.pipe(failing_at("b"), drawing.watch("stage"))
    return drawing.hot("source").pipe(side_branch(stage, lambda error: None))


@example("rx.feedback.one_at_a_time")
def _(drawing: Drawing) -> Observable[Any]:
    stage: Stage[Any, Any] = lambda source: source.pipe(rx_ops.map(str.upper), drawing.watch("stage"))
    return drawing.hot("source").pipe(one_at_a_time(stage))


@example("rx.feedback.feedback")
def _(drawing: Drawing) -> Observable[Any]:
    def later(item: str) -> Observable[str]:
        return reactivex.timer(0.08).pipe(rx_ops.map(lambda _: "f")) if item == "x" else reactivex.of(item.upper())

    def back(_: Clock) -> Callable[[str], Iterator[str]]:
        def step(item: str) -> Iterator[str]:
            if item == "A":
                drawing.note("back", "x")
                yield "x"

        return step

    stage: Stage[Any, Any] = lambda source: source.pipe(rx_ops.flat_map(later), drawing.watch("stage"))
    return drawing.hot("source").pipe(feedback(stage, back))


@example("rx.switch_turn.switch_turn")
def _(drawing: Drawing) -> Observable[Any]:
    turns = {"a": drawing.cold("a"), "b": drawing.cold("b")}
    cut = switch_turn(on_cut=lambda: ["c"], on_error=lambda error: [], grace_s=0.1)
    return drawing.hot("turns").pipe(rx_ops.map(turns.__getitem__), cut)


@example("stage.naming", error=StageError("mine", ScriptedError("#")))
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("source").pipe(naming("mine"))


# ---- boundaries ------------------------------------------------------------------------------------------------------


@example("boundary.requests.in_task")
def _(drawing: Drawing) -> Observable[Any]:
    async def work(item: str, _: Callable[[str], None]) -> str:
        await asyncio.sleep(0.04)
        return item.upper()

    return drawing.hot("source").pipe(in_task(work, boundary="work", capacity=4, overflow=Overflow.FAIL_TURN))


@example("boundary.batches.in_batches")
def _(drawing: Drawing) -> Observable[Any]:
    step: Step[str, None, str] = lambda pairs: [(item.upper(), state) for item, state in pairs]
    batches = Batches(step, None, most=8, wait_s=0.04, worth_from=2)
    batches.enter()  # another session, which is silent
    return drawing.hot("source").pipe(in_batches(batches, boundary="work", capacity=4, overflow=Overflow.FAIL_SESSION))


@example("boundary.threads.in_worker")
def _(drawing: Drawing) -> Observable[Any]:
    work: Callable[[str, Ticket], str] = lambda item, _: item.upper()
    stage = in_worker(work, SlowWorkers(0.04), boundary="work", capacity=4, overflow=Overflow.FAIL_TURN)
    return drawing.hot("source").pipe(stage)


@example("boundary.tasks.async_stage")
def _(drawing: Drawing) -> Observable[Any]:
    async def work(items: AsyncIterator[str]) -> AsyncIterator[str]:
        async for item in items:
            await asyncio.sleep(0.03)
            yield item.upper()

    return drawing.hot("source").pipe(async_stage(work, boundary="work", capacity=4, overflow=Overflow.FAIL_TURN))


class Echo:
    """A connection whose service says the same in capitals, 40 ms later; and the exchange on it."""

    usable = stale = False
    overdue_at = None

    def __init__(self) -> None:
        self.waiting, self.unanswered, self.finished = list[str](), 0, False
        self.answers = asyncio.Queue[bytes | None]()

    async def send(self, message: bytes) -> None:
        asyncio.get_running_loop().call_later(0.04, self.answers.put_nowait, message.upper())

    async def receive(self) -> bytes:
        if (answer := await self.answers.get()) is None:
            raise ConnectionLost("echo", "aborted")
        return answer

    async def watch(self) -> None:
        await self.answers.get()

    def abort(self) -> None:
        self.answers.put_nowait(None)

    async def close(self) -> None: ...

    def put(self, item: str) -> Sequence[str]:
        self.waiting.append(item)
        self.unanswered += 1
        return ()

    def finish(self) -> None:
        self.finished = True

    def opened(self) -> None: ...

    def outgoing(self) -> bytes | None:
        return self.waiting.pop(0).encode() if self.waiting else None

    def received(self, message: bytes) -> Sequence[str]:
        self.unanswered -= 1
        return [message.decode()]

    def closed(self) -> Sequence[str]:
        return ()

    def lost(self, error: Exception) -> Sequence[str]:
        return ()

    def cut(self) -> None: ...

    @property
    def done(self) -> bool:
        return self.finished and not self.unanswered


@example("services.socket_stage.socket_stage")
def _(drawing: Drawing) -> Observable[Any]:
    echo = Echo()

    async def connect(emit: object) -> Any:
        return echo

    return drawing.hot("source").pipe(socket_stage(lambda _: echo, connect, observer=NULL_OBSERVER, name="echo"))


@example("tts.kyutai.prewarm.PrewarmedConnection.prepare", w=WordRecognised("so", 0.0, 0.1))
def _(drawing: Drawing) -> Observable[Any]:
    opened_ms = list[float]()

    async def connect(key: str) -> Any:
        opened_ms.append(drawing.marbles.now_ms())
        return Echo()

    def check() -> None:
        assert opened_ms == [20]

    drawing.exits.callback(check)
    ahead = PrewarmedConnection(connect, key=lambda: "voice", max_age_s=10)
    return drawing.hot("heard").pipe(ahead.prepare(lambda event: isinstance(event, WordRecognised)))


# ---- sound -----------------------------------------------------------------------------------------------------------

GARBAGE = AudioReceived(b"odd")


class Refusing(Pcm16):
    """PCM16 that takes everything for sound but one packet."""

    def decoder(self) -> Any:
        decode = super().decoder()

        class Decoding:
            def __call__(self, data: bytes, /) -> Any:
                if data == GARBAGE.data:
                    raise BadAudio("not a sound")
                return decode(data)

            rest = decode.rest

        return Decoding()


@example(
    "operators.codec.decode",
    a=AudioReceived(b"\x00\x40"), b=GARBAGE, c=AudioReceived(b"\x00\xc0"),
    A=sound(1, 0.5), r=Like(InputRejected, code="invalid_audio"), C=sound(1, -0.5), s=SettingsChanged("Hi."),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("received").pipe(decode(Refusing(1000)))


@example(
    "operators.codec.encode",
    a=ReplyAudio(sound(2)), b=ReplyText("hi"), c=ReplyAudio(sound(4)),
    A=Like(SpeechEncoded, duration_ms=2), C=Like(SpeechEncoded, duration_ms=4),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("spoken").pipe(encode(Pcm16(1000)))


@example(
    "audio.resample.resample",
    **dict.fromkeys("abc", sound(80, rate_hz=24_000)), **dict.fromkeys("ABC", Like(Audio, rate_hz=16_000)),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("mic").pipe(resample(16_000))


@example("vad.frames.by_frame", **dict.fromkeys("abcd", sound(20)), v=Like(SpeechProbability))
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("mic").pipe(by_frame(lambda: lambda samples: 0.5, frame=32, rate_hz=1000))


@example("vad.frames.by_frame_together", **dict.fromkeys("abcd", sound(20)), v=Like(SpeechProbability))
def _(drawing: Drawing) -> Observable[Any]:
    together: Callable[[Sequence[tuple[Samples, None]]], Sequence[tuple[float, None]]] = lambda pairs: [
        (0.5, state) for _, state in pairs
    ]
    batches = frame_batches(together, None, most=8, wait_s=0.02, worth_from=2)
    batches.enter()  # another session, which is silent
    return drawing.hot("mic").pipe(by_frame_together(batches, frame=32, rate_hz=1000, backlog=PendingWork()))


@example(
    "operators.cancel_echo.cancel_echo",
    **{letter: Audio(np.full(480, 0.1, np.float32), 24_000) for letter in "ab"}, S=ReplyAudio(sound(20, 0.3)),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    says = drawing.cold("talk")

    def talk(mic: Observable[Any]) -> Observable[Any]:
        return reactivex.merge(says, mic.pipe(rx_ops.ignore_elements()))

    return drawing.hot("mic").pipe(cancel_echo(talk, ECHO))


@example(
    "operators.suppress_noise.suppress_noise", x=SettingsChanged("Hi."),
    **{letter: Audio(np.full(480, 0.1, np.float32), 24_000) for letter in "ab"}, A=Like(Audio), B=Like(Audio),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("mic").pipe(suppress_noise(db=12))


@example("operators.gaps.fill_gaps", a=sound(20), b=sound(20), s=sound(40, 0.0))
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("mic").pipe(fill_gaps(after_ms=40, at_most_ms=80))


@example("operators.pace.pace", **{letter: ReplyAudio(sound(20, level)) for level, letter in enumerate("abcd")})
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("tts").pipe(pace(lead_ms=40, frame_ms=20))


# ---- what is heard ---------------------------------------------------------------------------------------------------


@example(
    "operators.endpoint.endpoint",
    s=sound(20, 1.0), _=sound(20, 0.0), o=Several([Like(SpeechStarted), Like(Pause, probability=0.0)]),
    q=Several([Like(SpeechStopped), Like(Pause, probability=0.7)]), T=Like(Pause, probability=1.0),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    stage = endpoint(
        by_frame(lambda: lambda samples: float(samples[0]), frame=20, rate_hz=1000),
        lambda _: reactivex.of(0.7),
        speech_above=0.5,
        silence_below=0.3,
        onset_ms=60,
        pause_ms=80,
        ask_again_ms=60,
        sure_above=0.6,
        silence_ms=200,
        context_s=0.1,
        longest_s=30,
    )
    return drawing.hot("vad").pipe(stage)


@example("operators.listen.listen", a=sound(20), p=Pause(0.0, 0.0), P=Pause(0.9, 0.1), w=WordRecognised("so", 0.0, 0.1))
def _(drawing: Drawing) -> Observable[Any]:
    def stt(source: Observable[Event]) -> Observable[Event]:
        return source.pipe(
            rx_ops.filter(lambda event: isinstance(event, FlushRequested)),
            rx_ops.map(lambda flush: WordRecognised("so", 0.0, flush.at_s)),
            rx_ops.delay(0.04),
            drawing.watch("stt"),
        )

    noticed = drawing.cold("pauses")
    return drawing.hot("mic").pipe(listen(stt, lambda mic: reactivex.merge(silent(mic), noticed), flush_at=0.6))


@example(
    "stt.utterances.by_utterance",
    s=SpeechStarted(0.0, 0.02), a=sound(20, rate_hz=16_000), e=SpeechStopped(0.08, 0.08), f=FlushRequested(0.08),
    v=Like(WordRecognised, text="well"), w=Like(WordRecognised, text="no."), t=Transcribed(0.08, "well no."),
    d=Like(TranscriptDrafted, until_s=0.08, text="well no."),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    def transcribe(samples: Samples, draft: Sequence[str], cancelled: Callable[[], bool]) -> tuple[str, Sequence[str]]:
        return ("well no." if len(samples) >= 0.06 * 16_000 else "well"), ()

    stage = by_utterance(
        transcribe,
        SlowWorkers(),
        replace(UTTERANCES, margin_ms=0, partial_every_ms=20, unsure_words=1, join_up_to_s=1, longest_s=10),
    )
    return drawing.hot("in").pipe(stage)


@example("llm.prefill.PromptPrefill.stage", w=WordRecognised("so", 0.0, 0.1))
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("heard").pipe(PromptPrefill(lambda messages, cancelled: None, SlowWorkers()).stage())


@example("llm.prefill.PromptPrefill.instructed", s=SettingsChanged("Be kind."), a=ReplyRequested())
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("received").pipe(PromptPrefill(lambda messages, cancelled: None, SlowWorkers()).instructed())


@example(
    "operators.turns.detect_turns",
    p=Pause(0.0, 0.0), w=WordRecognised("w", 0.0, 0.1), P=Pause(0.9, 0.2), t=Transcribed(0.2),
    s=TurnStarted(0.0), c=TurnConfirmed(0.0), x=TurnTextChanged("w w"), e=TurnEnded("w w", 0.2),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("heard").pipe(detect_turns(pause_above=0.6, resume_below=0.4))


# ---- what is said ----------------------------------------------------------------------------------------------------


@example("operators.words.split_words", a="Hel", b="lo wor", c="ld.", **words(x="Hello", y=" world."))
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("llm").pipe(split_words())


@example(
    "operators.text_only.text_only", **words(a="well", b=" yes", c=" no", A="WELL", B=" YES", C=" NO"),
    x=FunctionCalled(FunctionCall("call", "look")),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    loud = rx_ops.map(lambda word: ReplyText(word.delta.upper()))
    return drawing.hot("words").pipe(text_only(lambda run: run.pipe(loud, rx_ops.delay(0.02))))


@example(
    "operators.text_only.as_text",
    A=ReplyTextWritten("a"),
    x=FunctionCalled(FunctionCall("call", "look")),
    B=ReplyTextWritten("b"),
)
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("llm").pipe(as_text())


@example(
    "operators.tools.with_tools", a="Hm,", b="it is", c=FunctionCalled(FunctionCall("call", "look")),
    r=FunctionReturned("call", "a cat"),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    async def look() -> str:
        await asyncio.sleep(0.04)
        return "a cat"

    first, second = drawing.cold("first"), drawing.cold("second")

    def llm(conversation: Conversation) -> Observable[Any]:
        return second if conversation.messages else first

    asked = with_tools(llm, look, deadline_s=1, filler="", filler_after_s=1, rounds=2)
    local = {
        FunctionCalled(FunctionCall("call", "look"), server_side=True): FunctionCalled(FunctionCall("call", "look"))
    }
    return asked(Conversation()).pipe(rx_ops.map(lambda said: local.get(said, said)), rx_ops.map(_unspaced))


HANDOVER = FunctionCalled(FunctionCall("call", "transfer_to_second"))


@example(
    "operators.agents.with_agents", a="Hm,", b="it is", c=replace(HANDOVER, server_side=True), _=" ",
    r=FunctionReturned("call", '{"agent": "second"}'), n=AgentChanged("second", "vega"),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    first, second = drawing.cold("first"), drawing.cold("second")
    # The model itself does not know that the function is the pipeline's.
    asks = first.pipe(rx_ops.map(lambda said: replace(said, server_side=False) if isinstance(said, Event) else said))

    def llm(conversation: Conversation) -> Observable[Any]:
        return asks if conversation.system_prompt == "one" else second

    agents = Agent("first", "one"), Agent("second", "two", voice="vega")
    return with_agents(llm, *agents, TOOLS, summary="", handovers=1)(Conversation())


def _unspaced(said: object) -> object:
    return said.strip() if isinstance(said, str) else said


@example("operators.words.at_most_sentences", **words(a="No.", b=" I", c=" won't.", d=" And"))
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("words").pipe(at_most_sentences(2))


@example("operators.words.by_clause", **words(a="Well,", b=" I", c=" know", d=" it."), x="Well,", y="I know it.")
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("words").pipe(by_clause(first_words=6, min_words=3, max_words=8))


@example("operators.followed_by.followed_by", _=" ")
def _(drawing: Drawing) -> Observable[Any]:
    second = {"ab": drawing.cold("second")}
    return drawing.hot("first").pipe(followed_by(second.__getitem__))


@example(
    "tts.clauses.clause_by_clause", **words(a="Well,", b=" I", c=" know."), s=Like(SynthesisStarted),
    e=Several([Like(SynthesisEnded), Like(WordSpoken), Like(ReplyAudio)]),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    def synthesise(text: str) -> tuple[Audio, list[Timing]]:
        return sound(100), [(text, 0.0, 0.1)]

    stage = clause_by_clause(synthesise, SlowWorkers(0.06), first_words=4, min_words=2, max_words=8, capacity=4)
    return drawing.hot("words").pipe(stage)


@example(
    "operators.respond.respond",
    e=TurnEnded("hello", 1.0), s=TurnStarted(1.0), c=TurnConfirmed(1.0), w=WordSpoken("so", 0.0, 0.1),
    b=Like(ReplyStarted), j=Like(TurnJudged), x=Like(ReplyInterrupted, heard_text="so so"),
    z=Like(ReplyEnded, text="so so so so"),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    replies = iter([drawing.cold("reply"), drawing.cold("again")])
    stage = respond(
        lambda _: next(replies),
        idle_after_s=1,
        idle_prompts=0,
        uninterruptible_s=0.1,
        grace_s=0.1,
        min_voice_ms=800,
        resume_within_ms=350,
    )
    return drawing.hot("turns").pipe(stage)


TALK = Conversation()


@example(
    "operators.out_of_band.out_of_band", **{name: ReplyRequested(name, aloud=False, remembered=False) for name in "rq"},
    b=Like(ReplyStarted, item="r"), c=Like(ReplyStarted, item="q"), w=ReplyTextWritten("w"), z=Like(ReplyEnded, text="w"),  # noqa: E501
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    reply = drawing.marbles.cold("----w---|", w=ReplyTextWritten("w"))
    beside = out_of_band(lambda _: reply, Conversation)
    return drawing.hot("turns").pipe(beside, rx_ops.map(lambda told: told.event))


@example(
    "operators.wait_for_user.wait_for_user",
    s=SettingsChanged("Hi."),
    n=SettingsChanged(),
    S=SettingsChanged(turns=TurnTaking()),
    e=TurnEnded("hi", 1),
)
def _(drawing: Drawing) -> Observable[Event]:
    return drawing.hot("turns").pipe(wait_for_user())


@example(
    "operators.override_settings.override_settings",
    s=SettingsChanged("a"),
    S=SettingsChanged(voice="v"),
    a=AudioReceived(b""),
    p=SettingsChanged("b", "w"),
    P=SettingsChanged("b", "w"),
)
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("received").pipe(override_settings(system_prompt="b", voice="w"))


@example("operators.hang_up.hang_up_after", b=ReplyEnded("See you. Bye!", TALK), h=Like(ConversationEnded))
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("replies").pipe(hang_up_after("Bye!"))


@example(
    "operators.latency.measure_turns",
    s=SpeechStopped(1.0, 1.2), p=Pause(0.9, 1.0), e=TurnEnded("hello", 1.0), b=ReplyStarted(TALK), t=ReplyText("hi"),
    c=SynthesisStarted("hi"), m=SynthesisEnded(0.1), a=ReplyAudio(sound(20)), M=Like(TurnMeasured),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("events").pipe(measure_turns())


# ---- around stages ---------------------------------------------------------------------------------------------------


@example("operators.fallback.stages.fallback")
def _(drawing: Drawing) -> Observable[Any]:
    first = drawing.cold("first")
    second: Stage[Any, Any] = lambda source: source.pipe(transduce(lambda _: upper), drawing.watch("second"))
    return drawing.hot("asked").pipe(
        fallback(lambda source: reactivex.merge(silent(source), first), second, remembers=4)
    )


@example("operators.fallback.stages.hedge")
def _(drawing: Drawing) -> Observable[Any]:
    first, second = drawing.cold("first"), drawing.cold("second")
    return hedge(lambda _: first, lambda _: second, after_ms=40)(TALK)


@example("operators.fallback.stages.retrying")
def _(drawing: Drawing) -> Observable[Any]:
    attempts = iter([drawing.cold("first"), drawing.cold("second")])
    return retrying(lambda _: next(attempts), times=1, pause_ms=40, longest_pause_ms=40)(TALK)


@example("operators.deadline.with_deadline", error=StageError("voice", DeadlineMissed("voice", 0.1, False)))
def _(drawing: Drawing) -> Observable[Any]:
    answer = drawing.cold("stage")
    stage: Stage[Any, Any] = lambda source: reactivex.merge(silent(source), answer)
    return drawing.hot("asked").pipe(with_deadline(stage, "voice", first_s=1, between_s=0.1))


@example("operators.filler.with_filler", f="One moment.", d=ReplyDelayed(0.04), A=" a")
def _(drawing: Drawing) -> Observable[Any]:
    llm = drawing.cold("llm")
    return with_filler(lambda _: llm, after_s=0.04, again_s=1, texts=("One moment.",))(TALK)


ASKED = {name: Conversation().user_said(name) for name in "ab"}


@example("operators.speculate.speculate")
def _(drawing: Drawing) -> Observable[Any]:
    replies = {ASKED["a"]: drawing.cold("first"), ASKED["b"]: drawing.cold("second")}
    reply = speculate(replies.__getitem__, per_turn=2, held_items=9)
    expected = drawing.hot("expected").pipe(rx_ops.map(ASKED.get), reply.expecting(), rx_ops.ignore_elements())
    return merge(expected, drawing.hot("asked").pipe(rx_ops.map(ASKED.__getitem__), rx_ops.flat_map(reply)))


@example("operators.speculate.SpeculativeReply.expecting", x=SpeculationEnded(used=False))
def _(drawing: Drawing) -> Observable[Any]:
    replies = {ASKED["a"]: drawing.cold("first"), ASKED["b"]: drawing.cold("second")}
    reply = speculate(replies.__getitem__, per_turn=2, held_items=9)
    return drawing.hot("expected").pipe(rx_ops.map(ASKED.get), reply.expecting())


@example("rx.early_subscription.until_used")
def _(drawing: Drawing) -> Observable[Any]:
    def used(scheduler: LoopScheduler) -> Observable[Any]:
        ahead = EarlySubscription(until_used(), scheduler, 1)
        return drawing.hot("used").pipe(rx_ops.take(1), rx_ops.flat_map(lambda _: ahead.used()))

    return defer(used)


@example("operators.gate.gate", t=True, f=False)
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.cold("source").pipe(gate(drawing.cold("opens"), is_open=False))


@example("operators.tee.tee")
def _(drawing: Drawing) -> Observable[Any]:
    drawing.exits.enter_context(structlog.testing.capture_logs())
    stage: Stage[Any, Any] = lambda source: source.pipe(failing_at("b"), drawing.watch("stage"))
    return drawing.hot("source").pipe(tee(stage))


@example("testing.marbles.docstrings")
def _(drawing: Drawing) -> Observable[Any]:
    return drawing.hot("source").pipe(rx_ops.debounce(0.04))


# ---- services --------------------------------------------------------------------------------------------------------


def serving(drawing: Drawing, server: Server) -> Server:
    """The server, on the marbles' loop, until all has been played."""
    drawing.marbles.run(server.__aenter__())
    drawing.exits.callback(lambda: drawing.marbles.run(server.__aexit__(None, None, None)))
    return server


def finder(server: FakeServer) -> Finder:
    async def resolve(address: Address) -> Sequence[Instance]:
        return [Instance(server.host, server.port)]

    address = Address.parse(server.url)
    return Finder("service", address, resolve=resolve, tries=1, try_s=1, random=Random(1), observer=NULL_OBSERVER)


@example(
    "tts.kyutai.stage.kyutai", **words(a="Well,", b=" no."), s=SynthesisStarted("Well,"),
    w=Several([Like(WordSpoken), Like(ReplyAudio)]), e=Like(SynthesisEnded),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    server = serving(drawing, TtsServer(first_audio_s=0.04, word_s=0.08, pace=2, lookahead=0))
    speaker = tts.Speaker(
        finder(server),
        voice="voice.wav",
        options=tts.Options(),
        api_key=None,
        discovery=tts.DiscoveryOptions(searches=1, pauses=Backoff(0.1, 1.5, 1.0)),
        ahead_s=1,
    )
    return drawing.hot("words").pipe(
        tts.kyutai(speaker, voice="", options=tts.TtsOptions(capacity=9, silent_s=1, retries=0))
    )


@example(
    "stt.kyutai.stage.kyutai",
    a=sound(80, rate_hz=24_000), F=FlushRequested(0.8), w=Like(WordRecognised, text="so"), v=Like(WordRecognised, text="it"), T=Like(Transcribed),  # noqa: E501
    p=Several([Like(SpeechStarted), Like(Pause, probability=0)]),
    P=Several([Like(SpeechStopped), Like(Pause, probability=pytest.approx(0.95, abs=0.01))]),
)  # fmt: skip
def _(drawing: Drawing) -> Observable[Any]:
    server = serving(drawing, SttServer(ByTime([("so", 0.08, 0.16), ("it", 0.72, 0.8)]), delay_s=0.32))
    stt_options = stt.SttOptions(
        delay_s=0.32,
        notices_pauses=True,
        speech_below=0.4,
        silence_above=0.6,
        buffer_s=12,
        in_flight_s=4,
        behind_s=0.24,
        silent_s=1,
        renew_after_s=600,
    )
    again = stt.ReconnectPolicy(pauses=Backoff(0.1, 1.5, 1.0), give_up_after_s=1, settled_after_s=5)
    key = "public_token"
    return drawing.hot("in").pipe(stt.kyutai(finder(server), api_key=key, options=stt_options, reconnect=again))
