"""Which dialect a client speaks: by its handshake, or by what it says first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voicepipe.audio import OggOpus
from voicepipe.events import (
    AudioReceived,
    InputRejected,
    ReplyRequested,
    SessionOpened,
    SettingsChanged,
    TurnTaking,
    Warned,
)
from voicepipe.realtime import DialectNegotiation, dialect_of

UNMUTE = {"type": "session.update", "session": {"instructions": {"type": "news"}, "allow_recording": False}}
GA = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
APPEND = {"type": "input_audio_buffer.append", "audio": "T2dnUw=="}


def input_format(wire: DialectNegotiation) -> Any:
    (received,) = wire.decode(json.dumps(APPEND))
    assert isinstance(received, AudioReceived)
    return received.audio_format


def types(received: list[Any]) -> list[type]:
    return [type(message) for message in received]


@pytest.mark.parametrize(
    ("headers", "protocols", "kind"),
    [
        ({}, [], "ga"),
        ({"Authorization": "Bearer k"}, [], "ga"),
        ({"Authorization": "Bearer k"}, ["realtime"], "ga"),
        ({}, ["realtime", "openai-insecure-api-key.k"], "ga"),
        ({}, ["realtime"], "unmute?"),
        ({"OpenAI-Beta": "realtime=v1"}, [], "beta"),
        ({"OpenAI-Beta": "assistants=v2, realtime=v1"}, ["realtime"], "beta"),
        ({"OpenAI-Beta": "realtime=v2"}, [], "ga"),
        ({}, ["realtime", "openai-insecure-api-key.k", "openai-beta.realtime-v1"], "beta"),
    ],
)
def test_by_the_handshake(headers: dict[str, str], protocols: list[str], kind: str):
    """Headers of programs, subprotocols of browsers."""
    assert dialect_of(headers, protocols) == kind


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/realtime", "ga"), ("/openai/v1/realtime", "ga"), ("/openai/realtime", "beta")]
)
def test_by_the_path(path: str, kind: str):
    """Azure has one for each form."""
    assert dialect_of({"api-key": "k"}, ["realtime"], path) == kind


@pytest.mark.parametrize(("kind", "event"), [("ga", "conversation.item.done"), ("beta", "conversation.item.created")])
def test_a_client_of_openai_is_greeted_at_once(kind: Any, event: str):
    """With settings for the pipeline; not twice."""
    wire = DialectNegotiation(kind, "sess_x")
    opened = wire.opening()
    assert types(opened) == [SessionOpened, SettingsChanged]
    assert opened[1].turns == TurnTaking("meaning")  # pyright: ignore[reportAttributeAccessIssue]
    assert wire.encode(opened[0])[0]["type"] == "session.created"
    assert wire.waited() == []
    assert wire.name == kind
    item = {"type": "message", "role": "user", "content": []}
    (created,) = wire.decode(json.dumps({"type": "conversation.item.create", "item": item}))
    assert wire.encode(created)[-1]["type"] == event


def test_unmute_speaks_first():
    """Nothing before its settings, Ogg-Opus both ways, and no greeting later."""
    wire = DialectNegotiation("unmute?", "sess_x")
    assert wire.opening() == []
    assert wire.codec == OggOpus()
    (settings,) = wire.decode(json.dumps(UNMUTE))
    assert isinstance(settings, SettingsChanged)
    assert (settings.turns, settings.aloud) == (None, None)
    assert [message["type"] for message in wire.encode(settings)] == ["session.updated"]
    assert (input_format(wire), settings.output_format) == ("audio/opus", "audio/opus")
    assert wire.waited() == []
    assert wire.name == "unmute"
    assert types(wire.decode(json.dumps(GA))) == [InputRejected]


def test_a_client_that_looked_like_unmute_may_be_ga():
    """By the first settings, or by a request that Unmute does not have: then it is greeted, and heard."""
    wire = DialectNegotiation("unmute?", "sess_x")
    _, *settings = wire.decode(json.dumps(GA))
    assert types(settings) == [SettingsChanged, SettingsChanged]
    assert [getattr(one, "output_format", None) for one in settings] == ["audio/pcm"] * 2
    assert input_format(wire) == "audio/pcm"
    wire = DialectNegotiation("unmute?", "sess_x")
    assert types(wire.decode('{"type": "response.create"}')) == [SessionOpened, SettingsChanged, ReplyRequested]


def test_a_client_that_waits_is_greeted():
    """A GA client that says nothing before it is; once."""
    wire = DialectNegotiation("unmute?", "sess_x")
    assert types(wire.waited()) == [SessionOpened, SettingsChanged]
    assert wire.waited() == []
    assert types(wire.decode(json.dumps(GA))) == [SettingsChanged]
    assert input_format(wire) == "audio/pcm"


def test_a_greeted_client_may_still_be_unmute():
    """On a slow line; what the pipeline was told of turns is taken back."""
    for kind in ("ga", "beta", "unmute?"):
        wire = DialectNegotiation(kind, "sess_x")
        wire.opening() or wire.waited()
        (settings,) = wire.decode(json.dumps(UNMUTE))
        assert isinstance(settings, SettingsChanged)
        assert settings.turns is None
        assert (input_format(wire), settings.output_format) == ("audio/opus", "audio/opus")


def test_sound_before_any_settings_is_that_of_unmute():
    """From one that may be Unmute; it is not greeted any more once it was told something."""
    wire = DialectNegotiation("unmute?", "sess_x")
    assert types(wire.decode(json.dumps(APPEND))) == [AudioReceived]
    assert wire.waited() == []
    wire = DialectNegotiation("unmute?", "sess_x")
    assert wire.encode(Warned("Mind."))
    assert wire.waited() == []


@pytest.mark.parametrize("text", ["", "no", "[]", "null", '{"type": "session.update"}', '{"type": "sing"}', "[" * 9999])
def test_nonsense_decides_nothing(text: str):
    """It is answered, and what comes after it is understood."""
    wire = DialectNegotiation("unmute?", "sess_x")
    assert types(wire.decode(text)) == [InputRejected]
    assert wire.name == "unmute?"
    assert types(wire.decode(json.dumps(UNMUTE))) == [SettingsChanged]
