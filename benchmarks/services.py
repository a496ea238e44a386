"""Added latency: what voicepipe itself puts between three network services, with four conversations at once.

A server process with `--stt`, `--tts` and `--llm` (nothing embedded is loaded), the test services of
`voicepipe.testing.servers` in a second process, and in a third one four clients that talk at the same time, in Unmute's
dialect. The users say words that are tones, each sentence another one, so that what comes in at each service is known
to belong to this turn and no other. Of three turns one is heard out; one is interrupted by a voice after 3.2 s of the
reply, when a voice is enough; one by a word before 3 s of it, when only a word is.

All three processes read one clock (CLOCK_MONOTONIC). The services note when a message has come in, and when one is
about to go out, so the way between two processes, the loopback network included, is ours on both its ends; and so is
the time that a message waits in the services' own event loop for being read. From the STT's step whose score says that
the user has paused, to the first packet with sound that a client receives, time is divided without a rest:

- `flush`, ours: the step → the recogniser has silence that hurries it through its delay; and any later moment in which
  it has heard all that it was given, and so waits for us.
- *STT, flush*: 7 more steps (delay 0.5 s, 80 ms each), one per tick of 20 ms, while it has sound to hear. With the last
  of them it has transcribed all that was said before the pause.
- `ask`, ours: that step → the LLM has the request.
- *LLM, first text*: until the first piece of text.
- *LLM, words*: until the piece of text that completes the words without which the TTS says nothing: it looks two words
  ahead, and a word is whole when the next one begins. So these are four pieces, 20 ms apart.
- `speak`, ours: that piece of text → the TTS has the word that it makes whole.
- *TTS, first sound*: until 80 ms of sound.
- `play`, ours: that sound → a client has the packet with it.

**Added latency** is the sum of the four that are ours. Who counts as ours, too, that a word is whole only with the next
one's beginning, adds the time between two pieces of the LLM's text, 20 ms here. The `way in` stands apart, being before
the step: from when the last sample of the frame with the pause was at the microphone to when the STT has that frame; up
to 40 ms of it are the client's, whose Opus encoder packs two frames of 20 ms on a page.

**Barge-in**, per interruption: from when the STT sends the step (a score below 0.4), or in the first 3 s the word, with
which the user takes the floor, to when the client receives the last packet of the reply's sound; and to when it is told
to drop what it has not played. A packet is sent every 80 ms, so the last one has mostly come before the step: then the
first figure is less than nothing.

    python -m benchmarks.services            24 turns of each of 4 clients, about two minutes
    python -m benchmarks.services --quick    4 of each, half a minute
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import asdict, dataclass, field
from itertools import count, cycle, islice
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeAlias

import ormsgpack
from aiohttp import web

from benchmarks.common import (
    RATE_HZ,
    SUMMARY,
    Budget,
    Caller,
    Cell,
    Progress,
    Reply,
    Report,
    Said,
    Server,
    ServerFailed,
    Table,
    Utterance,
    call,
    command,
    percentile,
    summary,
)
from voicepipe.client.microphone import FRAME_S as MICROPHONE_S
from voicepipe.stt.kyutai.protocol import FRAME_S, encode_audio
from voicepipe.stt.kyutai.replay_buffer import SILENCE
from voicepipe.testing.servers import ByTone, LlmServer, SttServer, Tones, TtsServer, Visit

CLIENTS = 4
TURNS, QUICK_TURNS = 24, 4
P50_MS, P95_MS, BARGE_IN_MS = 15.0, 40.0, 60.0

DELAY_S = 0.5
FLUSH_STEPS = 7
"""The first whole number of steps that is more than the delay."""
LOOKAHEAD = 2
FIRST_SOUND_S = (0.2, 0.28)
"""Of the TTS, by chance: else its packets would always lie alike between two steps of the STT."""
SPEECH_BELOW, SILENCE_ABOVE = 0.4, 0.6

Interrupts: TypeAlias = Literal["", "voice", "word"]
"""The end of the reply to a turn: nothing, or the next turn by its voice or its first word."""
CYCLE: tuple[tuple[Interrupts, int], ...] = (("", 6), ("voice", 16), ("word", 12))
"""With how many words the bot answers: 0.32 s each."""
AFTER_S: Mapping[Interrupts, float] = {"voice": 3.2, "word": 1.0}
"""Of the reply, when the user begins. The word comes 0.7 s later."""
ANSWERS_WITHIN_S = 6.5
APART_S = 0.3
"""Between two clients' beginnings."""
BREATH_S = 0.5
"""At most this much silence more, by chance, before a turn that interrupts nobody: the clients shall not keep step."""

