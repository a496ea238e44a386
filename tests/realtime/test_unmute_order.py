"""What an Unmute client would be told in conversations of every kind: in order, with the right fields and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from unmute_check import Line, violations

from voicepipe.events import HungUp, SettingsChanged
from voicepipe.realtime import Unmute
from voicepipe.testing import Scenario, ScenarioFailed, explore

pytestmark = pytest.mark.explored

SCENARIOS = sorted((Path(__file__).resolve().parents[1] / "scenarios").glob("*.scenario"))
BEGINNING = SettingsChanged(written={"allow_recording": False})


def keeps_the_order(scenario: Scenario) -> None:
    """Play it, and check what the wire would carry; the recogniser may take a word back."""
    __tracebackhide__ = True
    played = scenario.play()
    events = [BEGINNING, *(event for _, event in played.events)]
    hung_up = any(isinstance(event, HungUp) for event in events)
    wrong = violations(_wire(events), words_are_final=False, hung_up=hung_up, is_opus=False)
    if found := list(wrong):
        raise ScenarioFailed("\n".join([*found, "", str(played)]))


def _wire(events: list[object]) -> Iterator[Line]:
    encode = Unmute().encoder()
    for event in events:
        if isinstance(event, SettingsChanged):
            prompt = {} if event.system_prompt is None else {"instructions": event.system_prompt}
            event = replace(event, written={**BEGINNING.written, **prompt})
            yield "client", {"type": "session.update", "session": event.written}
        yield from (("server", message) for message in encode(event))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_is_told_in_order(path: Path) -> None:
    """Coughs, barge-ins, nudges, failures, stalls and farewells."""
    keeps_the_order(Scenario.load(path))


def test_every_conversation_is_told_in_order() -> None:
    """Whatever is said, whatever fails or stalls, and whoever is first."""
    explore(cases=120, check=keeps_the_order)


def test_disorder_is_found() -> None:
    """In the shortest conversation that has it: here, somebody cannot bear to be interrupted."""

    def pipeline_that_goes_on(scenario: Scenario) -> None:
        played = scenario.play()
        events = [BEGINNING, *(event for _, event in played.events if type(event).__name__ != "ReplyInterrupted")]
        if found := list(violations(_wire(events), words_are_final=False, hung_up=False, is_opus=False)):
            raise ScenarioFailed(found[0])

    with pytest.raises(ScenarioFailed, match="out of order: the user was"):
        explore(cases=100, stalls=False, check=pipeline_that_goes_on)
