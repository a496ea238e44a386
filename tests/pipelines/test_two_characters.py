"""Two who answer in turn, and hear each other."""

from pathlib import Path

from talk import Talk

from voicepipe.conversation import Message
from voicepipe.events import ReplyEnded, ReplyInterrupted, ReplyStarted
from voicepipe.testing import Marbles

TWO = str(Path(__file__).parents[2] / "pipelines" / "two_characters.py")


def test_the_second_goes_on_where_the_first_has_ended(marbles: Marbles) -> None:
    """One reply, in one breath; the second knows what the first said, and who it is itself."""
    llm = marbles.llm({"what a day": "50ms a-b|", "And Ben?": "50ms c|"}, a="Sun", b="shine!", c="It will rain.")
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))
    talk.run([(1.0, "what a day")], until_s=6, pipeline=TWO)
    assert [reply.text for reply in talk.events(ReplyEnded)] == ["Sunshine! It will rain."]
    anna, ben = llm.conversations
    assert anna.system_prompt.startswith("You are Anna.")
    assert ben.system_prompt.startswith("You are Ben.")
    assert ben.messages == (
        Message("user", "what a day"),
        Message("assistant", "Sunshine!"),
        Message("user", "And Ben?"),
    )


def test_an_interruption_of_the_first_silences_the_second(marbles: Marbles) -> None:
    """The second is asked as soon as the first has said all to the voice, and is cancelled with it."""
    llm = marbles.llm(
        {"what a day": "a 20s b|", "stop it please": "50ms c|", "And Ben?": "|"}, a="Well, ", b="yes.", c="Fine."
    )
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))
    talk.run([(1.0, "what a day"), (4.0, "stop it please")], until_s=8, pipeline=TWO)
    assert len(talk.events(ReplyInterrupted)) == 1
    assert [call.asked for call in llm.cancelled] == ["what a day"]
    assert [call.asked for call in llm.calls] == ["what a day", "stop it please", "And Ben?"]
    assert len(talk.events(ReplyStarted)) == 2