NAMES = ("anna", "ben", "cleo", "dan")
NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("noon", "dawn", "dusk", "night", "rain", "snow", "wind", "sun", "moon", "star", "sea", "sand"),
)
FILLERS = ("please", "now", "then")
TONES = Tones((*NAMES, *NUMBERS, *FILLERS))


# ---- what is said ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of a user, and what the bot answers; `key` begins the answer, and no other."""

    key: str
    asks: str
    answer: str
    interrupted_by: Interrupts

    @property
    def utterance(self) -> Utterance:
        samples = TONES.say(self.asks).samples
        return Utterance(self.asks, samples, 0.0, len(samples) / RATE_HZ - TONES.gap_s)


def lines(client: int, turns: int) -> list[Line]:
    """The sentences of a client, of three to five words."""
    return [
        _line(NAMES[client], NUMBERS[number], number + client, how, words)
        for number, (how, words) in enumerate(islice(cycle(CYCLE), turns))
    ]


def _line(name: str, number: str, length: int, how: Interrupts, words: int) -> Line:
    asks = " ".join([name, number, *FILLERS[: 1 + length % len(FILLERS)]])
    return Line(f"{name} {number}", asks, " ".join([name, number, *["and"] * (words - 2)]), how)


# ---- the services' process -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Hearing:
    """One connection of the STT: when each frame had come in (and whether it was pushed silence), when each step and
    each word was about to go out."""

    frames: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    steps: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    words: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    def got(self, at_s: float, message: bytes) -> None:
        self.frames.append((at_s, message == _PUSHED))

    def sent(self, at_s: float, message: bytes) -> None:
        match ormsgpack.unpackb(message):
            case {"type": "Step", "prs": [_, _, score, _]}:
                self.steps.append((at_s, score))
            case {"type": "Word", "text": str(text)} if text:
                self.words.append((at_s, text))
            case _:
                pass


@dataclass(slots=True)
class Thinking:
    """One request to the LLM: the user's last words, when it had come in, when each piece was about to go out."""

    asked: str
    began_s: float
    texts: list[float] = field(default_factory=list[float])


@dataclass(slots=True)
class Speaking:
    """One connection of the TTS: when each word had come in, when each sound was about to go out."""

    words: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    sounds: list[float] = field(default_factory=list[float])

    def got(self, at_s: float, message: bytes) -> None:
        match ormsgpack.unpackb(message):
            case {"type": "Text", "text": str(text)}:
                self.words.append((at_s, text.strip()))
            case _:
                pass

    def sent(self, at_s: float, message: bytes) -> None:
        if len(message) > _SOUND_BYTES:
            self.sounds.append(at_s)

    @property
    def key(self) -> str:
        return " ".join(text for _, text in self.words[:2])


@dataclass(slots=True)
class Notes:
    """The notes of the services."""

    heard: list[Hearing] = field(default_factory=list[Hearing])
    thought: list[Thinking] = field(default_factory=list[Thinking])
    spoken: list[Speaking] = field(default_factory=list[Speaking])


_PUSHED = encode_audio(SILENCE)
_SOUND_BYTES = 1_000
"""80 ms of sound are 9.6 kB; no other message is as long as this."""


