"""`RecordingWriter`: appends to the file of a recording, in a thread, a batch at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from voicepipe.recording.file import Framer
from voicepipe.recording.private_files import private
from voicepipe.recording.records import RecordingEnded, Withdrawn

__all__ = ["RecordingWriter"]

log = structlog.get_logger()

BATCH_BYTES = 64_000
"""Bytes that are worth a write at once."""

_NEW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)

BATCH_S = 0.5
"""The longest time, in seconds, for which a record waits in memory: what a killed process loses."""


class RecordingWriter:
    """Append records to one file. `note` never waits.

    A disk that fails or is full, a file that has vanished, more than `waits_bytes` that wait, and a file of `max_bytes`
    end the recording: `ended` is called once, the reason is logged, and the conversation goes on.

    Args:
        path: The file. Its folder is made when it is needed.
        waits_bytes: The bytes that may wait for the disk.
        max_bytes: The largest file, in bytes.
        ended: Called when the recording ends before the session does.
    """

    def __init__(self, path: Path, *, waits_bytes: int, max_bytes: int, ended: Callable[[], None]) -> None:
        self._path, self._waits_bytes, self._max_bytes, self._ended = path, waits_bytes, max_bytes, ended
        self._framer, self._frames, self._waiting, self._bytes = Framer(), list[bytes](), 0, 0
        self._file = _AppendedFile(path)
        self._writing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.is_over = False

    def note(self, record: object) -> None:
        """Take a record. Nothing is kept of it when the recording is over."""
        if self.is_over:
            return
        frames = self._framer.frames(record)
        self._frames.append(frames)
        self._waiting, self._bytes = self._waiting + len(frames), self._bytes + len(frames)
        if self._waiting > self._waits_bytes:
            self._give_up(f"the disk is too slow: {self._waiting} bytes wait for it")
        elif self._bytes > self._max_bytes:
            self._frames.append(self._framer.frames(RecordingEnded(f"it has {self._bytes} bytes")))
            self._end(f"it has {self._bytes} bytes, and recording_max_bytes is {self._max_bytes}")
        else:
            self._write_soon()

    def delete(self) -> None:
        """Delete the file, before this returns. The recording is over."""
        self.is_over, self._frames, self._waiting = True, [], 0
        self._cancel_timer()
        self._file.delete(Framer().frames(Withdrawn()))

    async def close(self) -> None:
        """Write what waits, and make sure that it is on the disk."""
        self._cancel_timer()
        while self._writing is not None or self._frames:
            if self._writing is None:
                self._write()
            elif not self._writing.done():
                await asyncio.wait([self._writing])
            await asyncio.sleep(0)  # for the callback that looks at what came of it
        self.is_over = True
        await asyncio.get_running_loop().run_in_executor(None, self._file.close)

    def _write_soon(self) -> None:
        if self._writing is not None:
            return
        if self._waiting >= BATCH_BYTES:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_S, self._write)

    def _write(self) -> None:
        self._cancel_timer()
        data, self._frames, self._waiting = b"".join(self._frames), [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._file.append, data)
        self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if not writing.cancelled() and (error := writing.exception()) is not None:
            self._give_up(str(error))
        elif self._frames:
            self._write_soon()

    def _give_up(self, why: str) -> None:
        self._frames, self._waiting = [], 0
        self._end(why)

    def _end(self, why: str) -> None:
        self._cancel_timer()
        if not self.is_over:
            self.is_over = True
            log.warning("recording.ended", file=str(self._path), why=why)
            self._ended()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _AppendedFile:
    """A file that is made by the first bytes. `append` and `close` run in a thread, `delete` on the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._is_deleted = False

    def append(self, data: bytes) -> None:
        """Append bytes. Raises OSError, also when the file is not in its folder any more."""
        if self._is_deleted or not data:
            return
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # A file of its own: not another's, nor where another's link leads.
            self._descriptor = private(str(self._path), _NEW)
        elif not _is_same(self._descriptor, self._path):
            if self._is_deleted:
                return
            raise FileNotFoundError(f"{self._path} has vanished")
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        if self._is_deleted:  # while this was on its way to the disk
            _remove(self._path)

    def delete(self, mark: bytes) -> None:
        """Unlink the file. Where that fails, what is in it goes, with a mark that it is to be deleted."""
        self._is_deleted = True
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("recording.not_deleted", file=str(self._path), why=str(error))
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
                os.write(self._descriptor, mark)

    def close(self) -> None:
        """Wait until the disk has all, and close the file. After a deletion the folder is written, too."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.fsync(descriptor)
            os.close(descriptor)
        if self._is_deleted:
            _remove(self._path)
            with suppress(OSError):
                _sync_folder(self._path.parent)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
