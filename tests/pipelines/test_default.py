"""Whole conversations through the default pipeline, in virtual time, against scripted services."""

import pytest
from talk import Talk

from voicepipe.conversation import Message
from voicepipe.events import (
    HungUp,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SpeechEncoded,
    Spoken,
    StageFailed,
    TurnEnded,
    TurnMeasured,
)
from voicepipe.testing import Marbles

LLM = {"": "100ms h|", "hello there": "200ms (ab)(cd)|", "what time is it": "300ms t|", "...": "100ms s|"}
SAYS = {
    "h": "Hi!",
    "a": "How ", "b": "are ", "c": "you ", "d": "today?",
    "t": "It is noon.",
    "s": "Are you there?",
}  # fmt: skip


@pytest.fixture
def talk(marbles: Marbles) -> Talk:
    return Talk(marbles, marbles.llm(LLM, **SAYS), marbles.tts(delay_ms=60, ms_per_word=300))


def spoken(talk: Talk) -> str:
    return " ".join(event.word for event in talk.events(Spoken))


def test_opening_and_two_turns(talk: Talk) -> None:
    """The bot opens, and each turn is answered once, promptly, with its parts summing to the whole."""
    talk.run([(2.0, "hello there"), (6.0, "what time is it")], until_s=12)
    assert [event.text for event in talk.events(TurnEnded)] == ["hello there", "what time is it"]
    assert spoken(talk) == "Hi! How are you today? It is noon."
    assert len(talk.events(ReplyStarted)) == len(talk.events(ReplyEnded)) == 3
    first, second = talk.events(TurnMeasured)
    # A pause of 200 ms, 60 ms for the verdict, the LLM's first token, 60 ms for the voice; frames of 20 ms.
    assert first.total_ms == pytest.approx(200 + 60 + 200 + 60, abs=25)
    assert second.total_ms == pytest.approx(200 + 60 + 300 + 60, abs=25)
    for turn in (first, second):
        assert sum(turn.parts_ms.values()) == pytest.approx(turn.total_ms)


def test_the_conversation_is_what_was_said_and_heard(talk: Talk) -> None:
    """As the LLM is told of it."""
    talk.run([(2.0, "hello there"), (6.0, "what time is it")], until_s=12)
    assert talk.events(ReplyStarted)[-1].conversation.messages == (
        Message("assistant", "Hi!"),
        Message("user", "hello there"),
        Message("assistant", "How are you today?"),
        Message("user", "what time is it"),
    )


def test_barge_in(talk: Talk) -> None:
    """A word stops the voice at once, and the history keeps what was heard."""
    talk.run([(2.0, "hello there"), (3.3, "what time is it")], until_s=9)
    (cut,) = talk.events(ReplyInterrupted)
    (at_s,) = talk.times(ReplyInterrupted)
    # In the reply's first three seconds a voice is not enough (it may be an echo): the first word comes 0.5 s after it.
    assert at_s == pytest.approx(3.3 + 0.5, abs=0.03)
    answered_s = talk.times(ReplyStarted)[-1]
    assert not [sent for sent in talk.sounding() if at_s < sent < answered_s]
    assert "How are you today?".startswith(cut.heard_text)
    assert 0 < len(cut.heard_text) < len("How are you today?")
    assert talk.events(ReplyStarted)[-1].conversation.messages[2].text == f"{cut.heard_text}—"
    assert spoken(talk).endswith("It is noon.")


def test_a_late_barge_in_needs_only_a_voice(marbles: Marbles) -> None:
    """After three seconds of the reply, 250 ms from the user's onset to silence at most."""
    llm = marbles.llm({"": "100ms l|", "stop please now": "100ms h|"}, l="one " * 20, h="Hi!")
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))
    talk.run([(5.0, "stop please now")], until_s=9)
    (at_s,) = talk.times(ReplyInterrupted)
    assert 5.0 < at_s <= 5.25
    assert not [sent for sent in talk.sounding() if at_s < sent < talk.times(ReplyStarted)[-1]]


