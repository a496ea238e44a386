"""Writing a recording: as it grows, to a disk that fails, and never at the conversation's cost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from voicepipe.recording import writer as module
from voicepipe.recording.file import header_of, read
from voicepipe.recording.records import Header, MessageReceived, Withdrawn
from voicepipe.recording.writer import BATCH_BYTES, BATCH_S, RecordingWriter
from voicepipe.testing import VirtualLoop

HEADER = Header("sess_1", 1000.0, 0.0)


class Writing:
    """A writer, and how often it has said that the recording is over."""

    def __init__(self, path: Path, *, waits_bytes: int = 1_000_000, max_bytes: int = 10_000_000) -> None:
        self.path, self.ends = path, 0
        self.writer = RecordingWriter(path, waits_bytes=waits_bytes, max_bytes=max_bytes, ended=self._ended)
        self.writer.note(HEADER)

    def _ended(self) -> None:
        self.ends += 1

    def say(self, text: str, at_s: float = 1.0) -> None:
        self.writer.note(MessageReceived(at_s, text))

    def texts(self) -> list[str]:
        return [record.message for record in read(self.path).records if isinstance(record, MessageReceived)]


Main = Callable[[], Coroutine[None, None, None]]


@pytest.fixture
def run(virtual_loop: VirtualLoop) -> Callable[[Main], list[str]]:
    """Run a coroutine function; return why recordings have ended."""

    def running(main: Main) -> list[str]:
        with capture_logs() as logs:
            virtual_loop.run(main())
        return [str(line["why"]) for line in logs if line["event"] == "recording.ended"]

    return running


def test_a_record_is_on_the_disk_soon(run, tmp_path: Path) -> None:
    """A killed process loses half a second, and not the session."""

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording")
        for number in range(10):
            writing.say(f"{number}")
            await asyncio.sleep(0.2)
        await asyncio.sleep(BATCH_S)
        assert await asyncio.to_thread(writing.texts) == [f"{number}" for number in range(10)]
        await writing.writer.close()

    assert run(main) == []


def test_much_at_once_is_written_at_once(run, tmp_path: Path) -> None:
    """Memory holds a batch."""

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording")
        for _ in range(5):
            writing.say("x" * BATCH_BYTES)
        await asyncio.sleep(0.001)
        assert (tmp_path / "a.recording").stat().st_size > BATCH_BYTES
        await writing.writer.close()
        assert len(writing.texts()) == 5

    assert run(main) == []


def test_only_this_user_may_read_a_recording(run, tmp_path: Path) -> None:
    """It holds speech; so does its folder."""
    folder = tmp_path / "recordings"

    async def main() -> None:
        await Writing(folder / "a.recording").writer.close()

    run(main)
    assert ((folder / "a.recording").stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_recording_has_a_size(run, tmp_path: Path) -> None:
    """All that came until then is kept, with the reason."""

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording", max_bytes=2_000)
        for _ in range(10):
            writing.say("x" * 500)
        await writing.writer.close()
        assert writing.ends == 1

    (why,) = run(main)
    assert "recording_max_bytes is 2000" in why
    recording = read(tmp_path / "a.recording")
    assert recording.ended.startswith("the recording ended before the session: it has")
    assert (tmp_path / "a.recording").stat().st_size < 3_000


def test_a_disk_that_is_too_slow_ends_the_recording(run, tmp_path: Path) -> None:
    """The number of waiting bytes is bounded."""

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording", waits_bytes=100)
        for _ in range(5):
            writing.say("x" * 60)
        await writing.writer.close()
        assert writing.ends == 1

    (why,) = run(main)
    assert why.startswith("the disk is too slow")


def test_a_full_disk_ends_the_recording(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full takes nothing, and says so as a full disk does."""
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(module, "private", lambda *_: full)

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording")
        await asyncio.sleep(1)
        writing.say("lost")
        await writing.writer.close()
        assert writing.ends == 1

    (why,) = run(main)
    assert "No space left on device" in why


def test_a_file_that_vanishes_ends_the_recording(run, tmp_path: Path) -> None:
    """With its folder, too: nothing is written where no one would find it."""
    folder = tmp_path / "recordings"

    async def main() -> None:
        writing = Writing(folder / "a.recording")
        await asyncio.sleep(1)
        folder.rename(tmp_path / "elsewhere")
        writing.say("lost")
        await asyncio.sleep(1)
        assert writing.ends == 1
        await writing.writer.close()

    (why,) = run(main)
    assert why.endswith("a.recording has vanished")
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_ends_the_recording(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def main() -> None:
        writing = Writing(tmp_path / "file" / "a.recording")
        await writing.writer.close()
        assert writing.ends == 1

    assert len(run(main)) == 1
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("waits_s", [0.0, 1.0])
def test_a_deleted_recording_is_gone_before_the_call_returns(run, tmp_path: Path, waits_s: float) -> None:
    """Also one of which a batch is on its way to the disk; and nothing comes after it."""

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording")
        await asyncio.sleep(waits_s)
        writing.say("x" * 2 * BATCH_BYTES)
        writing.writer.delete()
        assert not (tmp_path / "a.recording").exists()
        writing.say("later")
        await writing.writer.close()
        assert writing.ends == 0

    assert run(main) == []
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_cannot_be_deleted_is_emptied_and_marked(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look at the folder deletes it."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("not now")

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording")
        writing.say("secret")
        await asyncio.sleep(1)
        monkeypatch.setattr(Path, "unlink", refuse)
        writing.writer.delete()
        await writing.writer.close()

    run(main)
    assert b"secret" not in (tmp_path / "a.recording").read_bytes()
    assert header_of(tmp_path / "a.recording") == Withdrawn()


def test_a_file_that_is_there_already_is_not_written(run, tmp_path: Path) -> None:
    """Nor what a link of the same name leads to."""
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    (tmp_path / "a.recording").symlink_to(other)

    async def main() -> None:
        writing = Writing(tmp_path / "a.recording")
        await writing.writer.close()
        assert writing.ends == 1

    (why,) = run(main)
    assert "File exists" in why
    assert other.read_bytes() == b"mine"
