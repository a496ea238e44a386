"""The fault of a message in one sentence: the common part of all dialects."""

from __future__ import annotations

import pytest

from voicepipe.realtime.parse import Rejected, audio_bytes, parse
from voicepipe.realtime.unmute.client_events import UNMUTE_EVENTS


def why(text: str) -> tuple[str, str | None, str]:
    with pytest.raises(Rejected) as caught:
        parse(text, UNMUTE_EVENTS)
    rejected = caught.value.why
    return rejected.code, rejected.param, rejected.message


UPDATE = '{"type": "session.update", "session": %s}'


@pytest.mark.parametrize(
    ("text", "code", "param", "message"),
    [
        ("hello", "invalid_json", None, "The message is not JSON: expecting value at character 0."),
        ("", "invalid_json", None, "The message is not JSON: expecting value at character 0."),
        ("[1, 2]", "invalid_json", None, "The message must be a JSON object, not an array."),
        ("null", "invalid_json", None, "The message must be a JSON object, not null."),
        ("true", "invalid_json", None, "The message must be a JSON object, not a boolean."),
        ('"hi"', "invalid_json", None, "The message must be a JSON object, not a string."),
        ("4.5", "invalid_json", None, "The message must be a JSON object, not a number."),
        ("{}", "missing_required_parameter", "type", "Missing required parameter: 'type'."),
        (
            '{"type": "response.create"}',
            "invalid_value",
            "type",
            "Invalid value for 'type': 'response.create'. Supported: 'session.update', 'input_audio_buffer.append'.",
        ),
        (
            '{"type": "session.update"}',
            "missing_required_parameter",
            "session",
            "Missing required parameter: 'session'.",
        ),
        (UPDATE % "3", "invalid_type", "session", "Invalid value for 'session': should be an object."),
        (
            UPDATE % '{"voice": "x"}',
            "missing_required_parameter",
            "session.allow_recording",
            "Missing required parameter: 'session.allow_recording'.",
        ),
        (
            UPDATE % '{"allow_recording": true, "instructions": {"type": "constant"}}',
            "missing_required_parameter",
            "session.instructions.text",
            "Missing required parameter: 'session.instructions.text'.",
        ),
        (
            UPDATE % '{"allow_recording": true, "instructions": {}}',
            "missing_required_parameter",
            "session.instructions.type",
            "Missing required parameter: 'session.instructions.type'.",
        ),
        (
            UPDATE % '{"allow_recording": true, "instructions": {"type": "news", "language": "de"}}',
            "invalid_value",
            "session.instructions.language",
            "Invalid value for 'session.instructions.language': should be 'en', 'fr', 'en/fr' or 'fr/en'.",
        ),
        (
            UPDATE % '{"allow_recording": "yes"}',
            "invalid_type",
            "session.allow_recording",
            "Invalid value for 'session.allow_recording': should be a valid boolean.",
        ),
    ],
)
def test_the_field_is_named(text: str, code: str, param: str | None, message: str):
    """By the path that the client wrote, with a code for programs and a sentence for people."""
    assert why(text) == (code, param, message)


def test_a_type_that_is_not_ours_lists_those_that_are():
    """Whatever comes in its place, and not all of it."""
    _, param, message = why(UPDATE % ('{"allow_recording": true, "instructions": {"type": "%s"}}' % ("x" * 500)))
    assert param == "session.instructions.type"
    assert "'smalltalk'" in message
    assert len(message) < 300


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5_000, "1e999", '{"type": NaN}', "-Infinity"])
def test_json_that_python_cannot_read_is_said_to_be_too_much(text: str):
    """Too deep, too large a number; or none, though Python would read it, and write it where it is repeated."""
    assert why(text)[0] == "invalid_json"


def test_nesting_has_an_end():
    """Each level costs a frame of whoever reads, merges or repeats it; the message is named all the same."""
    text = '{"type": "session.update", "event_id": "e7", "session": {"allow_recording": true, "x": %s}}'
    parse(text % ("[" * 60 + "]" * 60), UNMUTE_EVENTS)
    for depth in (70, 600):
        with pytest.raises(Rejected, match="more than 64 levels") as caught:
            parse(text % ('{"a": ' * depth + "1" + "}" * depth), UNMUTE_EVENTS)
        assert (caught.value.why.code, caught.value.why.message_id) == ("invalid_json", "e7")


def test_half_a_character_is_no_text():
    """JSON can write one; everything that encodes text would stumble later."""
    with pytest.raises(Rejected, match="surrogate") as caught:
        parse(r'{"type": "session.update", "event_id": "e7", "session": {"voice": "\ud83d"}}', UNMUTE_EVENTS)
    assert (caught.value.why.code, caught.value.why.message_id) == ("invalid_json", "e7")
    parse(UPDATE % r'{"allow_recording": true, "voice": "\ud835\udc00"}', UNMUTE_EVENTS)


def test_the_offender_is_named_when_it_has_a_name():
    """And only if that is a string."""
    with pytest.raises(Rejected) as caught:
        parse('{"type": "input_audio_buffer.append", "event_id": "e7"}', UNMUTE_EVENTS)
    assert caught.value.why.message_id == "e7"
    assert why('{"type": "input_audio_buffer.append", "event_id": 7, "audio": ""}')[1] == "event_id"


@pytest.mark.parametrize("text", ["YWJj\nZA==", "YWJj\r\nZA", "YWJjZA", "YWJjZA=", " YWJjZA==\n"])
def test_base64_in_lines_or_without_padding_is_read(text: str):
    """As MIME writes it, and JSON web tokens."""
    assert audio_bytes(text, "audio", "e1") == b"abcd"
    assert audio_bytes("_-8", "audio", "e1") == b"\xff\xef"


@pytest.mark.parametrize("text", ["a", "ab=c", "YWJjZ", "é", "YW*j"])
def test_audio_that_is_no_base64_is_refused(text: str):
    """Anything else than base64 is not skipped."""
    with pytest.raises(Rejected, match="Invalid 'audio': not base64") as caught:
        audio_bytes(text, "audio", "e1")
    assert (caught.value.why.code, caught.value.why.param, caught.value.why.message_id) == (
        "invalid_audio",
        "audio",
        "e1",
    )


def test_base64_becomes_bytes():
    """None at all are allowed here; the codec has its own opinion."""
    assert audio_bytes("T2dnUw==", "audio", None) == b"OggS"
    assert audio_bytes("", "audio", None) == b""