class Overheard:
    """A server's socket, with each message noted, and when."""

    def __init__(self, socket: web.WebSocketResponse, notes: Hearing | Speaking) -> None:
        self._socket, self._notes = socket, notes

    async def send_bytes(self, data: bytes) -> None:
        self._notes.sent(time.monotonic(), data)
        await self._socket.send_bytes(data)

    def __aiter__(self) -> Overheard:
        return self

    async def __anext__(self) -> Any:
        message = await anext(self._socket)
        if isinstance(message.data, bytes):
            self._notes.got(time.monotonic(), message.data)
        return message

    async def close(self) -> None:
        await self._socket.close()


class NotingStt(SttServer):
    notes: list[Hearing]

    async def _serve(self, socket: Any, visit: Visit) -> None:
        self.notes.append(Hearing())
        await super()._serve(Overheard(socket, self.notes[-1]), visit)


class NotingTts(TtsServer):
    notes: list[Speaking]
    chance = random.Random(0)

    async def _serve(self, socket: Any, visit: Visit) -> None:
        self.first_audio_s = self.chance.uniform(*FIRST_SOUND_S)
        self.notes.append(Speaking())
        await super()._serve(Overheard(socket, self.notes[-1]), visit)


class NotingLlm(LlmServer):
    notes: list[Thinking]

    async def _chunks(self, visit: Visit, answer: Any) -> AsyncIterator[bytes]:
        messages = answer.request["messages"]
        asked = next((one["content"] for one in reversed(messages) if one["role"] == "user"), "")
        note = Thinking(asked, visit.began_s)
        self.notes.append(note)
        async with aclosing(super()._chunks(visit, answer)) as chunks:
            async for chunk in chunks:
                if b'"content": "' in chunk and b'"content": ""' not in chunk:
                    note.texts.append(time.monotonic())
                yield chunk


def _serve(pipe: Connection, answers: Mapping[str, str]) -> None:
    """The services' process: their addresses go out at its beginning, their notes when they are asked for."""
    with suppress(EOFError, KeyboardInterrupt):  # whoever started us is gone
        asyncio.run(_serve_until_asked(pipe, answers))


async def _serve_until_asked(pipe: Connection, answers: Mapping[str, str]) -> None:
    notes = Notes()
    stt = NotingStt(ByTone(TONES), delay_s=DELAY_S)
    tts = NotingTts(lookahead=LOOKAHEAD)
    llm = NotingLlm(answers)
    stt.notes, tts.notes, llm.notes = notes.heard, notes.spoken, notes.thought
    async with AsyncExitStack() as stack:
        for server in (stt, tts, llm):
            await stack.enter_async_context(server)
        pipe.send([stt.url, tts.url, llm.url])
        await asyncio.to_thread(pipe.recv)
        pipe.send(notes)


class Services:
    """`with Services(answers) as services:` all three are there. `notes()` ends them."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, answers), daemon=True)
        self._theirs = theirs
        self.stt = self.tts = self.llm = ""

    def __enter__(self) -> Services:
        self._process.start()
        self._theirs.close()
        try:
            self.stt, self.tts, self.llm = self._receive()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def notes(self) -> Notes:
        self._pipe.send(None)
        return self._receive()

    def _receive(self) -> Any:
        if not self._pipe.poll(30.0):
            raise ServerFailed("the test services do not answer")
        try:
            return self._pipe.recv()
        except EOFError:
            raise ServerFailed("the test services have ended") from None

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()


# ---- the clients -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One turn, all times on the common clock. `client_s` is when the client's own clock was 0."""

    line: Line
    said: Said
    reply: Reply | None
    cut: Reply | None
    """The reply that it interrupted, or should have."""
    cut_by: Interrupts
    client_s: float
    microphone_s: float
    """The time of the microphone's first sample, in seconds."""

    @property
    def begins_s(self) -> float:
        return self.client_s + self.said.begins_s

    def at(self, client_s: float | None) -> float | None:
        return None if client_s is None else self.client_s + client_s


