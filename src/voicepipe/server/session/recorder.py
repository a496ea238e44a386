"""Recordings of sessions that allow it: every message of both sides, as JSON lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from time import time
from typing import Literal

import structlog

from voicepipe.events import SettingsChanged
from voicepipe.server.private_files import private
from voicepipe.server.settings import ServerSettings

__all__ = ["ConsentedRecorder", "Recorder", "Side"]

log = structlog.get_logger()

FLUSH_CHARS = 64_000
"""Lines that are worth a write: about ten seconds of sound both ways."""

Side = Literal["client", "server"]


class Recorder:
    """One session's file, `<session>.jsonl` in `folder`: a `{"timestamp", "event_sender", "data"}` a line, in order.

    `note` never waits: lines are written by a thread, a batch at a time. A disk that fails, or that has not taken
    `capacity_chars`, ends the recording, which is logged once; the conversation goes on. `timestamp` is Unix time.
    """

    def __init__(
        self, folder: Path, session_id: str, *, capacity_chars: int, clock: Callable[[], float] = time
    ) -> None:
        self._path = folder / f"{session_id}.jsonl"
        self._capacity_chars, self._clock = capacity_chars, clock
        self._lines: list[str] = []
        self._chars = 0
        self._writing: asyncio.Future[None] | None = None
        self._over = self._withdrawn = False

    def note(self, sender: Side, message: str) -> None:
        """A message as it went over the wire."""
        if self._over:
            return
        line = json.dumps({"timestamp": self._clock(), "event_sender": sender, "data": _parsed(message)})
        self._lines.append(f"{line}\n")
        self._chars += len(line)
        if self._chars > self._capacity_chars:
            self._give_up(f"the disk is too slow: {self._chars} characters wait")
        elif self._chars >= FLUSH_CHARS and self._writing is None:
            self._write()

    def delete(self) -> None:
        """Delete what has been written, and forget what waits. Later lines begin the file anew."""
        self._lines, self._chars, self._withdrawn = [], 0, True
        if self._writing is None:
            self._write()

    async def close(self) -> None:
        """Write what waits."""
        while self._writing is not None or self._lines or self._withdrawn:
            if self._writing is None:
                self._write()
            elif not self._writing.done():
                await asyncio.wait([self._writing])
            await asyncio.sleep(0)  # for the callback that looks at what came of it

    def _write(self) -> None:
        text, self._lines, self._chars = "".join(self._lines), [], 0
        anew, self._withdrawn = self._withdrawn, False
        self._writing = asyncio.get_running_loop().run_in_executor(None, _append, self._path, text, anew)
        self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if not writing.cancelled() and (error := writing.exception()) is not None:
            self._give_up(str(error))
        if self._withdrawn:
            self._write()

    def _give_up(self, why: str) -> None:
        self._over, self._lines, self._chars = True, [], 0
        log.warning("recording.ended", file=str(self._path), why=why)


class ConsentedRecorder:
    """Record a session from the settings on that allow it; settings that do not delete the recording.

    Args:
        settings: `recordings_dir` (None: nothing is recorded) and `recording_waits_chars`.
        session_id: The name of the file.
    """

    def __init__(self, settings: ServerSettings, session_id: str) -> None:
        self._folder, self._capacity_chars = settings.recordings_dir, settings.recording_waits_chars
        self._session_id = session_id
        self._recorder: Recorder | None = None
        self._allowed = False

    def apply(self, messages: Iterable[object]) -> None:
        """Note what the client's settings say of recording."""
        for message in messages:
            if isinstance(message, SettingsChanged) and self._folder is not None:
                self._allowed = message.allow_recording
                if not self._allowed and self._recorder is not None:
                    self._recorder.delete()
                elif self._allowed and self._recorder is None:
                    self._recorder = Recorder(self._folder, self._session_id, capacity_chars=self._capacity_chars)

    def note(self, sender: Side, message: str) -> None:
        """Record a message, if that is allowed."""
        if self._allowed and self._recorder is not None:
            self._recorder.note(sender, message)

    async def close(self) -> None:
        """Write what waits."""
        if self._recorder is not None:
            await self._recorder.close()


def _parsed(message: str) -> object:
    """The message itself where it is JSON; else the text that it was."""
    try:
        return json.loads(message)
    except ValueError:
        return message


def _append(path: Path, text: str, anew: bool) -> None:
    if anew:
        path.unlink(missing_ok=True)
    if not text:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "a", encoding="utf-8", opener=private) as file:
        file.write(text)
