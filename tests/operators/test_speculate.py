"""Replies that are begun at a pause: what is used, what is thrown away, and what is never noticed of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import reactivex
from reactivex import Observable

from voicepipe.conversation import Conversation, FunctionCall, Message
from voicepipe.events import (
    Audio,
    Event,
    FunctionCalled,
    FunctionReturned,
    ItemCreated,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SettingsChanged,
    SpeculationEnded,
    StageFailed,
    TokensCounted,
    TurnConfirmed,
    TurnEnded,
    TurnPaused,
    TurnResumed,
    TurnStarted,
    WordSpoken,
)
from voicepipe.operators import pace, respond, speculate, with_tools
from voicepipe.presets import INTERRUPTION, TOOLS
from voicepipe.rx import from_async
from voicepipe.testing import Marbles, Recorded, Scenario, run

TURNS: dict[str, Event] = {
    "s": TurnStarted(1.0),
    "c": TurnConfirmed(1.0, "hello"),
    "p": TurnPaused("hello", 1.0),
    "P": TurnPaused("hello there", 1.0),
    "m": TurnPaused("mhm", 1.0, acknowledgement=True),
    "0": TurnPaused("", 1.0),
    "r": TurnResumed(1.0),
    "e": TurnEnded("hello", 1.0),
    "E": TurnEnded("hello there", 1.0),
    "n": TurnEnded("", 1.0),
    "o": SettingsChanged("Be kind."),
    "i": ItemCreated("=i", "user", "Look at this."),
}
SAYS = {"w": WordSpoken("good", 0.0, 0.1), "v": WordSpoken("day", 0.1, 0.2), "t": TokensCounted(20, 4)}
QUIET = replace(INTERRUPTION, idle_prompts=0, uninterruptible_s=0.0)
SHORT = {
    ReplyStarted: "begin", ReplyEnded: "end", ReplyInterrupted: "cut", StageFailed: "fail", ReplyAudio: "S",
    FunctionCalled: "call", FunctionReturned: "result",
}  # fmt: skip


class Bot:
    """Says one diagram after the other, and keeps what it was asked."""

    def __init__(self, marbles: Marbles, *replies: str, per_turn: int = 4, held_items: int = 9) -> None:
        self._marbles = marbles
        self.asked: list[Conversation] = []
        self.said = [marbles.cold(reply, table=SAYS) for reply in replies]
        self.reply = speculate(self._answer, per_turn=per_turn, held_items=held_items)

    def _answer(self, conversation: Conversation) -> Observable[Any]:
        self.asked.append(conversation)
        return self.said[len(self.asked) - 1]

    def hear(self, turns: str) -> str:
        return shown(record(self._marbles, turns, self.reply))


def record(marbles: Marbles, turns: str, reply: Callable[[Conversation], Observable[Any]]) -> list[Recorded]:
    return marbles.record(marbles.hot(turns, table=TURNS).pipe(respond(reply, QUIET)))


def shown(out: list[Recorded]) -> str:
    """Each event with its time, in milliseconds."""
    return " ".join(filter(None, (_shown(one) for one in out)))


def _shown(one: Recorded) -> str:
    match one.value:
        case None:
            return ""
        case WordSpoken(word=word):
            return f"{word}@{one.t_ms:g}"
        case SpeculationEnded(used=used):
            return f"{'used' if used else 'thrown'}@{one.t_ms:g}"
        case value:
            return f"{SHORT.get(type(value), type(value).__name__)}@{one.t_ms:g}"


def test_what_was_begun_at_the_pause_comes_when_the_turn_ends(marbles: Marbles) -> None:
    """All that was made by then at once, and the rest as it is made."""
    bot = Bot(marbles, "-w-v-----|")
    assert bot.hear("sp---e----|") == "begin@100 good@100 day@100 used@100 end@200"
    assert [talk.messages for talk in bot.asked] == [(Message("user", "hello"),)]


def test_without_a_pause_the_reply_begins_at_the_end(marbles: Marbles) -> None:
    assert Bot(marbles, "-w-v-|").hear("s----e-----|") == "begin@100 good@120 day@160 end@200"


def test_a_user_who_speaks_on_hears_nothing_of_it(marbles: Marbles) -> None:
    """It is disposed in the same callback, and the next pause begins another one."""
    bot = Bot(marbles, "-w-v-|", "-w-|")
    assert bot.hear("sp-r--P-E--|") == "thrown@60 begin@160 good@160 used@160 end@180"
    marbles.expect_subscriptions(bot.said[0], "-^-!")
    assert [talk.messages[-1].text for talk in bot.asked] == ["hello", "hello there"]


def test_another_text_at_the_end_throws_it_away(marbles: Marbles) -> None:
    """The reply is then that to what was heard."""
    bot = Bot(marbles, "-w-v-|", "-v-|")
    assert bot.hear("sp---E---|") == "begin@100 thrown@100 day@120 end@160"
    assert [talk.messages for talk in bot.asked][-1] == (Message("user", "hello there"),)


def test_new_instructions_and_a_new_item_throw_it_away(marbles: Marbles) -> None:
    """It was asked something else than the bot would be asked now."""
    for change in "oi":
        bot = Bot(marbles, "-w-v-|", "-v-|")
        assert bot.hear(f"sp-{change}-e---|").split()[1:] == ["thrown@100", "day@120", "end@160"]
        assert bot.asked[0] != bot.asked[1]


def test_the_same_text_at_two_pauses_is_one_reply(marbles: Marbles) -> None:
    """The model is asked once."""
    bot = Bot(marbles, "-w-v-|")
    assert bot.hear("spp--e---|") == "begin@100 good@100 day@100 used@100 end@120"
    assert len(bot.asked) == 1


def test_a_pause_behind_nothing_or_in_a_reply_begins_none(marbles: Marbles) -> None:
    """Nor behind what would not be answered."""
    bot = Bot(marbles, "w-------|")
    assert bot.hear("s0-n-|") == ""
    assert bot.hear("e-p--|") == "begin@0 good@0 end@160"
    assert len(bot.asked) == 1


def test_an_answer_of_one_acknowledgement_may_be_begun(marbles: Marbles) -> None:
    """It is answered like all else, where no reply runs."""
    bot = Bot(marbles, "-w-v-|")
    bot.hear("sm---r|")
    assert [talk.messages[-1].text for talk in bot.asked] == ["mhm"]


def test_the_end_of_the_session_throws_it_away(marbles: Marbles) -> None:
    """Nothing goes on behind a client that has left."""
    bot = Bot(marbles, "1s |")
    record(marbles, "sp--|", bot.reply)
    marbles.expect_subscriptions(bot.said[0], "-^--!")


def test_one_that_fails_is_begun_again_when_it_is_asked_for(marbles: Marbles) -> None:
    """Its error is not told: nothing was asked yet."""
    bot = Bot(marbles, "-#", "-w-|")
    assert bot.hear("sp---e----|") == "begin@100 thrown@100 good@120 end@160"


def test_one_that_fails_later_fails_as_any_reply(marbles: Marbles) -> None:
    bot = Bot(marbles, "-w-----#")
    assert bot.hear("sp---e----|") == "begin@100 good@100 used@100 fail@160 end@160"


def test_one_with_too_many_items_is_thrown_away(marbles: Marbles) -> None:
    bot = Bot(marbles, "(www)----|", "w|", held_items=2)
    assert bot.hear("sp---e----|") == "begin@100 thrown@100 good@100 end@120"
    marbles.expect_subscriptions(bot.said[0], "-(^!)")


def test_only_so_many_are_begun_in_a_turn(marbles: Marbles) -> None:
    """A service costs money. The next turn may begin as many again."""
    bot = Bot(marbles, *["-w-|"] * 5, per_turn=1)
    assert bot.hear("sprPrp-e---sp--e--|").split() == [
        "thrown@40", "begin@140", "good@160", "end@200", "begin@300", "good@300", "used@300", "end@300",
    ]  # fmt: skip
    assert Bot(marbles, "-w-|", per_turn=0).hear("sp--e---|") == "begin@80 good@100 end@140"


def test_the_word_that_interrupts_it_is_the_next_turns(marbles: Marbles) -> None:
    """A reply that is used is cut like any other, with its source."""
    bot = Bot(marbles, "-w--------v|")
    assert bot.hear("sp---e-c----|") == "begin@100 good@100 used@100 cut@140"
    marbles.expect_subscriptions(bot.said[0], "-^-----!")


def test_its_sound_begins_when_it_is_used(marbles: Marbles) -> None:
    """On the playback clock: no frame is released before, and none comes in a burst after."""

    def reply(_: Conversation) -> Observable[Any]:
        sound = ReplyAudio(Audio(np.zeros(200, np.float32), 1000))
        return marbles.cold("(wav|)", table=SAYS, a=sound).pipe(pace(lead_ms=20, frame_ms=40))

    ahead = shown(record(marbles, "sp 500ms e 1s |", speculate(reply, per_turn=4, held_items=9)))
    plain = shown(record(marbles, "s- 500ms e 1s |", reply))
    assert ahead.replace("used@540 ", "") == plain
    assert plain.startswith("begin@540 S@540")


def test_a_voice_holds_the_sound_of_one_that_is_used(marbles: Marbles) -> None:
    """As of any reply, and a word cuts it."""

    def reply(_: Conversation) -> Observable[Any]:
        sound = ReplyAudio(Audio(np.zeros(200, np.float32), 1000))
        return marbles.cold("(a|)", a=sound).pipe(pace(lead_ms=20, frame_ms=20))

    held = shown(record(marbles, "sp---e-s--c 1s |", speculate(reply, per_turn=4, held_items=9)))
    assert held == "begin@100 S@100 S@100 used@100 S@120 cut@200"


def test_the_tokens_of_what_is_thrown_away_are_told(marbles: Marbles) -> None:
    """They have been paid for."""
    out = record(marbles, "sp--r|", speculate(lambda _: marbles.cold("(wt)---|", table=SAYS), per_turn=4, held_items=9))
    assert [one.value for one in out][:-1] == [SpeculationEnded(used=False, tokens=(TokensCounted(20, 4),))]


def test_the_next_turn_waits_for_the_clean_up_of_one_that_is_used(marbles: Marbles) -> None:
    """Its tasks are the turn's."""
    closed: list[float] = []

    async def work() -> AsyncGenerator[Event, None]:
        try:
            yield SAYS["w"]
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.05)
            closed.append(marbles.now_ms())

    replies = iter([from_async(work, "reply"), marbles.cold("w|", table=SAYS)])
    reply = speculate(lambda _: next(replies), per_turn=4, held_items=9)
    out = shown(record(marbles, "sp---e-ce 200ms |", reply))
    assert out == "begin@100 good@100 used@100 cut@140 begin@190 good@190 end@210"
    assert closed == [190]


