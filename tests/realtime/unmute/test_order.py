"""The events of an Unmute client in conversations of every kind: in order, with the right fields and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conversations import CONCIERGE, DEFAULT
from examples import examples
from unmute_check import Line, violations

from voicepipe.events import ConversationEnded, ItemCreated, ReplyCancelled, ReplyRequested, SettingsChanged
from voicepipe.realtime import Unmute
from voicepipe.testing import Scenario, ScenarioFailed, explore, play

pytestmark = pytest.mark.explored

PIPELINES = Path(__file__).resolve().parents[3] / "pipelines"
SCENARIOS = [*((one, None) for one in DEFAULT), *((one, str(PIPELINES / "concierge.py")) for one in CONCIERGE)]
BEGINNING = SettingsChanged(written={"allow_recording": False})


def _is_no_event_of_unmute(event: object) -> bool:
    """Return whether Unmute's clients cannot send this: they do not set how turns are detected, write or request."""
    of_ga = isinstance(event, ItemCreated | ReplyRequested | ReplyCancelled)
    return of_ga or (isinstance(event, SettingsChanged) and event.turns is not None)


def keeps_the_order(scenario: Scenario, pipeline: str | None = None) -> None:
    """Play it, and check what the wire would carry; the recogniser may take a word back."""
    __tracebackhide__ = True
    played = play(scenario, pipeline)
    events = [BEGINNING, *(event for _, event in played.events)]
    if any(_is_no_event_of_unmute(event) for event in events):
        return
    hung_up = any(isinstance(event, ConversationEnded) for event in events)
    wrong = violations(_wire(events), words_are_final=False, hung_up=hung_up, is_opus=False)
    if found := list(wrong):
        raise ScenarioFailed("\n".join([*found, "", str(played)]))


def _wire(events: list[object]) -> Iterator[Line]:
    encode = Unmute().encoder()
    for event in events:
        if isinstance(event, SettingsChanged):
            prompt = {} if event.system_prompt is None else {"instructions": event.system_prompt}
            voice = {} if event.voice is None else {"voice": event.voice}
            event = replace(event, written={**BEGINNING.written, **prompt, **voice})
            yield "client", {"type": "session.update", "session": event.written}
        yield from (("server", message) for message in encode(event))


@pytest.mark.parametrize(("scenario", "pipeline"), SCENARIOS, ids=[one.title for one, _ in SCENARIOS])
def test_every_scenario_is_told_in_order(scenario: Scenario, pipeline: str | None) -> None:
    """Coughs, barge-ins, nudges, failures, stalls and farewells."""
    keeps_the_order(scenario, pipeline)


def test_every_conversation_is_told_in_order() -> None:
    """Whatever is said, whatever fails or stalls, and whoever is first."""
    explore(cases=examples(120), check=keeps_the_order)


def test_disorder_is_found() -> None:
    """In the shortest conversation that has it: here, somebody cannot bear to be interrupted."""

    def pipeline_that_goes_on(scenario: Scenario) -> None:
        played = play(scenario)
        events = [BEGINNING, *(event for _, event in played.events if type(event).__name__ != "ReplyInterrupted")]
        if found := list(violations(_wire(events), words_are_final=False, hung_up=False, is_opus=False)):
            raise ScenarioFailed(found[0])

    with pytest.raises(ScenarioFailed, match="out of order: the user was"):
        explore(cases=100, stalls=False, check=pipeline_that_goes_on)
