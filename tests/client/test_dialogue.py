"""From messages to facts: turns, latencies, interruptions; no socket, no clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voicepipe.client.dialogue import Dialogue
from voicepipe.client.facts import (
    Fact,
    Heard,
    Interrupted,
    Measured,
    Problem,
    ReplyAudible,
    ReplyCreated,
    ReplyDone,
    Said,
    SpeechStarted,
    SpeechStopped,
)
from voicepipe.events import Samples

FRAME = 480


class Told:
    """A dialogue, and what came of it."""

    def __init__(self) -> None:
        self.dialogue = Dialogue()
        self.facts: list[Fact] = []
        self._sent = 0

    def speak(self, pattern: str) -> None:
        """20 ms each, the first one from second 0 on: ``s`` is loud, ``_`` is silent."""
        for letter in pattern:
            self._sent += 1
            self.dialogue.speak(self._sent * 0.02, np.full(FRAME, 0.3 if letter == "s" else 0, np.float32))

    def hear(self, at_s: float, kind: str, **fields: Any) -> None:
        self.facts += self.dialogue.hear(at_s, {"type": kind, **fields})

    def sound(self, at_s: float, seconds: float) -> None:
        samples: Samples = np.full(round(seconds * 24_000), 0.1, np.float32)
        self.facts += self.dialogue.sound(at_s, samples)


WORD = "conversation.item.input_audio_transcription.delta"


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_turn_is_measured_from_the_last_loud_sample_to_the_first_sound(told: Told):
    """Loud until 0.1 s, the reply's first sound at 0.5 s; the page that begins a stream holds no sound."""
    told.speak("sssss" + "_" * 10)
    told.hear(0.2, WORD, delta=" Hello")
    told.hear(0.3, "response.created")
    told.sound(0.4, 0)
    told.sound(0.5, 0.04)
    told.sound(0.6, 0.04)
    assert told.facts[:2] == [Heard("Hello"), ReplyCreated()]
    (audible,) = told.facts[2:]
    assert isinstance(audible, ReplyAudible)
    assert audible.latency_ms == pytest.approx(400)
    assert not audible.over_user


def test_what_was_said_before_the_first_frame_does_not_move_the_clock(told: Told):
    """A microphone that begins late: its positions are counted from its first frame."""
    told._sent = 50
    told.speak("ss___")
    assert told.dialogue.origin_s == pytest.approx(1.0)
    assert told.dialogue.user_until_s == pytest.approx(1.04)


def test_the_opening_and_a_nudge_answer_nobody(told: Told):
    """Without a word of the user's since the last reply, there is no latency; noise alone is none."""
    told.hear(0.1, "response.created")
    told.sound(0.2, 0.04)
    told.speak("s" + "_" * 20)
    told.hear(1.0, "response.created")
    told.sound(1.1, 0.04)
    assert [fact.latency_ms for fact in told.facts if isinstance(fact, ReplyAudible)] == [None, None]


def test_sound_while_the_user_speaks_interrupts_the_user(told: Told):
    """The user was loud 20 ms before the bot's first sound."""
    told.speak("s" * 10)
    told.hear(0.1, WORD, delta="Well")
    told.hear(0.19, "response.created")
    told.sound(0.22, 0.04)
    assert told.facts[-1] == ReplyAudible(pytest.approx(20), over_user=True)


def test_an_interruption_flushes_what_plays_and_says_how_long_it_took(told: Told):
    """The user began at 0.2 s, the bot was stopped at 0.5 s with 0.5 s of sound to go; what comes after is no end."""
    told.hear(0.0, "response.created")
    told.sound(0.0, 1.0)
    told.speak("_" * 10 + "s" * 15)
    told.hear(0.5, "unmute.interrupted_by_vad")
    told.hear(0.5, "response.audio.done")
    assert told.facts[-1] == Interrupted(after_ms=pytest.approx(300), unheard_ms=pytest.approx(500))
    assert len(told.dialogue.playback.heard()) == 12_000
    assert told.dialogue.turns[0].interrupted


def test_a_reply_is_its_words(told: Told):
    """Each word as it is spoken, and the whole at the end."""
    told.hear(0.0, "response.created")
    for word in ("Good", "morning."):
        told.hear(0.1, "response.text.delta", delta=word)
    told.hear(0.2, "response.audio.done")
    assert told.facts[1:] == [Said("Good"), Said("morning."), ReplyDone("Good morning.")]


def test_the_servers_figures_belong_to_the_turn_that_was_answered(told: Told):
    """Once per turn, beside what was measured here; a reply to nobody has none."""
    debug = {"chat_history": [], "debug_dict": {"total_ms": 310.0, "parts_ms": {"tts": 310.0}}}
    told.hear(0.0, "response.created")
    told.hear(0.0, "unmute.additional_outputs", args=debug)
    told.speak("ss" + "_" * 20)
    told.hear(0.2, WORD, delta="Hi")
    told.hear(0.3, "response.created")
    told.sound(0.4, 0.02)
    told.hear(0.5, "unmute.additional_outputs", args=debug)
    told.hear(0.6, "unmute.additional_outputs", args=debug)
    measured = [fact for fact in told.facts if isinstance(fact, Measured)]
    assert measured == [Measured(pytest.approx(360), 310.0, {"tts": 310.0})]
    assert [turn.server_ms for turn in told.dialogue.turns] == [None, 310.0]


def test_complaints_and_notices_become_facts(told: Told):
    """Errors with their kind; the server's ear; what is unknown is passed over."""
    told.hear(0.0, "error", error={"type": "warning", "message": "slow"})
    told.hear(0.1, "input_audio_buffer.speech_started")
    told.hear(0.2, "input_audio_buffer.speech_stopped")
    told.hear(0.3, "session.updated", session={})
    told.hear(0.3, "unmute.additional_outputs", args={"debug_dict": {}})
    assert told.facts == [Problem("warning", "slow"), SpeechStarted(), SpeechStopped()]


def test_the_bot_is_quiet_when_it_has_finished_and_its_sound_has_been_played(told: Told):
    """Neither while it thinks, nor while its sound still plays."""
    assert told.dialogue.quiet_since(1.0) == 0
    told.hear(2.0, "response.created")
    assert told.dialogue.quiet_since(2.5) is None
    told.sound(3.0, 1.0)
    told.hear(3.1, "response.audio.done")
    assert told.dialogue.quiet_since(3.9) is None
    assert told.dialogue.quiet_since(4.5) == 4.0


def test_answered_means_a_reply_after_the_users_last_sound(told: Told):
    """A reply that began before it was to something else."""
    assert not told.dialogue.answered
    told.hear(0.0, "response.created")
    assert told.dialogue.answered
    told.speak("__ss")
    assert not told.dialogue.answered
    told.hear(0.09, "response.created")
    assert told.dialogue.answered


def test_sound_without_a_reply_is_a_turn_of_its_own(told: Told):
    """A pipeline that only echoes never says that it replies."""
    told.speak("ssss")
    told.sound(0.1, 0.04)
    told.sound(0.14, 0.04)
    assert told.facts == [ReplyAudible(pytest.approx(20), over_user=True)]
    assert told.dialogue.quiet_since(1.0) == pytest.approx(0.18)
