"""Whole conversations with a scripted server, in virtual time: when the user speaks, when they leave, what is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from voicepipe.client import PlaybackQueue, RecordedMicrophone, Summary, Talk
from voicepipe.client.facts import Ended, Fact, Interrupted, Playing, Problem, ReplyAudible, Said, UserDone
from voicepipe.client.unmute import connect
from voicepipe.events import Samples
from voicepipe.testing import VirtualLoop

WORD = "conversation.item.input_audio_transcription.delta"
QUESTION = (0.3 * np.sin(np.arange(12_000) * 0.07)).astype(np.float32)
"""Half a second, loud to its end."""


class TalkRun:
    """Talks to the bot, and notes what happened when."""

    def __init__(self, loop: VirtualLoop, bot: Any) -> None:
        self.loop, self.bot = loop, bot
        self.facts: list[tuple[float, Fact]] = []
        self.tracks: tuple[Samples, Samples]
        self.began_s = 0.0

    def talk(self, script: Any, *, question: Samples = QUESTION, leave_s: float | None = None, **options: Any) -> Any:
        """The summary; None where the run left by Ctrl-C, `leave_s` after the beginning."""
        self.bot.script = script
        return self.loop.run(self._talk(question, leave_s, options))

    async def _talk(self, question: Samples, leave_s: float | None, options: dict[str, Any]) -> Summary | None:
        async with connect(self.bot.url) as connection:
            self.began_s = self.loop.time()
            talk = Talk(connection, RecordedMicrophone(question), self._note, **options)
            task = asyncio.create_task(talk.run())
            done, _ = await asyncio.wait([task], timeout=leave_s)
            task.cancel()
            await asyncio.wait([task])
            self.tracks = talk.tracks()
            return task.result() if done else None

    def _note(self, at_s: float, fact: Fact) -> None:
        self.facts.append((at_s, fact))

    def when(self, kind: type[Fact]) -> list[float]:
        return [round(at_s, 6) for at_s, fact in self.facts if isinstance(fact, kind)]

    def those(self, kind: Any) -> list[Any]:
        return [fact for _, fact in self.facts if isinstance(fact, kind)]


@pytest.fixture
def run(virtual_loop: VirtualLoop, bot: Any) -> TalkRun:
    return TalkRun(virtual_loop, bot)


async def host(bot: Any) -> None:
    """Opens for 1 s, hears the question, answers for 2 s."""
    await bot.reply("Hello!", seconds=1)
    await bot.hear(quiet_s=0.3)
    await bot.say(WORD, delta="What?")
    await bot.reply("That.", seconds=2, total_ms=300.0, parts_ms={"tts": 300.0})
    await asyncio.sleep(60)


def test_the_user_waits_for_the_opening_and_stays_for_the_answer(run: TalkRun):
    """Speaks 0.4 s after the bot's 1 s, and leaves 1 s after the answer's 2 s; each at the next frame."""
    summary = run.talk(host)
    (playing_s,), (done_s,), (ended_s,) = run.when(Playing), run.when(UserDone), run.when(Ended)
    assert playing_s == pytest.approx(1.4, abs=0.021)
    assert done_s == pytest.approx(playing_s + 0.5)
    assert [said.text for said in run.those(Said)] == ["Hello!", "That."]
    assert ended_s == pytest.approx(run.when(ReplyAudible)[1] + 3.0, abs=0.021)
    assert (summary.ended, summary.failed) == ("the bot has answered", False)


def test_the_user_leaves_in_order(run: TalkRun):
    """The server reads a close frame: a lost connection would be 1006."""
    run.talk(host)
    run.loop.run(asyncio.sleep(0.1))
    assert run.bot.close_code == 1000


def test_latencies_are_those_of_the_clock(run: TalkRun):
    """From the question's end, 0.5 s after it was begun, to the answer's first sound: the 0.3 s that the bot waits,
    and up to two frames until it knows that the question has ended."""
    summary = run.talk(host)
    loud_until_s = run.when(Playing)[0] + 0.5
    (latency_ms,) = summary.latencies_ms
    assert latency_ms == pytest.approx((run.when(ReplyAudible)[1] - loud_until_s) * 1000)
    assert 300 <= latency_ms <= 351
    assert summary.turns[1].server_ms == 300.0


def test_the_tracks_have_each_sound_at_its_place(run: TalkRun):
    """Left is what was sent, to the sample; right is what the bot's pages decode to, queued from when they came."""
    run.talk(host)
    left, right = run.tracks
    (playing,) = run.when(Playing)
    at = round(playing * 24_000)
    expected = np.zeros(len(left), np.float32)
    expected[at : at + len(QUESTION)] = QUESTION
    assert np.array_equal(left, expected)

    player = PlaybackQueue()
    for at_s, samples in run.bot.sounds:
        player.put(at_s - run.began_s, samples)
    assert np.array_equal(right, player.heard())
    answer = round(run.when(ReplyAudible)[1] * 24_000)
    assert np.abs(right[24_000:answer]).max() == 0
    assert len(right) == pytest.approx(answer + 2 * 24_000, abs=1000)


