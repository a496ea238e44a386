"""A stage that vetoes."""

from pathlib import Path

from talk import Talk

from voicepipe.events import ReplyEnded, ReplyText
from voicepipe.loader import load_pipeline
from voicepipe.testing import Marbles

MODERATED = str(Path(__file__).parents[2] / "pipelines" / "moderated.py")


def test_a_bad_word_ends_the_reply_with_an_excuse(marbles: Marbles) -> None:
    """It is neither said nor shown, and the model is told to stop."""
    llm = marbles.llm(
        {"": "h|", "tell me": "50ms (abc) 10s d|"}, h="Hi!", a="The ", b="PASSWORD ", c="is ", d="joshua."
    )
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=200))
    talk.run([(2.0, "tell me")], until_s=7, pipeline=MODERATED)
    assert talk.events(ReplyEnded)[-1].text == "The Sorry, let us talk of something else."
    assert [call.asked for call in llm.cancelled] == ["tell me"]


def test_other_words_pass(marbles: Marbles) -> None:
    """The stage by itself: this is all that it takes to test one."""
    moderate = load_pipeline(f"{MODERATED}:moderate")
    words = {"a": ReplyText("All"), "b": ReplyText(" is"), "c": ReplyText(" well.")}
    marbles.expect(moderate(marbles.cold("a-b-c|", table=words)), "a-b-c|", **words)  # pyright: ignore[reportArgumentType]
