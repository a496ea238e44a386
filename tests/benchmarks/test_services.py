"""The services' share of the time, and voicepipe's."""

from __future__ import annotations

import pytest
from benchmarks.common.caller import Reply, Said
from benchmarks.services import (
    CLIENTS,
    FLUSH_STEPS,
    TURNS,
    Asked,
    Hearing,
    Interrupts,
    Notes,
    Speaking,
    Thinking,
    flushed,
    lines,
    stopped,
    took,
)

LINE = lines(0, 1)[0]
PAUSED = 1
"""The step with which the pause begins, at 10.0 s."""


def heard() -> Hearing:
    """A frame comes 10 ms after the step with the pause, the other silence with it; a step each 20 ms."""
    steps = [(9.92, 0.05), (10.0, 0.95), *((10.0 + 0.02 * number, 0.95) for number in range(1, 9))]
    frames = [(9.9, False), (9.99, False), *[(10.01, True)] * 8]
    return Hearing(frames, steps, [(9.5, LINE.key.split()[0])])


def asked(reply: Reply | None, cut: Reply | None = None, by: Interrupts = "") -> Asked:
    return Asked(LINE, Said(LINE.utterance, 1.0), reply, cut, by, client_s=8.0, microphone_s=9.82)


def notes() -> Notes:
    """The LLM is asked 5 ms after the flush, the TTS has a word 2 ms after it was written; each takes 100 ms."""
    think = Thinking(LINE.asks, 10.145, [10.245, 10.265, 10.285, 10.305])
    name, number = LINE.key.split()
    speak = Speaking([(10.267, name), (10.287, number), (10.307, "and")], [10.407, 10.427])
    return Notes([heard()], [think], [speak])


def test_the_parts_sum_to_the_whole() -> None:
    """From the step with the pause at 10.0 s to the client's first sound at 10.41 s."""
    found = took(asked(Reply(2.2, first_sound_s=2.41)), notes())
    assert found is not None
    assert found.total == pytest.approx(410)
    assert (found.flush, found.ask, found.speak, found.play) == pytest.approx((10, 5, 2, 3))
    assert found.added == pytest.approx(20)
    assert (found.stt, found.llm, found.llm_words, found.tts) == pytest.approx((130, 100, 60, 100))
    assert found.way_in == pytest.approx(10)


def test_a_recogniser_without_sound_waits_for_us() -> None:
    """In the middle of a flush, too."""
    late = heard()
    late.frames[PAUSED + FLUSH_STEPS] = (10.135, True)
    assert flushed(late, PAUSED) == pytest.approx((0.025, 0.115))


def test_a_turn_that_was_understood_otherwise_is_in_no_figure() -> None:
    """Nor is one without an answer, or without a pause."""
    other, without = notes(), notes()
    other.thought[0].asked = "something else"
    without.heard[0].steps[PAUSED] = (10.0, 0.05)
    answered = asked(Reply(2.2, first_sound_s=2.41))
    assert took(answered, other) is None
    assert took(answered, without) is None
    assert took(asked(None), notes()) is None


def test_an_interruption_counts_from_what_takes_the_floor() -> None:
    """A voice by the first step that hears it, a word by itself; of the reply that was cut."""
    cut = Reply(0.5, first_sound_s=1.0, last_sound_s=1.93, interrupted_s=1.96)
    voice, word = stopped(asked(None, cut, "voice"), notes()), stopped(asked(None, cut, "word"), notes())
    assert voice is not None
    assert (voice.sound, voice.told) == pytest.approx((10, 40))
    assert word is not None
    assert (word.sound, word.told) == pytest.approx((430, 460))
    assert stopped(asked(None), notes()) is None


def test_no_two_turns_are_alike() -> None:
    """A turn is known by what is asked and by how the answer begins."""
    every = [line for client in range(CLIENTS) for line in lines(client, TURNS)]
    assert len({line.asks for line in every}) == len({line.key for line in every}) == len(every) == CLIENTS * TURNS
