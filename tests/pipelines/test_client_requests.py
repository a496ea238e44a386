"""A client that leads asks for a reply, and every pipeline that speaks gives one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from talk import Talk

from voicepipe.events import (
    ClientMessage,
    ItemCreated,
    ReplyEnded,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnTaking,
    WordSpoken,
)
from voicepipe.testing import Marbles

PIPELINES = Path(__file__).parents[2] / "pipelines"
SPEAKING = [path for path in sorted(PIPELINES.glob("*.py")) if "respond(" in path.read_text("utf-8")]

LEADS = SettingsChanged("Be kind.", turns=TurnTaking("client", answers=False, interrupts=False))
ASKS: list[tuple[float, ClientMessage]] = [
    (0.5, LEADS),
    (1.0, ItemCreated("item1", "user", "what a day")),
    (1.1, ReplyRequested("reply1")),
]


@pytest.fixture
def talk(marbles: Marbles) -> Talk:
    llm: Any = marbles.llm({"what a day": "50ms a|", "And Ben?": "|", "": "|"}, a="what a day")
    return Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=200))


def test_most_pipelines_speak() -> None:
    """So that the tests below test something."""
    assert {path.stem for path in SPEAKING} == {
        "concierge", "default", "helpdesk", "moderated", "parrot", "reserve", "two_characters", "wake_word",
    }  # fmt: skip


@pytest.mark.parametrize("pipeline", SPEAKING, ids=lambda path: path.stem)
def test_a_reply_that_the_client_asks_for_is_spoken(talk: Talk, pipeline: Path) -> None:
    """About what the client wrote, under the name that it gave; there is no other."""
    talk.run([], until_s=6, pipeline=str(pipeline), sent=ASKS)
    assert [reply.item for reply in talk.events(ReplyStarted)] == ["reply1"]
    assert [reply.text for reply in talk.events(ReplyEnded)] == ["what a day"]
    assert [event.word for event in talk.events(WordSpoken)] == ["what", "a", "day"]
    assert talk.events(SpeechEncoded)
    assert not talk.events(StageFailed)


@pytest.mark.parametrize(
    "pipeline", [path for path in SPEAKING if path.stem != "moderated"], ids=lambda path: path.stem
)
def test_a_reply_in_writing_is_not_spoken(talk: Talk, pipeline: Path) -> None:
    """A client may ask for text alone."""
    written = ReplyRequested("reply1", aloud=False)
    talk.run([], until_s=6, pipeline=str(pipeline), sent=[*ASKS[:2], (1.1, written)])
    assert "".join(event.delta for event in talk.events(ReplyTextWritten)).strip() == "what a day"
    assert not talk.events(SpeechEncoded)


@pytest.mark.parametrize("pipeline", SPEAKING, ids=lambda path: path.stem)
def test_a_reply_to_nothing_is_no_failure(talk: Talk, pipeline: Path) -> None:
    """The client may ask before anything was said."""
    talk.run([], until_s=6, pipeline=str(pipeline), sent=[(0.5, LEADS), (1.1, ReplyRequested("reply1"))])
    assert len(talk.events(ReplyEnded)) == 1
    assert not talk.events(StageFailed)
