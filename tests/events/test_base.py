"""Events: one base class, small and frozen, from which users derive their own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import numpy as np
import pytest

from voicepipe import events
from voicepipe.events import (
    Audio,
    AudioReceived,
    ClientEvent,
    Event,
    ReplyAudio,
    ReplyText,
    Unpaced,
    Unspoken,
    WordRecognised,
)

DATA = {"CharacterLines", "Function", "FunctionCall", "Generation", "Resemblance", "ServerTool", "TokenLogprob"}
"""Fields of events."""
TRANSFORMED = {"Audio", "AudioReceived", "ReplyAudio"}
"""What stages transform: it passes none."""

KINDS = {name: kind for name in events.__all__ if dataclasses.is_dataclass(kind := getattr(events, name))}


@dataclass(frozen=True, slots=True)
class KeywordHeard(Event):
    keyword: str
    at_s: float = 0.0


@pytest.mark.parametrize("name", sorted(KINDS.keys() - DATA))
def test_it_derives_from_event_unless_a_stage_transforms_it(name: str) -> None:
    assert issubclass(KINDS[name], Event) is (name not in TRANSFORMED)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_it_is_frozen_and_has_slots(name: str) -> None:
    assert KINDS[name].__dataclass_params__.frozen
    assert not hasattr(KINDS[name].__new__(KINDS[name]), "__dict__")


def test_an_event_of_ones_own_is_compared_matched_and_changed_like_the_others() -> None:
    heard = KeywordHeard("voicepipe", 1.5)
    match heard:
        case KeywordHeard("voicepipe", at_s):
            assert at_s == 1.5
        case _:
            pytest.fail(f"{heard} did not match")
    assert heard == KeywordHeard("voicepipe", 1.5) != replace(heard, at_s=2.0)
    assert len({heard, KeywordHeard("voicepipe", 1.5)}) == 1
    assert not hasattr(heard, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        heard.at_s = 2.0  # pyright: ignore[reportAttributeAccessIssue]


def test_an_event_of_ones_own_must_be_frozen() -> None:
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):

        @dataclass
        class Loose(Event):
            at_s: float


def test_events_of_two_classes_differ_also_with_the_same_fields() -> None:
    assert WordRecognised("a", 0, 1) != KeywordHeard("a", 0)


def test_sound_is_compared_by_its_samples() -> None:
    sound = [ReplyAudio(Audio(np.zeros(3, np.float32), 24_000)) for _ in range(2)]
    assert sound[0] == sound[1]
    assert sound[0] != ReplyAudio(Audio(np.ones(3, np.float32), 24_000))


def test_the_groups() -> None:
    """`ClientMessage` is what the client sends: sound, a `ClientEvent`, or an event of the application's own."""
    sent = set(events.ClientMessage.__args__)
    assert {kind for kind in sent if not issubclass(kind, ClientEvent)} == {AudioReceived, Event}
    assert issubclass(ReplyText, Unspoken)
    assert issubclass(ReplyAudio, Unpaced)
