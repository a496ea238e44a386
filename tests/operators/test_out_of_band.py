"""Replies in writing, beside the conversation."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Event,
    ItemCreated,
    OutOfBandResponse,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    StageFailed,
    TurnConfirmed,
    TurnTaking,
    WordSpoken,
)
from voicepipe.operators import respond
from voicepipe.testing import Marbles, ScriptedError

HELLO = ItemCreated("=i", "user", "Hello.")
GAMES = {
    "o": SettingsChanged("Be brief.", turns=TurnTaking("meaning")),
    "i": HELLO,
    "r": ReplyRequested("=r"),
    "q": ReplyRequested("=q", "Sort.", aloud=False, remembered=False),
    "p": ReplyRequested("=p", "Count.", aloud=False, remembered=False),
    "k": ReplyCancelled("=q"),
    "K": ReplyCancelled(),
    "c": TurnConfirmed(1.0),
}


class Bot:
    """Speaks for a while, and writes a letter at a time; the prompt "Fail." is answered by an error."""

    def __init__(self, marbles: Marbles) -> None:
        self._marbles = marbles
        self.asked: list[Conversation] = []

    def __call__(self, conversation: Conversation) -> Observable[Event]:
        self.asked.append(conversation)
        if conversation.aloud:
            return self._marbles.cold("w----w|", w=WordSpoken("good", 0.0, 0.1))
        return self._marbles.cold("--a--b|", a=ReplyTextWritten("a"), b=ReplyTextWritten("b"))


def hear(marbles: Marbles, bot: Any, said: str) -> tuple[list[Event], dict[str, list[Event]]]:
    """Return the events of the conversation, and those of each reply beside it."""
    stage = respond(
        bot,
        idle_after_s=1.0,
        idle_prompts=0,
        uninterruptible_s=0.1,
        grace_s=0.1,
        min_voice_ms=800,
        resume_within_ms=350,
    )
    out = [one.value for one in marbles.record(marbles.hot(said, table=GAMES).pipe(stage)) if one.kind == "next"]
    beside: dict[str, list[Event]] = {}
    for event in out:
        if isinstance(event, OutOfBandResponse):
            beside.setdefault(event.item, []).append(event.event)
    return [event for event in out if not isinstance(event, OutOfBandResponse)], beside


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def test_it_knows_the_conversation_and_leaves_no_trace(marbles: Marbles) -> None:
    """The conversation is in its prompt; its answer is in no prompt."""
    bot = Bot(marbles)
    talk, beside = hear(marbles, bot, "oiq-------r|")
    assert kinds(beside["=q"]) == [ReplyStarted, ReplyTextWritten, ReplyTextWritten, ReplyEnded]
    assert beside["=q"][-1].text == "ab"
    assert (bot.asked[0].system_prompt, [message.text for message in bot.asked[0].messages]) == ("Sort.", ["Hello."])
    assert [message.text for message in bot.asked[1].messages] == ["Hello."]
    assert kinds(talk) == [ReplyStarted, WordSpoken, WordSpoken, ReplyEnded]


def test_many_are_written_side_by_side_while_the_bot_speaks(marbles: Marbles) -> None:
    """And whoever interrupts the bot interrupts none of them."""
    talk, beside = hear(marbles, Bot(marbles), "oirqpc|")
    assert kinds(talk) == [ReplyStarted, WordSpoken, ReplyInterrupted]
    for name in ("=q", "=p"):
        assert kinds(beside[name]) == [ReplyStarted, ReplyTextWritten, ReplyTextWritten, ReplyEnded]


@pytest.mark.parametrize(("said", "cancelled"), [("oiqp--k|", ["=q"]), ("oiqp--K|", [])])
def test_one_is_cancelled_by_its_name(marbles: Marbles, said: str, cancelled: list[str]) -> None:
    """It keeps what it has said so far; the others go on."""
    _, beside = hear(marbles, Bot(marbles), said)
    ends = {name: events[-1] for name, events in beside.items()}
    assert [name for name, end in ends.items() if isinstance(end, ReplyInterrupted)] == cancelled
    if cancelled:
        assert ends["=q"].heard_text == "a"
    assert ends["=p"].text == "ab"


def test_one_that_fails_gives_its_reason_and_harms_no_other(marbles: Marbles) -> None:
    """Its own end comes after the failure."""

    def bot(conversation: Conversation) -> Observable[Event]:
        return (
            reactivex.throw(ScriptedError("no"))
            if conversation.system_prompt == "Sort."
            else Bot(marbles)(conversation)
        )

    talk, beside = hear(marbles, bot, "oirqp|")
    assert kinds(beside["=q"]) == [ReplyStarted, StageFailed, ReplyEnded]
    assert kinds(beside["=p"]) == [ReplyStarted, ReplyTextWritten, ReplyTextWritten, ReplyEnded]
    assert kinds(talk) == [ReplyStarted, WordSpoken, WordSpoken, ReplyEnded]
