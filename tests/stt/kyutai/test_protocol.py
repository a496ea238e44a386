"""Messages of the recogniser, byte for byte, and its pause score."""

import doctest
import struct
from contextlib import suppress

import numpy as np
import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.services import AtCapacity, ProtocolViolation
from voicepipe.stt.kyutai import protocol
from voicepipe.stt.kyutai.protocol import (
    FRAME,
    FRAME_S,
    MarkerPassed,
    PauseScore,
    Ready,
    Step,
    WordEnded,
    WordStarted,
    decode,
    encode_audio,
    encode_marker,
)

SERVICE = "speech recognition (STT)"


def by_hand(samples: np.ndarray) -> bytes:
    """As MessagePack's specification writes it: a map of two, and an array of single floats, number by number."""
    length = len(samples)
    head = bytes([0x90 | length]) if length < 16 else b"\xdc" + struct.pack(">H", length)
    floats = b"".join(b"\xca" + struct.pack(">f", float(sample)) for sample in samples)
    return b"\x82\xa4type\xa5Audio\xa3pcm" + head + floats


@given(st.lists(st.floats(-1, 1, width=32), max_size=40))
def test_sound_is_an_array_of_single_floats(samples: list[float]) -> None:
    """The bytes are those that a list of single floats has, written number by number."""
    sound = np.array(samples, np.float32)
    assert encode_audio(sound) == by_hand(sound)


def test_a_frame_is_written_in_one_go() -> None:
    """1920 samples, also as a view of a longer sound: 9619 bytes."""
    sound = np.random.default_rng(1).uniform(-1, 1, 3 * FRAME).astype(np.float32)
    message = encode_audio(sound[FRAME : 2 * FRAME])
    assert message == by_hand(sound[FRAME : 2 * FRAME])
    assert len(message) == 9619
    assert ormsgpack.unpackb(encode_marker(7)) == {"type": "Marker", "id": 7}


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ({"type": "Ready"}, Ready()),
        ({"type": "Step", "step_idx": 3, "prs": [0.1, 0.2, 0.7, 0.4]}, Step(0.7)),
        ({"type": "Word", "text": "hi", "start_time": 1.5}, WordStarted("hi", 1.5)),
        ({"type": "EndWord", "stop_time": 2}, WordEnded(2.0)),
        ({"type": "Marker", "id": 1}, MarkerPassed(1)),
        ({"type": "Something", "new": True}, None),
    ],
)
def test_what_the_server_says(message: dict[str, object], read: object) -> None:
    """The third of a step's scores is that of a pause; kinds that are not known are passed over."""
    assert decode(ormsgpack.packb(message), service=SERVICE) == read


def test_an_error_means_that_it_is_full() -> None:
    """This is no fault."""
    with pytest.raises(AtCapacity, match="no free channels"):
        decode(ormsgpack.packb({"type": "Error", "message": "no free channels"}), service=SERVICE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"<html>",
        ormsgpack.packb([1, 2]),
        ormsgpack.packb({"no": "type"}),
        ormsgpack.packb({"type": "Step", "prs": [0.1]}),
        ormsgpack.packb({"type": "Step", "prs": None}),
        ormsgpack.packb({"type": "Word", "text": "hi"}),
        ormsgpack.packb({"type": "EndWord", "stop_time": "late"}),
    ],
)
def test_nonsense_is_a_fault_with_a_name(data: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ProtocolViolation, match=r"The speech recognition \(STT\) sent an invalid message"):
        decode(data, service=SERVICE)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """They are a message, or nonsense."""
    with suppress(ProtocolViolation, AtCapacity):
        decode(data, service=SERVICE)


def test_the_pause_score_is_averaged_with_a_half_life_of_10_ms() -> None:
    """Up and down alike: after a step of 80 ms 1/256 of the old value is left."""
    score = PauseScore()
    for _ in range(12):
        assert score.add(0.0) is None
    assert score.value == 1.0, "the first twelve steps of a connection do not count"
    assert score.add(0.0) == pytest.approx(0.5 ** (FRAME_S / 0.01)) == pytest.approx(1 / 256)
    assert score.add(1.0) == pytest.approx(1 - 1 / 256 * 255 / 256)


def test_the_users_first_word_sets_the_score_to_0() -> None:
    """A pause that was sure a moment ago must not end the turn that begins; a new connection changes nothing."""
    score = PauseScore()
    score.user_begins()
    assert score.value == 0.0
    score.begin()
    assert score.value == 0.0
    assert [score.add(1.0) for _ in range(13)][11:] == [None, pytest.approx(255 / 256)]


def test_the_examples_are_true() -> None:
    """The docstrings' examples run."""
    failed, tried = doctest.testmod(protocol)
    assert tried
    assert not failed