async def _converse(url: str, client: int, turns: int, tell: Callable[[], None]) -> tuple[list[Asked], list[float]]:
    """The turns, and how late each frame was sent."""
    chance, asked = random.Random(client), list[Asked]()
    loop = asyncio.get_running_loop()
    await asyncio.sleep(client * APART_S)
    async with call(url) as caller:
        began_s = loop.time() - caller.now_s
        await caller.hear_out()
        nothing = caller.say(Utterance("nothing", TONES.say("").samples, 0.0, 0.0))  # says when the next frame begins
        microphone_s = began_s + nothing.begins_s - MICROPHONE_S * len(caller.late_ms)
        cut: Reply | None = None
        cut_by: Interrupts = ""
        for line in lines(client, turns):
            if cut is None:
                await _wait(caller, chance.uniform(0, BREATH_S))
            known = len(caller.replies)
            said = caller.say(line.utterance)
            reply = await _answer(caller, said, known)
            asked.append(Asked(line, said, reply, cut, cut_by, began_s, microphone_s))
            tell()
            cut, cut_by = await _listen(caller, reply, line.interrupted_by), line.interrupted_by
            if caller.closed:
                break
        return asked, caller.late_ms


async def _wait(caller: Caller, seconds: float) -> None:
    until_s = caller.now_s + seconds
    await caller.until(lambda: caller.now_s >= until_s, seconds + 1)


async def _answer(caller: Caller, said: Said, known: int) -> Reply | None:
    """The reply to what is being said, once it sounds."""

    def sounds() -> Reply | None:
        newest = caller.replies[-1] if len(caller.replies) > known else None
        return newest if newest is not None and newest.first_sound_s is not None else None

    await caller.until(sounds, said.utterance.duration_s + ANSWERS_WITHIN_S)
    return sounds()


async def _listen(caller: Caller, reply: Reply | None, how: Interrupts) -> Reply | None:
    """Until it is time for the next turn; the reply that is then to be interrupted, if any."""
    if not how or reply is None or reply.first_sound_s is None:
        await caller.hear_out(ANSWERS_WITHIN_S)
        return None
    at_s = reply.first_sound_s + AFTER_S[how]
    await caller.until(lambda: reply.done_s is not None or caller.now_s >= at_s, AFTER_S[how] + 1)
    return reply if reply.done_s is None else None


# ---- what it took ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Took:
    """A turn in parts, in ms; see the module."""

    flush: float
    stt: float
    ask: float
    llm: float
    llm_words: float
    speak: float
    tts: float
    play: float
    way_in: float

    @property
    def added(self) -> float:
        return self.flush + self.ask + self.speak + self.play

    @property
    def total(self) -> float:
        return self.added + self.stt + self.llm + self.llm_words + self.tts


@dataclass(frozen=True, slots=True)
class Stopped:
    """An interruption, in ms from the STT's message: to the last sound, and to the word to be silent."""

    by: Interrupts
    sound: float
    told: float


def took(asked: Asked, notes: Notes) -> Took | None:
    """None for a turn that did not go as it should: another text was understood, or no answer came."""
    heard = _heard(asked, notes)
    thought = [one for one in notes.thought if one.asked == asked.line.asks and len(one.texts) > LOOKAHEAD + 1]
    spoken = [one for one in notes.spoken if one.key == asked.line.key and one.sounds]
    played_s = asked.at(asked.reply and asked.reply.first_sound_s)
    if heard is None or len(thought) != 1 or len(spoken) != 1 or played_s is None:
        return None
    (think,), (speak,) = thought, spoken
    paused = _paused(heard, think.began_s)
    if paused is None:
        return None
    waited_s, stt_s = flushed(heard, paused)
    whole_s, word_s = think.texts[LOOKAHEAD + 1], speak.words[LOOKAHEAD][0]
    parts_s = {
        "flush": waited_s,
        "stt": stt_s,
        "ask": think.began_s - heard.steps[paused + FLUSH_STEPS][0],
        "llm": think.texts[0] - think.began_s,
        "llm_words": whole_s - think.texts[0],
        "speak": word_s - whole_s,
        "tts": speak.sounds[0] - word_s,
        "play": played_s - speak.sounds[0],
        "way_in": _way_in_s(heard, paused, asked.microphone_s),
    }
    return Took(**{name: part_s * 1000 for name, part_s in parts_s.items()})


