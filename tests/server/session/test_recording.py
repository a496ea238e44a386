"""Recordings of a real server's sessions: consent over the wire, and the folder that is kept tidy."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import pytest
import reactivex
from scripted_stages import scripted_stages
from served import UPDATE, Engine

from voicepipe.events import TextNotSpoken, TurnEnded
from voicepipe.loader import load_pipeline
from voicepipe.recording.file import Framer, read
from voicepipe.recording.records import Header
from voicepipe.server.session.recording import pipeline_ref
from voicepipe.testing.replay import differences, replay

DEFAULT = load_pipeline(None)
GA: dict[str, Any] = {"protocols": ()}
LOUD = base64.b64encode(b"\x00\x40\x00\xc0" * 960).decode()
QUIET = base64.b64encode(bytes(3840)).decode()


class Busy(Engine):
    """Each recogniser has work that is never done: sound that is ahead of time waits."""

    def stages(self) -> Any:
        stages = scripted_stages(lambda _: "One two three.", super().stages().close)
        stages.backlog.busy()
        return stages


class Scripted(Engine):
    def stages(self) -> Any:
        return scripted_stages(lambda _: "One two three.", super().stages().close)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def unmute(allowed: bool, **more: bool) -> dict[str, Any]:
    return {**UPDATE, "session": {**UPDATE["session"], "allow_recording": allowed, **more}}


def ga(recording: str) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", "recording": recording}}


async def say(client: Any) -> None:
    """Half a second of voice, and as much silence, in real time."""
    for audio in [LOUD] * 8 + [QUIET] * 10:
        await client.send({"type": "input_audio_buffer.append", "audio": audio})
        await asyncio.sleep(0.08)


async def recorded(serve, folder: Path, *messages: dict[str, Any], connect: dict[str, Any], **settings: Any) -> None:
    """Serve one client that sends settings, speaks, and leaves."""
    async with serve(DEFAULT, Scripted(), recordings_dir=folder, **settings) as served:
        async with served.connect(**connect) as client:
            for message in messages:
                await client.send(message)
                await client.event("session.updated")
            await say(client)
        await served.empty()


@pytest.mark.parametrize(
    ("connect", "settings"),
    [({}, unmute(allowed=True)), (GA, ga("events"))],
    ids=["unmute", "ga"],
)
async def test_a_session_that_allows_it_is_recorded_and_runs_again(serve, tmp_path, connect, settings):
    """With the dialect's own message, and without the user's sound; the same to the bit."""
    await recorded(serve, tmp_path, settings, connect=connect, recordings_user_sound=True)
    (path,) = files(tmp_path)
    recording = read(path)
    assert not recording.header.sound
    assert base64.b64decode(LOUD)[:64] not in path.read_bytes()
    assert recording.header.pipeline.endswith("pipelines/default.py:pipeline")
    assert recording.ended == "the client left"
    if connect:
        assert [event.text for _, event in recording.emitted() if isinstance(event, TurnEnded)] == ["Hello there."]
    again = await asyncio.to_thread(replay, recording, DEFAULT)
    assert (again.diverged, differences(recording, again)) == (None, None)


@pytest.mark.parametrize(
    ("settings", "operator", "kept"),
    [(ga("sound"), True, True), (ga("sound"), False, False)],
    ids=["both say so", "the client alone"],
)
async def test_the_users_sound_is_kept_if_both_say_so(serve, tmp_path, settings, operator, kept):
    await recorded(serve, tmp_path, settings, connect=GA, recordings_user_sound=operator)
    (path,) = files(tmp_path)
    assert (base64.b64decode(LOUD)[:64] in path.read_bytes()) is kept


async def test_unmutes_client_says_so_with_a_field_of_its_own(serve, tmp_path):
    """An addition to Unmute's message."""
    settings = unmute(allowed=True, allow_sound_recording=True)
    await recorded(serve, tmp_path, settings, connect={}, recordings_user_sound=True)
    assert read(files(tmp_path)[0]).header.sound


@pytest.mark.parametrize("folder", [True, False])
async def test_without_folder_or_consent_nothing_is_recorded(serve, tmp_path, folder):
    """Neither the one nor the other is enough."""
    settings = [ga("off")] if folder else [ga("sound")]
    await recorded(serve, tmp_path if folder else None, *settings, connect=GA, recordings_user_sound=True)
    assert files(tmp_path) == []


