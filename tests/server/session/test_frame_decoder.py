"""From a frame to the messages of the pipeline, with the dialect that is negotiated."""

from __future__ import annotations

import base64
import json

import pytest

from voicepipe.events import AudioReceived, InputCleared, InputRejected
from voicepipe.realtime import DialectNegotiation
from voicepipe.server.session.frame_decoder import FrameDecoder


class Decoding:
    """A decoder for a GA client; `alive` counts the signs of life."""

    def __init__(self) -> None:
        self.alive = 0
        wire = DialectNegotiation("ga", "s1")
        wire.opening()
        self.decode = FrameDecoder(wire, self._note)

    def _note(self) -> None:
        self.alive += 1


@pytest.fixture
def decoding(virtual_loop):
    return Decoding()


def append(ms: int) -> str:
    """A frame with so much sound of 24 kHz, each piece of 80 ms of its own samples."""
    sound = b"".join(bytes([number // 80 + 1]) * 48 for number in range(ms))
    return json.dumps(
        {"type": "input_audio_buffer.append", "event_id": "a1", "audio": base64.b64encode(sound).decode()}
    )


async def test_sound_comes_in_pieces(decoding):
    """Of 80 ms at most, in order; each knows the message it came with."""
    pieces = decoding.decode(append(200))
    assert [(type(piece), len(piece.data) / 48, set(piece.data)) for piece in pieces] == [
        (AudioReceived, 80, {1}), (AudioReceived, 80, {2}), (AudioReceived, 40, {3}),
    ]  # fmt: skip
    assert {piece.message_id for piece in pieces} == {"a1"}


async def test_a_message_without_sound_is_one(decoding):
    """And each frame is a sign of life."""
    decoding.decode(append(100))
    assert decoding.decode('{"type": "input_audio_buffer.clear"}') == [InputCleared()]
    assert decoding.alive == 2


async def test_a_binary_frame_is_rejected(decoding):
    """With the name of the dialect; it is a sign of life all the same."""
    (rejected,) = decoding.decode(b"\x00")
    assert rejected == InputRejected(
        "unexpected_binary_frame", "Binary frames are not understood: this dialect (ga) speaks JSON text."
    )
    assert decoding.alive == 1


@pytest.mark.parametrize("frame", ["", "{", "[]", "[" * 50_000, '{"type": "dance"}'])
async def test_a_frame_that_is_no_message_is_rejected(decoding, frame):
    """It raises nothing."""
    assert [type(message) for message in decoding.decode(frame)] == [InputRejected]
