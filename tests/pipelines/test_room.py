"""The default pipeline on the embedded models in a room: the bot's voice comes back into the microphone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from benchmarks.common import utterances
from benchmarks.common.room import PACKET, RATE_HZ, TELLS, Room, converse, embedded_engine

from voicepipe.audio.echo import EchoFinder
from voicepipe.client.samples import SAMPLES, read_sample
from voicepipe.engine.build import ComposedEngine
from voicepipe.events import EchoFound, ReplyEnded, ReplyInterrupted, TurnEnded, TurnJudged
from voicepipe.presets import ECHO
from voicepipe.tts.hibari import Hibari

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def engine() -> Iterator[ComposedEngine]:
    with embedded_engine() as engine:
        yield engine


@pytest.mark.parametrize(("delay_s", "gain_db"), [(0.05, -6), (0.2, -12), (0.4, -6), (0.3, -30)])
def test_the_bot_does_not_answer_itself(engine: ComposedEngine, delay_s: float, gain_db: float) -> None:
    """Its opening is heard to the end, and none of it is a turn of the user's."""
    talk = converse(engine, Room(delay_s, gain_db), 12)
    events = talk.events
    assert any(isinstance(event, EchoFound) for event in events)
    assert not [event for event in events if isinstance(event, ReplyInterrupted)]
    assert [event.text for event in events if isinstance(event, ReplyEnded)] == [TELLS]
    judged = {event.item: event.text for event in events if isinstance(event, TurnJudged)}
    assert not [event for event in events if isinstance(event, TurnEnded) and judged.get(event.item, event.text)]
    assert len(talk.asked) == 1


def test_the_user_is_heard_over_the_bot(engine: ComposedEngine) -> None:
    """The reply stops, and the next one answers the user's words."""
    talk = converse(engine, Room(0.2, -12), 10, read_sample("question"), at_s=4)
    assert talk.when(ReplyInterrupted)
    said = next(message.text for message in talk.asked[1].messages if message.role == "user")
    wanted = SAMPLES["question"].says.lower().split()
    assert sum(word in said.lower() for word in wanted) >= 0.7 * len(wanted)


def test_without_a_loudspeaker_nothing_is_different(engine: ComposedEngine) -> None:
    """No echo is found."""
    talk = converse(engine, Room(0.2, -200), 8)
    assert not talk.when(EchoFound) + talk.when(TurnEnded)


def test_an_acknowledgement_lets_the_bot_go_on(engine: ComposedEngine) -> None:
    """It lasts a second, and is heard as two words."""
    said = Hibari().synthesise("Yeah, sure.")
    talk = converse(engine, Room(0.2, -200), 7, said, at_s=4)
    assert not talk.when(ReplyInterrupted)
    judged = [event for event in talk.events if isinstance(event, TurnJudged)]
    assert [event.counts for event in judged] == [False]


def test_people_over_the_bot_are_no_echo() -> None:
    """No sentence is taken for the bot's voice, wherever in the bot's sentences it begins."""
    far = np.tile(Hibari().synthesise(TELLS), 2)
    for number, said in enumerate(utterances()):
        finder = EchoFinder(RATE_HZ, ECHO)
        for at in range(0, len(said.samples) - PACKET, PACKET):
            start = number * RATE_HZ // 3 + at
            finder.add(said.samples[at : at + PACKET], far[start : start + PACKET])
            assert not finder.found, said.name