async def test_a_consent_is_withdrawn_at_once_though_sound_waits_in_front_of_it(serve, tmp_path):
    """A client that sends sound ahead of time, withdraws and hangs up leaves nothing behind."""
    sound = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(720_000)).decode()}
    async with serve(DEFAULT, Busy(), recordings_dir=tmp_path, recordings_user_sound=True) as served:
        async with served.connect(**GA) as client:
            await client.send(ga("sound"))
            await client.event("session.updated")
            for message in (sound, ga("events"), ga("off")):
                await client.send(message)
            await asyncio.sleep(1)
            assert files(tmp_path) == []
        await served.empty()
    assert files(tmp_path) == []


async def test_a_consent_is_withdrawn_by_a_message_that_is_wrong_otherwise(serve, tmp_path):
    """Its statement about recordings is plain."""
    wrong = ga("off")
    wrong["session"]["output_modalities"] = ["smell"]
    async with serve(DEFAULT, Scripted(), recordings_dir=tmp_path) as served, served.connect(**GA) as client:
        await client.send(ga("events"))
        await client.event("session.updated")
        await asyncio.sleep(1)
        assert len(files(tmp_path)) == 1
        await client.send(wrong)
        await client.event("error")
        assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("connect", "yes", "no"),
    [({}, unmute(allowed=True), unmute(allowed=False)), (GA, ga("events"), ga("off"))],
    ids=["unmute", "ga"],
)
async def test_a_withdrawn_consent_deletes_the_file_before_it_is_answered(serve, tmp_path, connect, yes, no):
    """A client that reads the answer has no recording any more."""
    async with serve(DEFAULT, Scripted(), recordings_dir=tmp_path) as served:
        async with served.connect(**connect) as client:
            await client.send(yes)
            await client.event("session.updated")
            await asyncio.sleep(1)
            assert len(files(tmp_path)) == 1
            await client.send(no)
            await client.event("session.updated")
            assert files(tmp_path) == []
            await say(client)
        await served.empty()
    assert files(tmp_path) == []


async def test_a_folder_that_vanishes_ends_the_recording_and_not_the_conversation(serve, tmp_path, logs):
    """One warning; the user is heard and answered."""
    folder = tmp_path / "recordings"
    async with serve(DEFAULT, Scripted(), recordings_dir=folder) as served, served.connect(**GA) as client:
        await client.send(ga("events"))
        await client.event("session.updated")
        await asyncio.sleep(1)
        folder.rename(tmp_path / "gone")
        await say(client)
        done = await client.event("response.done")
        assert done["response"]["status"] == "completed"
    warnings = [line for line in logs if line["event"] == "recording.ended"]
    assert [line["why"].endswith("has vanished") for line in warnings] == [True]
    assert not folder.exists()


async def test_the_next_start_deletes_what_a_crash_has_left(serve, tmp_path, logs):
    """A withdrawn recording that could not be deleted, and those that are too old."""
    kept, old, void = (tmp_path / f"{name}.recording" for name in ("kept", "old", "void"))
    for path in (kept, old):
        path.write_bytes(Framer().frames(Header(path.stem, 0.0, 0.0)))
    void.write_bytes(b"")
    for path, age_s in ((kept, 100), (old, 10_000), (void, 100)):
        at = os.stat(path).st_mtime - age_s
        os.utime(path, (at, at))
    async with serve(DEFAULT, Scripted(), recordings_dir=tmp_path, recordings_kept_s=1_000):
        await asyncio.sleep(0.1)
        assert files(tmp_path) == [kept]
    assert [line["files"] for line in logs if line["event"] == "recordings.pruned"] == [2]


async def test_the_log_has_no_words_unless_a_setting_says_so(serve, logs, tmp_path):
    """Neither those of the user nor those of the bot."""
    for words in (False, True):
        del logs[:]
        await recorded(serve, tmp_path, ga("off"), connect=GA, log_words=words)
        assert any("Hello there." in str(line) for line in logs) is words
        assert any(line["event"] == "turn" for line in logs)


async def test_a_text_that_the_voice_cannot_say_is_not_logged(serve, logs):
    """Its length is."""

    def pipeline(_: object) -> Any:
        return reactivex.concat(reactivex.just(TextNotSpoken.of("私の名前")), reactivex.never())

    async with serve(pipeline, Scripted()) as served, served.connect(**GA) as client:
        await client.event("session.created")
        await asyncio.sleep(0.1)
    assert not any("私の名前" in str(line) for line in logs)
    assert [line["characters"] for line in logs if line["event"] == "session.text_not_spoken"] == [4]


def test_a_pipeline_is_named_as_the_command_line_takes_it() -> None:
    """A file and its function; one without a name cannot be named."""
    assert pipeline_ref(DEFAULT).endswith("pipelines/default.py:pipeline")
    assert pipeline_ref(lambda session: session.received) == ""
