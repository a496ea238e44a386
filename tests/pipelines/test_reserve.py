"""A second request beside a slow one, and an excuse in place of an answer that failed."""

from pathlib import Path

import pytest
from talk import Talk

from voicepipe.events import ReplyEnded
from voicepipe.testing import Marbles

RESERVE = str(Path(__file__).parents[2] / "pipelines" / "reserve.py")


@pytest.mark.parametrize(
    ("answer", "spoken"),
    [
        ("50ms (ab|)", "All is well."),
        ("2s (ab|)", "All is well."),
        ("50ms #", "I cannot reach my notes right now. Please ask me again in a minute."),
        ("60s (ab|)", "I cannot reach my notes right now. Please ask me again in a minute."),
    ],
    ids=["quick", "slow", "failing", "silent"],
)
def test_the_user_always_gets_an_answer(marbles: Marbles, answer: str, spoken: str) -> None:
    llm = marbles.llm({"": "h|", "tell me": answer}, h="Hi!", a="All ", b="is well.")
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=100))
    talk.run([(2.0, "tell me")], until_s=12, pipeline=RESERVE)
    assert talk.events(ReplyEnded)[1].text == spoken  # the first one is the opening


def test_a_slow_answer_is_asked_for_twice_and_a_quick_one_once(marbles: Marbles) -> None:
    llm = marbles.llm({"": "10ms h|", "quick": "50ms (a|)", "slow": "1500ms (a|)"}, h="Hi!", a="Well.")
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=100))
    talk.run([(2.0, "quick"), (6.0, "slow")], until_s=10, pipeline=RESERVE)
    asked = [call.asked for call in llm.calls]
    assert (asked.count("quick"), asked.count("slow")) == (1, 2)
    assert [call.asked for call in llm.cancelled] == ["slow"]
