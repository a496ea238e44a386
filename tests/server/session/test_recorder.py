"""Recordings, for those who allow them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from served import UPDATE

from voicepipe.loader import load_pipeline
from voicepipe.server.session.recorder import FLUSH_CHARS, Recorder
from voicepipe.testing import VirtualLoop

ECHO = load_pipeline("pipelines/echo.py")
ALLOWED = {**UPDATE, "session": {**UPDATE["session"], "allow_recording": True}}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


async def test_both_sides_are_recorded_where_the_user_allows_it(serve, tmp_path: Path) -> None:
    """From the settings that say so, in the order of the wire."""
    async with serve(ECHO, recordings_dir=tmp_path) as served:
        async with served.connect() as client:
            await client.send(UPDATE)
            await client.event("session.updated")
            await client.send(ALLOWED)
            await client.event("session.updated")
            await client.send("not JSON")
            await client.error()
        await served.empty()
    recorded = lines(tmp_path)
    assert [line["event_sender"] for line in recorded] == ["client", "server", "client", "server"]
    assert recorded[0]["data"] == ALLOWED
    assert recorded[2]["data"] == "not JSON"
    assert all(isinstance(line["timestamp"], float) for line in recorded)


async def test_a_user_who_withdraws_it_has_no_recording(serve, tmp_path: Path) -> None:
    """The file is deleted; sound behind another consent is recorded, and nothing before it."""
    for again, left in (([], []), ([ALLOWED], [ALLOWED])):
        async with serve(ECHO, recordings_dir=tmp_path) as served:
            async with served.connect() as client:
                for settings in (ALLOWED, UPDATE, *again):
                    await client.send(settings, *["no JSON " * 10_000] * 2)
                    await client.event("session.updated")
                    await client.error()
                    await client.error()
            await served.empty()
        recorded = await asyncio.to_thread(lines, tmp_path)
        assert [line["data"] for line in recorded][:1] == left


async def test_nothing_is_recorded_without_a_folder_or_a_yes(serve, tmp_path: Path) -> None:
    """Neither the one nor the other is enough."""
    for folder, settings in ((None, ALLOWED), (tmp_path, UPDATE)):
        async with serve(ECHO, recordings_dir=folder) as served:
            async with served.connect() as client:
                await client.send(settings)
                await client.event("session.updated")
            await served.empty()
    assert await asyncio.to_thread(lines, tmp_path) == []


def test_long_recordings_are_written_as_they_grow(virtual_loop: VirtualLoop, tmp_path: Path) -> None:
    """Memory holds a batch, not the session; nothing is lost and the order is kept."""

    async def main() -> None:
        recorder = Recorder(tmp_path, "sess", capacity_chars=10 * FLUSH_CHARS, clock=lambda: 1.0)
        for number in range(200):
            recorder.note("client", json.dumps({"number": number, "audio": "A" * 1000}))
            await asyncio.sleep(0.02)
        assert await asyncio.to_thread(lines, tmp_path)
        await recorder.close()

    virtual_loop.run(main())
    assert [line["data"]["number"] for line in lines(tmp_path)] == list(range(200))  # pyright: ignore


def test_a_disk_that_fails_ends_the_recording_only(virtual_loop: VirtualLoop, tmp_path: Path) -> None:
    """The conversation is not told; the log is, once."""
    (tmp_path / "file").write_text("in the way")

    async def main() -> None:
        recorder = Recorder(tmp_path / "file", "sess", capacity_chars=FLUSH_CHARS)
        recorder.note("server", "{}")
        await recorder.close()
        recorder.note("server", "{}")
        await recorder.close()

    virtual_loop.run(main())
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_disk_that_is_too_slow_ends_the_recording(virtual_loop: VirtualLoop, tmp_path: Path) -> None:
    """The number of waiting lines is bounded."""

    async def main() -> None:
        recorder = Recorder(tmp_path, "sess", capacity_chars=100)
        for _ in range(5):
            recorder.note("client", json.dumps({"audio": "A" * 60}))
        await recorder.close()

    virtual_loop.run(main())
    assert lines(tmp_path) == []


async def test_only_this_user_may_read_a_recording(serve, tmp_path: Path) -> None:
    """It holds speech; so does its folder."""
    folder = tmp_path / "recordings"
    async with serve(ECHO, recordings_dir=folder) as served:
        async with served.connect() as client:
            await client.send(ALLOWED)
            await client.event("session.updated")
        await served.empty()
    (file,) = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
