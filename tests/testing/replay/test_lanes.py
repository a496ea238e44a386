"""From events to lanes: voices and sound as bars, words and turns as marbles, trouble in red."""

from __future__ import annotations

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Pause,
    ReplyInterrupted,
    ReplyStarted,
    SpeechEncoded,
    SpeechStarted,
    SpeechStopped,
    StageFailed,
    TurnEnded,
    TurnMeasured,
    WordSpoken,
)
from voicepipe.testing.replay.lanes import lanes_of

EVENTS = [
    (10.5, SpeechStarted(0.4, 0.5)),
    (11.5, SpeechStopped(1.4, 1.5)),
    (11.6, TurnEnded("Hi", 1.4)),
    (11.6, ReplyStarted(Conversation())),
    (11.7, SpeechEncoded(b"", 400)),
    (11.7, TurnMeasured(300, {"tts": 300})),
    (11.8, SpeechEncoded(b"", 400)),
    (11.8, WordSpoken("Well", 0.1, 0.2)),
    (12.0, ReplyInterrupted("Well", Conversation())),
    (13.0, StageFailed("LLM", OSError("gone"))),
]


def test_each_event_has_its_lane_and_time() -> None:
    lanes = {lane.name: lane.marbles for lane in lanes_of(EVENTS, 10.0)}
    assert [(one.at_s, one.until_s) for one in lanes["voice"]] == [(0.5, 1.5)]
    assert [one.text for one in lanes["turns"]] == ["→ Hi", "300 ms"]
    assert lanes["turns"][1].detail == "tts 300 ms"
    assert [one.text for one in lanes["reply"]] == ["▸", "Well", "✂"]
    assert [(one.text, one.kind, one.detail) for one in lanes["trouble"]] == [("LLM failed", "bad", "LLM: gone")]


def test_sound_is_one_bar_until_it_is_cut() -> None:
    """0.8 s were sent, and 0.3 s were heard."""
    (sound,) = (lane.marbles for lane in lanes_of(EVENTS, 10.0) if lane.name == "sound")
    assert [(one.at_s, one.until_s) for one in sound] == [(1.6999999999999993, 2.0)]


def test_two_sessions_have_names_of_their_own() -> None:
    assert lanes_of(EVENTS, 10.0, before="after:")[0].name == "after: voice"


def test_a_pause_is_drawn_where_it_has_changed_and_hides_no_turn() -> None:
    """A recogniser tells it several times a second; a new voice begins anew."""
    said = [
        (at_s, Pause(probability, at_s)) for at_s, probability in ((1.0, 0.9), (1.1, 0.92), (1.4, 0.02), (1.6, 0.9))
    ]
    silence = [(2.0, TurnEnded("Hi", 1.9)), (2.02, Pause(0.1, 2.02)), (2.5, Pause(0.1, 2.5))]
    again = [(3.0, SpeechStarted(2.9, 3.0)), (4.0, Pause(0.93, 4.0)), (4.1, Pause(0.0, 4.1)), (4.2, Pause(0.93, 4.2))]
    (turns,) = (lane.marbles for lane in lanes_of([*said, *silence, *again], 0.0) if lane.name == "turns")
    assert [(one.at_s, one.text) for one in turns] == [
        (1.0, "0.90"), (1.4, "0.02"), (1.6, "0.90"), (2.0, "→ Hi"), (4.0, "0.93"), (4.2, "0.93"),
    ]  # fmt: skip