def test_nudge(talk: Talk) -> None:
    """Seven seconds after the reply, three times at most."""
    talk.run([(2.0, "hello there")], until_s=60)
    assert spoken(talk) == "Hi! How are you today?" + " Are you there?" * 3
    ends, starts = talk.times(ReplyEnded), talk.times(ReplyStarted)
    assert [start - end for end, start in zip(ends[1:], starts[2:], strict=False)] == pytest.approx([7.0] * 3)


def test_a_hesitant_user_is_waited_for(marbles: Marbles) -> None:
    """A pause that does not sound like an end gets 800 ms; what is said after it belongs to the same turn."""
    llm = marbles.llm({"": "100ms h|", "hello there what time is it": "100ms t|"}, **SAYS)
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300), end_of_turn=0.2)
    talk.run([(2.0, "hello there"), (3.2, "what time is it")], until_s=9)
    assert [event.text for event in talk.events(TurnEnded)] == ["hello there what time is it"]
    assert talk.times(TurnEnded)[0] == pytest.approx(3.2 + 4 * 0.3 + 0.8, abs=0.05)


def test_a_cough_is_no_turn(talk: Talk) -> None:
    """Nothing is answered, and the conversation goes on."""
    talk.run([(2.0, "*"), (4.0, "hello there")], until_s=9)
    assert [event.text for event in talk.events(TurnEnded)] == ["", "hello there"]
    assert len(talk.events(ReplyStarted)) == 2


def test_a_failing_llm_fails_its_turn_only(marbles: Marbles) -> None:
    """The failure names the LLM's words; the next turn is answered."""
    llm = marbles.llm({"": "100ms h|", "hello there": "100ms a#", "what time is it": "100ms t|"}, **SAYS)
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))
    talk.run([(2.0, "hello there"), (5.0, "what time is it")], until_s=10)
    assert [event.fatal for event in talk.events(StageFailed)] == [False]
    assert len(talk.events(ReplyStarted)) == len(talk.events(ReplyEnded)) == 3
    assert spoken(talk).endswith("It is noon.")


def test_a_failing_tts_fails_its_turn_only(marbles: Marbles) -> None:
    """What was heard of the reply stays in the history."""
    tts = marbles.tts(delay_ms=60, ms_per_word=300, fail_at=2)
    talk = Talk(marbles, marbles.llm(LLM, **SAYS), tts)
    talk.run([(2.0, "hello there"), (5.0, "what time is it")], until_s=10)
    assert len(talk.events(StageFailed)) == 2
    assert len(talk.events(ReplyStarted)) == len(talk.events(ReplyEnded)) == 3
    assert len(talk.events(TurnEnded)) == 2


def test_goodbye(marbles: Marbles) -> None:
    """The bot hangs up when its farewell has been played."""
    llm = marbles.llm({"": "100ms h|", "see you": "100ms b|"}, h="Hi!", b="Take care. Bye!")
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))
    talk.run([(2.0, "see you")], until_s=12)
    assert talk.events(HungUp) == [HungUp("the bot said 'Bye!'")]
    assert talk.times(HungUp)[0] == pytest.approx(talk.times(SpeechEncoded)[-1] + 0.3, abs=0.15)


def test_an_unfinished_request_is_closed_at_a_barge_in(marbles: Marbles) -> None:
    """Nobody pays for words that nobody will hear."""
    llm = marbles.llm({"": "100ms h|", "hello there": "(ab) 20s c|", "what time is it": "t|"}, **SAYS)
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))
    talk.run([(2.0, "hello there"), (4.0, "what time is it")], until_s=8)
    assert [call.asked for call in llm.cancelled] == ["hello there"]
    assert not llm.open


def test_a_microphone_that_goes_quiet_in_mid_word_still_ends_the_turn(marbles: Marbles) -> None:
    """Muted while speaking: no frame comes any more, and the turn ends by the silence that is put there."""
    muted = Talk(marbles, marbles.llm(LLM, **SAYS), marbles.tts(delay_ms=60, ms_per_word=300))
    muted.run_muted([(2.0, "hello there")], mute_at_s=2.5, until_s=8)
    assert [event.text for event in muted.events(TurnEnded)] == ["hello there"]