def test_sound_that_an_interruption_flushed_is_not_heard(run: TalkRun):
    """The bot sends 5 s at once; the user speaks over it, and from the interruption on there is silence."""

    async def script(bot: Any) -> None:
        opening = asyncio.create_task(bot.reply("Once", "upon", seconds=5))
        await bot.hear()
        opening.cancel()
        await bot.say("unmute.interrupted_by_vad")
        await bot.say("response.audio.done")
        await asyncio.sleep(1)
        await bot.close()

    summary = run.talk(script, at_once=True)
    (at_s,), (interrupted,) = run.when(Interrupted), run.those(Interrupted)
    left, right = run.tracks
    assert len(right) == round(at_s * 24_000)
    assert np.abs(right[-2400:]).max() > 0.1
    assert np.array_equal(left[480 : 480 + len(QUESTION)], QUESTION)
    assert interrupted.after_ms == pytest.approx((at_s - 0.02) * 1000)
    assert summary.turns[0].interrupted


def test_at_once_means_over_the_opening(run: TalkRun):
    """The recording begins with the second frame; the first one opens the stream."""
    run.talk(host, at_once=True, leave_s=1)
    assert run.those(Playing) == [Playing("at once")]
    assert run.when(Playing) == [0.02]


def test_a_bot_that_does_not_open_is_spoken_to_after_5_s(run: TalkRun):
    """And left when nothing has come for 15 s."""

    async def script(bot: Any) -> None:
        await asyncio.sleep(60)

    summary = run.talk(script)
    assert run.those(Playing) == [Playing("the bot did not open")]
    assert run.when(Playing) == [5.0]
    assert summary.ended == "nothing came for 15 s"
    assert run.when(Ended)[0] == 20.5
    assert not summary.failed


def test_an_opening_that_never_ends_is_not_waited_for(run: TalkRun):
    """A reply was created and nothing came of it."""

    async def script(bot: Any) -> None:
        await bot.say("response.created")
        await asyncio.sleep(60)

    run.talk(script, leave_s=20)
    assert run.those(Playing) == [Playing("the bot's opening came to nothing")]
    assert run.when(Playing)[0] == pytest.approx(15, abs=0.05)


def test_wait_is_the_longest_stay(run: TalkRun):
    """The bot would talk for 2 s; the user leaves 1 s after the end of the recording."""
    summary = run.talk(host, wait_s=1.0)
    (done,), (ended,) = run.when(UserDone), run.when(Ended)
    assert ended - done == pytest.approx(1.0)
    assert summary.ended == "1 s have passed since the end of the recording, and the bot is not silent yet"
    assert run.those(UserDone) == [UserDone(1.0)]


# ---- the end, whatever the bot does ----------------------------------------------------------------------------------


async def send_sound(bot: Any, level: float, *, opens: bool = False, every_s: float = 0.04) -> None:
    """Noise of that level without end, in real time; packets of 40 ms with gaps in between, where that is said."""
    noise = (level * np.random.default_rng(1).standard_normal(960)).astype(np.float32)
    if opens:
        await bot.say("response.created")
    while True:
        await bot.send_audio(noise)
        await asyncio.sleep(every_s)


def test_silence_that_the_bot_sends_is_no_sound(run: TalkRun):
    """Zeros without end, from a bot that does not answer: as if nothing came."""
    summary = run.talk(lambda bot: send_sound(bot, 0.0), at_once=True)
    assert summary.ended == "nothing came for 15 s"
    assert summary.turns == []
    assert run.when(Ended)[0] == pytest.approx(15.5, abs=0.1)


def test_comfort_noise_is_no_sound(run: TalkRun):
    """-60 dBFS, through the codec."""
    summary = run.talk(lambda bot: send_sound(bot, 0.001), at_once=True)
    assert summary.ended == "nothing came for 15 s"
    assert summary.turns == []


def test_an_echo_has_ended_when_it_is_silent(run: TalkRun):
    """The sound comes back 0.1 s later, silence included: the user leaves 3 s after the sound, and was not
    answered.
    """

    async def echo(bot: Any) -> None:
        said = 0
        while True:
            await asyncio.sleep(0.04)
            heard = np.concatenate([np.zeros(2400, np.float32), *bot.heard])
            while said + 960 <= len(heard):
                await bot.send_audio(heard[said : said + 960])
                said += 960

    summary = run.talk(echo, at_once=True)
    assert summary.ended == "the bot has made no sound for 3 s"
    assert run.those(ReplyAudible) == [ReplyAudible(pytest.approx(0, abs=200), over_user=True, announced=False)]
    assert summary.latencies_ms == []
    assert summary.bot_loud_s == pytest.approx(0.5, abs=0.05)
    assert run.when(Ended)[0] == pytest.approx(0.5 + 0.1 + 3, abs=0.2)


