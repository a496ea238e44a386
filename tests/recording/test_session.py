"""The parts of a session that are kept: nothing without consent, no sound of the user without a consent of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reactivex import operators as rx
from recorded_session import ALLOWS_EVENTS, ALLOWS_NOTHING, ALLOWS_SOUND, packets, recorded, talk

from voicepipe.events import AudioReceived, SpeechEncoded, TurnEnded
from voicepipe.operators import decode, encode
from voicepipe.operators.pace import pace
from voicepipe.presets import PLAYBACK
from voicepipe.recording.file import read
from voicepipe.recording.records import Emitted, MessageReceived, SoundDecoded, SoundEncoded, StageAnsweredAtOnce

LOUD = next(iter(packets(0, 0.02, loud=True)))[1].data


def messages(path: Path) -> list[Any]:
    return [record.message for record in read(path).records if isinstance(record, MessageReceived)]


def heard(path: Path) -> list[str]:
    return [event.text for _, event in read(path).emitted() if isinstance(event, TurnEnded)]


def test_without_consent_nothing_is_kept(tmp_path: Path) -> None:
    """No file, not even an empty one."""
    assert recorded(tmp_path, talk(ALLOWS_NOTHING, turns=1)) == []
    assert recorded(tmp_path, talk(turns=1)) == []


def test_with_consent_to_events_the_users_sound_is_not_kept(tmp_path: Path) -> None:
    """Its length is, in place of it, and all words; so are the bot's words and sound."""
    (path,) = recorded(tmp_path, talk(ALLOWS_EVENTS, turns=1))
    recording = read(path)
    sound = [message for message in messages(path) if isinstance(message, AudioReceived)]
    assert {message.data for message in sound} == {b""}
    lengths = [record.samples for record in recording.records if isinstance(record, SoundDecoded)]
    assert lengths == [480] * len(sound)
    assert LOUD[:64] not in path.read_bytes()
    assert heard(path) == ["Hello there."]
    assert (recording.header.sound, recording.header.partial) == (False, False)


@pytest.mark.parametrize(
    ("settings", "operator", "kept"),
    [(ALLOWS_SOUND, True, True), (ALLOWS_SOUND, False, False), (ALLOWS_EVENTS, True, False)],
    ids=["both say so", "the client alone", "the operator alone"],
)
def test_the_users_sound_is_kept_if_operator_and_client_say_so(
    tmp_path: Path, settings: Any, operator: bool, kept: bool
) -> None:
    (path,) = recorded(tmp_path, talk(settings, turns=1), sound=operator)
    assert (LOUD in path.read_bytes()) is kept
    assert read(path).header.sound is kept


def test_a_pipeline_that_says_what_it_hears_gives_no_sound_away(tmp_path: Path) -> None:
    """The user's own sound leaves the graph: its checksum is kept."""

    def echo(session: Any) -> Any:
        heard = session.received.pipe(decode(session.codec))
        return heard.pipe(rx.map(_said), pace(PLAYBACK), encode(session.codec))

    (path,) = recorded(tmp_path, talk(ALLOWS_EVENTS, turns=1), pipeline=echo)
    emitted = [event for _, event in read(path).emitted() if isinstance(event, SpeechEncoded | SoundEncoded)]
    assert emitted
    assert {type(event) for event in emitted} == {SoundEncoded}
    assert LOUD[:64] not in path.read_bytes()


def _said(item: Any) -> Any:
    from voicepipe.events import Audio, ReplyAudio

    return ReplyAudio(item) if isinstance(item, Audio) else item


def test_a_withdrawn_consent_deletes_the_recording(tmp_path: Path) -> None:
    said = [*talk(ALLOWS_SOUND, turns=1), (3.0, ALLOWS_NOTHING), *packets(3.1, 0.5, loud=True)]
    assert recorded(tmp_path, said) == []
    assert list(tmp_path.iterdir()) == []


def test_a_consent_that_comes_again_begins_another_recording(tmp_path: Path) -> None:
    """Nothing of before is in it, and it says that it is a part."""
    said = [*talk(ALLOWS_SOUND, turns=1), (3.0, ALLOWS_NOTHING), (3.1, ALLOWS_EVENTS), *packets(3.2, 0.5, loud=True)]
    (path,) = recorded(tmp_path, said)
    assert read(path).header.partial
    assert heard(path) == []
    assert messages(path)[0] == ALLOWS_EVENTS


def test_a_consent_to_sound_that_is_withdrawn_takes_the_sound_along(tmp_path: Path) -> None:
    """The recording goes on without it, in another file."""
    said = [*talk(ALLOWS_SOUND, turns=1), (3.0, ALLOWS_EVENTS), *packets(3.1, 0.5, loud=True)]
    (path,) = recorded(tmp_path, said)
    assert LOUD[:64] not in path.read_bytes()
    assert (read(path).header.sound, read(path).header.partial) == (False, True)


def test_what_is_said_before_the_consent_is_not_kept(tmp_path: Path) -> None:
    said = [*packets(0.1, 0.6, loud=True), *packets(0.7, 0.8, loud=False), (2.0, ALLOWS_EVENTS), (2.5, ALLOWS_EVENTS)]
    (path,) = recorded(tmp_path, said)
    assert read(path).header.partial
    assert not any(isinstance(message, AudioReceived) for message in messages(path))
    assert heard(path) == []


def test_a_recording_ends_at_its_size_and_the_session_goes_on(tmp_path: Path) -> None:
    (path,) = recorded(tmp_path, talk(ALLOWS_SOUND, turns=2), max_bytes=50_000)
    assert read(path).ended.startswith("the recording ended before the session")
    assert path.stat().st_size < 60_000


def test_the_address_of_the_client_is_not_kept(tmp_path: Path) -> None:
    (path,) = recorded(tmp_path, [(0.1, ALLOWS_EVENTS)])
    assert b"192.0.2.7" not in path.read_bytes()


def test_what_stages_give_is_kept_with_its_place(tmp_path: Path) -> None:
    """Behind the item that caused it."""
    (path,) = recorded(tmp_path, talk(ALLOWS_EVENTS, turns=1))
    answers = [record for record in read(path).records if isinstance(record, StageAnsweredAtOnce)]
    assert {record.what for record in answers} == {"next", "completed"}
    assert all(record.inputs >= 0 for record in answers)


def test_a_fault_of_the_recorder_ends_the_recording_and_not_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message still comes to the pipeline."""
    seen: list[Any] = []

    def pipeline(session: Any) -> Any:
        return session.received.pipe(rx.do_action(seen.append), rx.ignore_elements())

    def broken(*_: object) -> Any:
        raise RuntimeError("cannot be written")

    said: Sequence[Any] = [(0.1, ALLOWS_EVENTS), *packets(0.2, 0.1, loud=True)]
    monkeypatch.setattr("voicepipe.recording.session.SessionRecorder._kept", broken)
    recorded(tmp_path, said, pipeline=pipeline)
    assert seen == [message for _, message in said]


def test_sound_is_kept_to_the_bit(tmp_path: Path) -> None:
    said = talk(ALLOWS_SOUND, turns=1)
    (path,) = recorded(tmp_path, said)
    sent = b"".join(message.data for _, message in said if isinstance(message, AudioReceived))
    kept = b"".join(message.data for message in messages(path) if isinstance(message, AudioReceived))
    assert kept == sent
    assert np.abs(np.frombuffer(kept, "<i2")).max() > 1000
    assert any(isinstance(record, Emitted) for record in read(path).records)