def flushed(heard: Hearing, paused: int) -> tuple[float, float]:
    """From the step `paused` to the last one of the flush: how long the recogniser waited for us, and we for it."""
    ours = theirs = 0.0
    for number in range(paused + 1, paused + FLUSH_STEPS + 1):
        before_s, after_s = heard.steps[number - 1][0], heard.steps[number][0]
        had_s = max(before_s, heard.frames[number][0])
        ours += had_s - before_s
        theirs += after_s - had_s
    return ours, theirs


def _heard(asked: Asked, notes: Notes) -> Hearing | None:
    name = asked.line.key.split()[0]
    return next((one for one in notes.heard if any(text == name for _, text in one.words)), None)


def _paused(heard: Hearing, before_s: float) -> int | None:
    """The step with which the last pause before this moment began, if the flush behind it was over by then."""
    last = len(heard.steps) - FLUSH_STEPS
    for number in reversed(range(1, max(1, last))):
        begins = heard.steps[number - 1][1] < SPEECH_BELOW and heard.steps[number][1] > SILENCE_ABOVE
        if begins and heard.steps[number + FLUSH_STEPS][0] < before_s:
            return number
    return None


def _way_in_s(heard: Hearing, number: int, microphone_s: float) -> float:
    """Of the frame with this number: from the microphone to the recogniser."""
    users = sum(not pushed for _, pushed in heard.frames[: number + 1])
    return heard.frames[number][0] - (microphone_s + users * FRAME_S)


def stopped(asked: Asked, notes: Notes) -> Stopped | None:
    """None for a turn that interrupted nobody."""
    heard, cut = _heard(asked, notes), asked.cut
    if heard is None or cut is None or cut.interrupted_s is None or cut.last_sound_s is None:
        return None
    taken_s = _floor_taken_s(heard, asked)
    if taken_s is None:
        return None
    sound_s, told_s = asked.client_s + cut.last_sound_s, asked.client_s + cut.interrupted_s
    return Stopped(asked.cut_by, (sound_s - taken_s) * 1000, (told_s - taken_s) * 1000)


def _floor_taken_s(heard: Hearing, asked: Asked) -> float | None:
    """The time of the message by which the user interrupts, in seconds; None if there was none."""
    if asked.cut_by == "word":
        times: Iterator[float] = (at_s for at_s, _ in heard.words if at_s > asked.begins_s)
    else:
        times = (at_s for at_s, score in heard.steps if at_s > asked.begins_s and score < SPEECH_BELOW)
    return next(times, None)


# ---- the run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    asked: Sequence[Asked]
    notes: Notes
    late_ms: Sequence[float]
    cores: float
    memory_mb: float


def run(progress: Progress, *, quick: bool) -> Report:
    """Hold the conversations, and let the services tell what they took."""
    turns = QUICK_TURNS if quick else TURNS
    answers = {line.asks: line.answer for client in range(CLIENTS) for line in lines(client, turns)}
    done = count(1)

    def tell() -> None:
        progress("added latency", next(done), CLIENTS * turns)

    with (
        Services(answers) as services,
        Server("--stt", services.stt, "--tts", services.tts, "--llm", services.llm) as server,
    ):
        began_s, cpu_s = time.monotonic(), server.cpu_s()
        found = asyncio.run(_all(server.url, turns, tell))
        cores = (server.cpu_s() - cpu_s) / (time.monotonic() - began_s)
        memory_mb = server.peak_memory_mb()
        notes = services.notes()
    asked = [one for each, _ in found for one in each]
    return _report(_Run(asked, notes, [late for _, each in found for late in each], cores, memory_mb))