def test_a_bot_that_is_never_silent_is_spoken_over_after_30_s(run: TalkRun):
    """It rattles, and calls that a reply."""
    summary = run.talk(lambda bot: send_sound(bot, 0.1, opens=True, every_s=0.24), wait_s=2)
    assert run.those(Playing) == [Playing("the bot has not been silent for 30 s")]
    assert run.when(Playing)[0] == pytest.approx(30, abs=0.05)
    assert summary.ended == "2 s have passed since the end of the recording, and the bot is not silent yet"


def test_a_bot_that_is_never_silent_is_left_after_60_s(run: TalkRun):
    """The limit is told when the recording is over."""
    summary = run.talk(lambda bot: send_sound(bot, 0.1, every_s=0.24), at_once=True)
    (done,), (ended,) = run.when(UserDone), run.when(Ended)
    assert ended - done == pytest.approx(60, abs=0.05)
    assert run.those(UserDone) == [UserDone(60.0)]
    assert summary.ended == "60 s have passed since the end of the recording, and the bot is not silent yet"
    assert not summary.failed


def test_a_bot_that_sends_messages_for_ever_is_left_after_60_s(run: TalkRun):
    """They are signs of life, and no answer."""

    async def busy(bot: Any) -> None:
        while True:
            await bot.say("unmute.response.text.delta.ready", delta="hm")
            await asyncio.sleep(1)

    summary = run.talk(busy, at_once=True)
    assert summary.ended == "60 s have passed since the end of the recording"
    assert run.when(Ended)[0] == pytest.approx(60.5, abs=0.05)


@pytest.mark.parametrize(
    ("code", "said", "ended", "failed"),
    [
        (1000, "", "the bot hung up", False),
        (1001, "bye", "the server shut down", True),
        (1011, "The TTS failed.", "the server failed: The TTS failed.", True),
        (1013, "All taken.", "the server is full: All taken.", True),
        (4000, "", "the server closed with code 4000", True),
    ],
)
def test_the_servers_close_is_told_with_its_reason(run: TalkRun, code: int, said: str, ended: str, failed: bool):
    """A normal close is the bot's good-bye; everything else is a failure."""

    async def script(bot: Any) -> None:
        await asyncio.sleep(0.5)
        await bot.close(code, said)

    summary = run.talk(script)
    assert (summary.ended, summary.failed) == (ended, failed)
    assert run.those(Ended) == [Ended(ended)]


def test_a_fatal_error_is_why_it_ended(run: TalkRun):
    """The reason is the server's message before it closed, even where it closes normally."""

    async def script(bot: Any) -> None:
        await bot.say("error", error={"type": "fatal", "message": "No more."})
        await bot.close()

    summary = run.talk(script)
    assert summary.failed
    assert summary.ended == "the bot hung up: No more."


def test_sound_that_cannot_be_decoded_is_a_problem_and_no_end(run: TalkRun):
    """Neither what is no base64 nor what is no Ogg page breaks the conversation off."""

    async def script(bot: Any) -> None:
        await bot.say("response.audio.delta", delta="AAA")
        await bot.say("response.audio.delta", delta="AAAA" * 100)
        await asyncio.sleep(0.1)
        await bot.close()

    summary = run.talk(script)
    assert [problem.kind for problem in run.those(Problem)] == ["warning", "warning"]
    assert summary.ended == "the bot hung up"


def test_what_was_said_is_kept_when_the_user_leaves(run: TalkRun):
    """Ctrl-C cancels the conversation: its tracks are as long as it was, and its end is told."""
    assert run.talk(host, leave_s=0.5) is None
    assert run.those(Ended) == [Ended("you left")]
    left, right = run.tracks
    assert len(left) == pytest.approx(12_000, abs=480)
    assert np.abs(right[:12_000]).max() > 0.2


class Speakers:
    """Notes what it is told to play."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def play(self, samples: Samples) -> None:
        self.calls.append("play" if len(samples) else "begin")

    def flush(self) -> None:
        self.calls.append("flush")


def test_speakers_play_the_bot_and_fall_silent_when_it_is_interrupted(run: TalkRun):
    """Every page in its order, and the flush behind those that came before it."""

    async def script(bot: Any) -> None:
        await bot.say("response.created")
        await bot.sound(0.12)
        await bot.say("unmute.interrupted_by_vad")
        await asyncio.sleep(0.1)
        await bot.close()

    speakers = Speakers()
    run.talk(script, speakers=speakers)
    assert speakers.calls.count("play") >= 1
    assert speakers.calls[-1] == "flush"
