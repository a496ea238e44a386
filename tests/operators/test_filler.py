"""A model that is slow is spoken for."""

from voicepipe.conversation import Conversation
from voicepipe.events import FunctionCall, FunctionCalled, ReplyDelayed, Warned
from voicepipe.operators import with_filler
from voicepipe.testing import Marbles

HI = Conversation("Be brief.").user_said("Hi.")
VALUES: dict[str, object] = {
    "a": "a", "b": "b", "A": " a", "f": "f", "h": " g", "s": " ", "w": Warned("Slow."),
    "c": FunctionCalled(FunctionCall("1", "now")),
    "F": ReplyDelayed(0.04), "G": ReplyDelayed(0.1), "H": ReplyDelayed(0.16),
}  # fmt: skip


def values(diagram: str) -> dict[str, object]:
    return {letter: value for letter, value in VALUES.items() if letter in diagram}


def expect(marbles: Marbles, llm: str, diagram: str, conversation: Conversation = HI) -> None:
    model = marbles.cold(llm, **values(llm))
    said = with_filler(lambda _: model, after_s=0.04, again_s=0.06, texts=("f", "g"))
    marbles.expect(said(conversation), diagram, **values(diagram))


def test_fillers_come_until_the_model_speaks(marbles: Marbles) -> None:
    """The last one again and again, each with a space before it."""
    expect(marbles, "---------a-b|", "--(fF)--(hG)--(hH)A-b|")


def test_a_model_in_time_has_no_filler(marbles: Marbles) -> None:
    """However slowly it goes on."""
    expect(marbles, "-a-------b|", "-a-------b|")


def test_an_empty_piece_or_a_warning_is_no_answer(marbles: Marbles) -> None:
    """Nothing has been heard."""
    expect(marbles, "ws---a|", "ws(fF)--A|")


def test_a_call_is_an_answer(marbles: Marbles) -> None:
    """While the function runs, its own filler is spoken."""
    expect(marbles, "-c----a|", "-c----a|")


def test_the_fillers_end_with_the_model(marbles: Marbles) -> None:
    """With its end, and with its error."""
    expect(marbles, "---|", "--(fF)|")
    expect(marbles, "---#", "--(fF)#")
    expect(marbles, "-|", "-|")


def test_disposing_stops_the_model(marbles: Marbles) -> None:
    """And the filler."""
    model = marbles.cold("-----a|", a="a")
    said = with_filler(lambda _: model, after_s=0.04, again_s=0.06, texts=("f",))(HI)
    marbles.expect(said, "--(fF)!", **values("fF"))
    marbles.expect_subscriptions(model, "^--!")


def test_a_reply_in_writing_has_no_filler(marbles: Marbles) -> None:
    """It would stand in the text."""
    expect(marbles, "-----a|", "-----a|", Conversation(aloud=False))