async def _all(url: str, turns: int, tell: Callable[[], None]) -> list[tuple[list[Asked], list[float]]]:
    return await asyncio.gather(*(_converse(url, client, turns, tell) for client in range(CLIENTS)))


_OURS = ("flush", "ask", "speak", "play")
_THEIRS = (
    ("STT, flush", "stt"),
    ("LLM, first text", "llm"),
    ("LLM, words", "llm_words"),
    ("TTS, first sound", "tts"),
)


def _report(found: _Run) -> Report:
    each = [(one, took(one, found.notes)) for one in found.asked]
    good = [one for _, one in each if one is not None]
    cuts = [one for one in (stopped(asked, found.notes) for asked in found.asked) if one is not None]
    wanted = sum(asked.cut is not None for asked in found.asked)
    added = [one.added for one in good]
    return Report(
        "services",
        "Added latency, with all three services on the network",
        tables=[
            Table("From the STT's step with the pause to the first sound (ms)", ("part", *SUMMARY), _rows(good)),
            Table(
                "From the STT's message with which the user takes the floor to … (ms)",
                ("moment", *SUMMARY),
                [row for by in ("voice", "word") for row in _stops(by, [one for one in cuts if one.by == by])],
            ),
        ],
        budgets=[
            Budget(f"added latency at {CLIENTS} sessions, p50", percentile(added, 50), P50_MS, "ms"),
            Budget(f"added latency at {CLIENTS} sessions, p95", percentile(added, 95), P95_MS, "ms"),
            Budget("barge-in to the last sound, max", _most(one.sound for one in cuts), BARGE_IN_MS, "ms"),
            Budget("barge-in to the client's silence, max", _most(one.told for one in cuts), BARGE_IN_MS, "ms"),
        ],
        notes=[
            f"{len(each) - len(good)} of {len(each)} turns could not be followed, and {wanted - len(cuts)} of {wanted}"
            " interruptions did not happen: they are in no figure",
            f"the server took {found.cores:.2f} cores and {found.memory_mb:.0f} MB",
            f"the clients sent their frames {percentile(found.late_ms, 99):.1f} ms late (p99)",
        ],
        raw=[_raw(asked, one, stopped(asked, found.notes)) for asked, one in each],
    )


def _most(values: Iterable[float]) -> float:
    return max(values, default=float("nan"))


def _rows(good: Sequence[Took]) -> list[list[Cell]]:
    return [
        *([f"ours: {name}", *summary([getattr(one, name) for one in good])] for name in _OURS),
        ["added latency", *summary([one.added for one in good])],
        *([name, *summary([getattr(one, part) for one in good])] for name, part in _THEIRS),
        ["step → first sound", *summary([one.total for one in good])],
        ["(the way in)", *summary([one.way_in for one in good])],
        ["(added latency and the way in)", *summary([one.added + one.way_in for one in good])],
    ]


def _stops(by: str, cuts: Sequence[Stopped]) -> Iterator[list[Cell]]:
    yield [f"the last sound, by a {by}", *summary([one.sound for one in cuts])]
    yield [f"the client is told to be silent, by a {by}", *summary([one.told for one in cuts])]


def _raw(asked: Asked, parts: Took | None, stop: Stopped | None) -> dict[str, Any]:
    return {
        "asks": asked.line.asks,
        "interrupts_by": asked.cut_by,
        "begins_s": asked.begins_s,
        "took_ms": parts and {**asdict(parts), "added": parts.added, "total": parts.total},
        "stopped_ms": stop and asdict(stop),
        "server_ms": asked.reply and asked.reply.parts_ms,
    }


if __name__ == "__main__":
    sys.exit(command("services", run, __doc__))
