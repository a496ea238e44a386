"""Messages of the synthesiser, and what of a text is said."""

import doctest

import numpy as np
import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.services import AtCapacity, ProtocolViolation
from voicepipe.tts.kyutai import protocol
from voicepipe.tts.kyutai.protocol import EOS, Options, Ready, Sound, WordSaid, decode, encode_text

SERVICE = "speech synthesis (TTS)"


def test_the_examples_are_true() -> None:
    """The docstrings' examples run."""
    failed, tried = doctest.testmod(protocol)
    assert tried
    assert not failed


def test_the_query() -> None:
    """A named voice is part of it, a cloned one is not; what is not set is not sent."""
    assert Options().query("unmute-prod-website/p329_022.wav") == {
        "voice": "unmute-prod-website/p329_022.wav",
        "cfg_alpha": "1.5",
        "format": "PcmMessagePack",
    }
    assert Options().query(b"cloned") == Options().query(None) == {"cfg_alpha": "1.5", "format": "PcmMessagePack"}
    options = Options(cfg_alpha=2.0, seed=1, temperature=0.5, top_k=20, max_seq_len=99, auth_id="me")
    assert options.query(None) == {
        "cfg_alpha": "2.0",
        "format": "PcmMessagePack",
        "seed": "1",
        "temperature": "0.5",
        "top_k": "20",
        "max_seq_len": "99",
        "auth_id": "me",
    }


def test_what_we_say() -> None:
    """A word at a time, and the end."""
    assert ormsgpack.unpackb(encode_text(" hello")) == {"type": "Text", "text": " hello"}
    assert ormsgpack.unpackb(EOS) == {"type": "Eos"}


def test_what_the_server_says() -> None:
    """Ready, words with times, an error that means full; kinds that are not known are passed over."""
    said = lambda message: decode(ormsgpack.packb(message), service=SERVICE)
    assert said({"type": "Ready"}) == Ready()
    assert said({"type": "Text", "text": "hi", "start_s": 1, "stop_s": 1.5}) == WordSaid("hi", 1.0, 1.5)
    assert said({"type": "Other"}) is None
    with pytest.raises(AtCapacity, match="no free channels"):
        said({"type": "Error", "message": "no free channels"})


@given(st.lists(st.floats(-1, 1, width=32), max_size=40))
def test_sound_in_every_way_to_write_it(samples: list[float]) -> None:
    """Single floats read from the bytes, doubles and other orders from a list: the same samples."""
    sound = np.array(samples, np.float32)
    written = [
        ormsgpack.packb({"type": "Audio", "pcm": sound}, option=ormsgpack.OPT_SERIALIZE_NUMPY),
        ormsgpack.packb({"type": "Audio", "pcm": samples}),
        ormsgpack.packb({"pcm": samples, "type": "Audio"}),
        ormsgpack.packb({"type": "Audio", "pcm": samples, "more": 1}),
    ]
    for data in written:
        message = decode(data, service=SERVICE)
        assert isinstance(message, Sound)
        assert message.samples.dtype == np.float32
        assert np.array_equal(message.samples, sound)


def test_a_frame_is_read_straight_from_its_bytes() -> None:
    """1920 samples; mixed with other numbers it is read as a list."""
    sound = np.random.default_rng(1).uniform(-1, 1, 1920).astype(np.float32)
    data = ormsgpack.packb({"type": "Audio", "pcm": sound}, option=ormsgpack.OPT_SERIALIZE_NUMPY)
    message = decode(data, service=SERVICE)
    assert isinstance(message, Sound)
    assert np.array_equal(message.samples, sound)
    mixed = decode(ormsgpack.packb({"type": "Audio", "pcm": [0, 1, *([0.5] * 20)]}), service=SERVICE)
    assert isinstance(mixed, Sound)
    assert list(mixed.samples[:3]) == [0, 1, 0.5]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"<html>",
        ormsgpack.packb("text"),
        ormsgpack.packb({}),
        ormsgpack.packb({"type": "Audio"}),
        ormsgpack.packb({"type": "Audio", "pcm": ["loud"]}),
        ormsgpack.packb({"type": "Text", "text": "hi"}),
        ormsgpack.packb({"type": "Text", "text": "hi", "start_s": None, "stop_s": 1}),
        b"\x82\xa4type\xa5Audio\xa3pcm\xdc\x07\x80",
    ],
)
def test_nonsense_is_a_fault_with_a_name(data: bytes) -> None:
    """Whatever is wrong with it, a frame that is cut short included."""
    with pytest.raises(ProtocolViolation, match=r"synthesis \(TTS\) sent an invalid message"):
        decode(data, service=SERVICE)
