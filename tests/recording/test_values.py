"""Events as they are written, and read again: by this version, by an older and by a newer one."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.conversation import ClientInfo, Conversation, ItemId, Message, ToolServer
from voicepipe.events import (
    Audio,
    AudioReceived,
    Event,
    Function,
    FunctionCall,
    FunctionCalled,
    Generation,
    ItemCreated,
    ReplyAudio,
    ReplyStarted,
    SettingsChanged,
    StageFailed,
    TurnMeasured,
    WordRecognised,
)
from voicepipe.operators.deadline import DeadlineMissed
from voicepipe.recording import values
from voicepipe.recording.values import Packer, RecordedError, Unpacker, in_16_bits
from voicepipe.stage import StageError


def again(*written: object) -> list[Any]:
    """The values after they were written and read."""
    packer, unpacker = Packer(), Unpacker()
    read = [unpacker.unpack(message) for value in written for message in packer.pack(value)]
    return [value for is_value, value in read if is_value]


TALK = Conversation("Be brief.", (Message("user", "Hi"), Message("assistant", "Ho", ItemId("i"))), led=True)

EVENTS = [
    AudioReceived(b"\x00\x01", "m1", "audio/pcmu"),
    SettingsChanged("x", written={"a": [1, {"b": None}], "c": 1.5}, generation=Generation((Function("f", "does"),))),
    ReplyStarted(TALK),
    FunctionCalled(FunctionCall("c1", "weather", '{"city": "Paris"}')),
    ItemCreated(ItemId("i"), "user", "“Hé” \ud83d"),
    TurnMeasured(720.4, {"endpointing": 320.4}),
    WordRecognised("Hello", 0.1, 1 / 3, -0.25),
    ClientInfo(query=MappingProxyType({"lang": "fr"})),
    frozenset({"b", "a"}),
    {"a": (1, 2), "b": [1, 2], "c": b"x"},
    (None, True, 2**63, -(2**63), float("inf")),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_written(event: object) -> None:
    """With the type of each field: a tuple stays one, and a list, too."""
    (read,) = again(event)
    assert read == event
    assert type(read) is type(event)


@given(st.floats(allow_nan=False))
def test_a_time_is_the_same_to_the_bit(number: float) -> None:
    (read,) = again(number)
    assert struct.pack("d", read) == struct.pack("d", number)


@given(st.lists(st.floats(-1, 1, width=32), max_size=20))
def test_sound_is_the_same_to_the_bit(samples: list[float]) -> None:
    """Sound of 16 bits takes two bytes a sample, any other four."""
    whole = Audio(np.array(samples, np.float32), 24_000)
    for audio in (whole, in_16_bits(whole)):
        (read,) = again(ReplyAudio(audio))
        assert read.audio.samples.tobytes() == audio.samples.tobytes()
        assert (read.audio.rate_hz, read.audio.samples.dtype) == (24_000, np.float32)
    assert len(Packer().pack(in_16_bits(whole))[-1]) <= 2 * len(samples) + 20


def test_sound_of_16_bits_is_never_louder_than_they_are() -> None:
    assert in_16_bits(Audio(np.array([1.0, -1.0], np.float32), 8000)).samples.tolist() == [32767 / 32768, -1.0]


def test_the_keys_of_a_client_are_not_written() -> None:
    """The headers of its tool servers hold them."""
    server = ToolServer("docs", "https://mcp.example", (("authorization", "Bearer sk-secret"),))
    written = b"".join(Packer().pack(SettingsChanged(generation=Generation(servers=(server,)))))
    assert b"mcp.example" in written
    assert b"sk-secret" not in written


class Odd(Exception):
    """An exception that says something else than it is given."""

    def __init__(self, number: int) -> None:
        super().__init__(f"number {number + 1}")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a"),
        OSError(28, "No space left"),
        TimeoutError(),
        StageError("TTS", StageError("voice", ValueError("no voice"))),
        DeadlineMissed("TTS", 3.0, first=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_is_made_again(error: Exception) -> None:
    """By its arguments, or by its attributes of the same names."""
    (read,) = again(StageFailed("LLM", error))
    assert (type(read.error), str(read.error)) == (type(error), str(error))
    assert getattr(read.error, "stage", "") == getattr(error, "stage", "")


def test_an_exception_that_cannot_be_made_again_keeps_its_text_and_is_written_alike() -> None:
    """Its class wants other arguments than it has kept."""
    error = Odd(6)
    (read,) = again(error)
    assert (type(read), str(read)) == (RecordedError, "number 7")
    assert Packer().pack(read) == Packer().pack(error)


# ---- other versions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """An event of a pipeline."""

    text: str
    number: int = 7


@dataclass(frozen=True, slots=True)
class Newer(Event):
    """The same event in another version: a field has gone, and one with a default has come."""

    text: str
    names: Mapping[str, str] = field(default_factory=dict[str, str])


def test_a_newer_version_reads_an_older_file_and_the_other_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is missing has its default; one that is unknown is left out."""
    packer = Packer()
    messages = packer.pack(Noted("Hi", 3))
    monkeypatch.setattr(values, "_found", lambda name: Newer if name.endswith(":Noted") else None)
    unpacker = Unpacker()
    assert [unpacker.unpack(message) for message in messages][-1] == (True, Newer("Hi"))


def test_an_event_whose_class_is_not_here_keeps_its_name_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording of another's pipeline can be drawn."""
    messages = Packer().pack(Noted("Hi", 3))
    monkeypatch.setattr(values, "_found", lambda _: None)
    unpacker = Unpacker()
    read: Any = [unpacker.unpack(message) for message in messages][-1][1]
    assert isinstance(read, Event)
    assert (type(read).__name__, read.text, read.number) == ("Noted", "Hi", 3)
    assert Packer().pack(read) == messages


def test_a_class_is_written_once() -> None:
    """A word then takes some tens of bytes."""
    packer = Packer()
    assert len(packer.pack(WordRecognised("Hello", 0.1, 0.3))) == 2
    (second,) = packer.pack(WordRecognised("there", 0.3, 0.5))
    assert len(second) < 40


def test_a_number_of_any_length_is_a_number_again() -> None:
    """A client's JSON may hold it."""
    assert again(10**40, -(10**30)) == [10**40, -(10**30)]