# ---- functions -------------------------------------------------------------------------------------------------------


def test_no_function_runs_before_its_reply_is_used(marbles: Marbles) -> None:
    """The model has called it at the pause; it runs when the turn has ended."""
    ran: list[float] = []

    async def look() -> str:
        """Look."""
        ran.append(marbles.now_ms())
        return "seen"

    call = FunctionCalled(FunctionCall("1", "look"))
    answers = iter([reactivex.of(call), reactivex.of(call), reactivex.empty()])
    reply = speculate(with_tools(lambda _: next(answers), look, TOOLS), per_turn=4, held_items=9)
    thrown_away = shown(record(marbles, "sp---r---|", reply))
    assert (thrown_away, ran) == ("thrown@100", [])
    used = shown(record(marbles, "sp---e---|", reply))
    assert (used, ran) == ("begin@100 call@100 used@100 result@100 end@100", [100])


# ---- a whole conversation --------------------------------------------------------------------------------------------


def talk(per_turn: int, *, pause_s: float = 3.0) -> Scenario:
    """A user whose end is not known by the sound: 0.72 s of silence end the turn."""
    return (
        Scenario()
        .llm(None, "I see.", after_s=0.2)
        .llm("", "Hi!", after_s=0.0)
        .pause_sounds_finished(0.2)
        .speculations(per_turn)
        .at(2).user_says("hello there")
        .at(2.6 + pause_s).user_says("what time is it")
        .lasts(12)
    )  # fmt: skip


def test_an_answer_comes_as_soon_as_the_turn_has_ended() -> None:
    """The model and the voice have worked while the silence lasted. What is said and remembered is the same."""
    plain, ahead = (run(talk(per_turn).answers_within(limit_s)) for per_turn, limit_s in ((0, 1.1), (4, 0.75)))
    assert [event for _, event in plain.events if isinstance(event, ReplyEnded)] == [
        event for _, event in ahead.events if isinstance(event, ReplyEnded)
    ]
    assert len(plain.asked) == len(ahead.asked)


def test_a_user_who_goes_on_is_answered_once() -> None:
    """No reply, and no prompt, has what was begun in the pause."""
    played = run(talk(4, pause_s=0.5))
    assert [event.used for _, event in played.events if isinstance(event, SpeculationEnded)] == [False, True]
    asked = [event.conversation for _, event in played.events if isinstance(event, ReplyStarted)]
    assert asked[-1].messages[-1].text == "hello there what time is it"
