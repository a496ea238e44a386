"""The recordings of a server: the recorder of a session, and the folder that is kept tidy."""

from __future__ import annotations

import asyncio
import inspect
import time
from pathlib import Path

import structlog

from voicepipe.conversation import ClientInfo
from voicepipe.recording.folder import prune
from voicepipe.recording.session import RecordingLimits, SessionRecorder
from voicepipe.server.settings import ServerSettings
from voicepipe.session import Pipeline

__all__ = ["RecordingsPruner", "pipeline_ref", "recorder_of"]

log = structlog.get_logger()


def recorder_of(
    settings: ServerSettings, session_id: str, pipeline: Pipeline, client: ClientInfo
) -> SessionRecorder | None:
    """Return the recorder of a session, or None where nothing is recorded."""
    if settings.recordings_dir is None:
        return None
    limits = RecordingLimits(
        settings.recordings_dir,
        settings.recordings_user_sound,
        settings.recording_waits_bytes,
        settings.recording_max_bytes,
    )
    return SessionRecorder(limits, session_id, pipeline_ref(pipeline), client)


def pipeline_ref(pipeline: Pipeline) -> str:
    """Return a pipeline as `voicepipe replay` takes it: its file and function; "" for one that has no name."""
    function = inspect.unwrap(pipeline)
    name, code = getattr(function, "__name__", ""), getattr(function, "__code__", None)
    return f"{code.co_filename}:{name}" if code is not None and name.isidentifier() else ""


class RecordingsPruner:
    """Delete from a folder what is withdrawn, too old or too much: at the start, and from time to time."""

    def __init__(self, settings: ServerSettings) -> None:
        self._folder, self._every_s = settings.recordings_dir, settings.recordings_prune_every_s
        self._kept_s, self._total_bytes = settings.recordings_kept_s, settings.recordings_total_bytes
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, where there are recordings."""
        if self._folder is not None:
            self._task = asyncio.create_task(self._prune(self._folder), name="recordings: deletes old ones")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _prune(self, folder: Path) -> None:
        while True:
            try:
                await asyncio.to_thread(
                    prune, folder, kept_s=self._kept_s, total_bytes=self._total_bytes, now=time.time()
                )
            except Exception:
                log.exception("recordings.not_pruned", folder=str(folder))
            await asyncio.sleep(self._every_s)
