"""`SessionRecorder`: records one session as far as its client allows."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import time
from typing import Any, TypeVar, get_args

import structlog

from voicepipe.audio import Codec
from voicepipe.audio.formats import ClientCodec, codec_of
from voicepipe.conversation import AudioFormat, ClientInfo
from voicepipe.events import (
    AudioReceived,
    Event,
    FunctionCall,
    ReplyAudio,
    SessionOpened,
    SettingsChanged,
    SpeechEncoded,
)
from voicepipe.operators.cancel_echo import CANCELLING
from voicepipe.operators.toolbox import RUNNING, Outcome
from voicepipe.recording.codec import RecordedCodec, serials
from voicepipe.recording.consent import Keeps, consented
from voicepipe.recording.echoes import noted_cancelling
from voicepipe.recording.folder import path_of
from voicepipe.recording.journal import Journal
from voicepipe.recording.records import (
    Emitted,
    FunctionDone,
    Header,
    MessageReceived,
    SessionClosed,
    SessionStarted,
    SoundDecoded,
    SoundEncoded,
)
from voicepipe.recording.scheduler import RecordedScheduler
from voicepipe.recording.stages import recorded_stages
from voicepipe.recording.writer import RecordingWriter
from voicepipe.session import Stages

__all__ = ["RecordingLimits", "SessionRecorder", "digested"]

T = TypeVar("T")

log = structlog.get_logger()

_PRELUDE = 2_000
"""Records that are held in memory until the client says what may be kept."""


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """The permissions and limits of an operator.

    Args:
        folder: Where the files are.
        sound: The user's sound may be kept, if the client allows it, too.
        waits_bytes: The bytes that may wait for the disk.
        max_bytes: The largest file, in bytes.
    """

    folder: Path
    sound: bool
    waits_bytes: int
    max_bytes: int


class SessionRecorder:
    """Record what enters a session's graph and what leaves it, from its client's consent on.

    Until the client has said what may be kept, records wait in memory; they are dropped as soon as it says anything
    else. Settings that allow less delete the file at once; a consent behind that begins another, `partial` one.

    Args:
        limits: What the operator allows.
        session_id: The session's id.
        pipeline: The pipeline's name for `voicepipe replay`.
        client: What is known of the client.
    """

    def __init__(self, limits: RecordingLimits, session_id: str, pipeline: str, client: ClientInfo) -> None:
        self._limits, self._loop = limits, asyncio.get_running_loop()
        self._began_at = time()
        self.journal = Journal(self._loop.time, self._note)
        self._header = Header(
            session_id,
            self._began_at,
            self.journal.now_s,
            _version(),
            pipeline,
            replace(client, address="", name=""),
        )
        self._keeps, self._writer = Keeps.NOTHING, None
        self._prelude: list[object] | None = []
        self._coming = deque[Keeps]()
        self._closing: list[asyncio.Task[None]] = []

    # ---- the graph ---------------------------------------------------------------------------------------------------

    def stages(self, stages: Stages) -> Stages:
        """Return the stages as the graph uses them."""
        self._header = replace(self._header, has_vad=stages.vad is not None, speculations=stages.speculations)
        return recorded_stages(stages, self.journal)

    def codec(self, codec: Codec) -> Codec:
        """Return the codec as the graph uses it."""
        client = codec if isinstance(codec, ClientCodec) else ClientCodec(codec)
        self._header = replace(self._header, rate_hz=client.rate_hz, audio_format=_format_of(client.initial))
        return RecordedCodec(client.initial, client.meter, serials(self._header.session_id), self.journal.fact)

    def scheduler(self) -> RecordedScheduler:
        """Return the session's scheduler. Functions that the model calls from here on are noted, and echoes."""
        RUNNING.set(self._run)
        CANCELLING.set(partial(noted_cancelling, self.journal))
        return RecordedScheduler(self._loop, self.journal)

    async def _run(self, call: FunctionCall, run: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        number = self.journal.number("function")
        outcome = await run()
        self.journal.enter(partial(FunctionDone, number=number, outcome=(outcome.what, outcome.text)), lambda: None)
        return outcome

    def started(self, start: Callable[[], T]) -> T:
        """Return what `start` returns, which subscribes the graph."""
        return self.journal.enter(SessionStarted, start)

    # ---- the session -------------------------------------------------------------------------------------------------

    def received(self, message: Any, deliver: Callable[[], None]) -> None:
        """Note a message of the client, and deliver it."""
        self.journal.enter(partial(MessageReceived, message=message), deliver)

    def emitted(self, event: Event) -> None:
        """Note what the graph has emitted."""
        self.journal.fact(Emitted(event))

    def ended(self, reason: str) -> None:
        """Note the end of the session."""
        self.journal.enter(partial(SessionClosed, reason=reason), lambda: None)
        self.journal.stop()

    async def close(self) -> None:
        """Write what waits."""
        await asyncio.gather(*self._closing)
        if self._writer is not None:
            await self._writer.close()

    # ---- consent -----------------------------------------------------------------------------------------------------

    def allow(self, message: Any) -> None:
        """Note what a message says of recording; a withdrawn consent deletes the file before this returns."""
        with self._guarded():
            self._allow(message)

    def foresee(self, message: SettingsChanged) -> None:
        """Note what a message will say when its turn comes: it waits behind others. Nothing is kept meanwhile that it
        does not allow, and a consent that it withdraws is withdrawn now."""
        with self._guarded():
            keeps = consented(message, sound=self._limits.sound)
            self._coming.append(keeps)
            if keeps < self._keeps and self._writer is not None:
                self._withdraw(self._writer)

    def reached(self) -> None:
        """Note that the first message that was foreseen has its turn now: `allow` gets it next."""
        self._coming.popleft()

    def _allow(self, message: Any) -> None:
        if not isinstance(message, SettingsChanged):
            if not isinstance(message, SessionOpened) and self._keeps is Keeps.NOTHING:
                self._drop_prelude()
            return
        keeps = min(consented(message, sound=self._limits.sound), *self._coming, Keeps.SOUND)
        if keeps < self._keeps and self._writer is not None:
            self._withdraw(self._writer)
        if keeps > Keeps.NOTHING and self._writer is None:
            self._begin(keeps)

    def _withdraw(self, writer: RecordingWriter) -> None:
        writer.delete()
        # The disk learns of it now, and not at the end of the session: its power may fail in between.
        self._closing.append(self._loop.create_task(writer.close(), name="recording: withdrawn"))
        self._writer, self._keeps = None, Keeps.NOTHING
        self._drop_prelude()

    def _drop_prelude(self) -> None:
        self._prelude = None
        self.journal.stop()

    def _begin(self, keeps: Keeps) -> None:
        number = len(self._closing)
        path = path_of(self._limits.folder, self._header.session_id + (f"-{number}" if number else ""), time())
        self._keeps = keeps
        self._writer = RecordingWriter(
            path, waits_bytes=self._limits.waits_bytes, max_bytes=self._limits.max_bytes, ended=self.journal.stop
        )
        prelude, self._prelude = self._prelude, None
        self.journal.is_on = True
        header = replace(self._header, sound=keeps is Keeps.SOUND, partial=prelude is None)
        self._writer.note(header if prelude is not None else replace(header, began_at=time(), at_s=self._loop.time()))
        for record in prelude or ():
            self._keep(record)

    # ---- what is kept ------------------------------------------------------------------------------------------------

    def _note(self, record: object) -> None:
        with self._guarded():
            self._keep(record)

    @contextmanager
    def _guarded(self) -> Generator[None]:
        """End the recording at a fault, and never the conversation."""
        try:
            yield
        except Exception:
            log.exception("recording.failed")
            self.journal.stop()

    def _keep(self, record: object) -> None:
        if self._writer is not None:
            if (kept := self._kept(record)) is not None:
                self._writer.note(kept)
        elif self._prelude is not None:
            self._prelude.append(record)
            if len(self._prelude) > _PRELUDE:
                self._drop_prelude()

    def _kept(self, record: object) -> object | None:
        """Return a record without what may not be kept, or None for one that is not needed."""
        if self._keeps is Keeps.SOUND:
            return None if isinstance(record, SoundDecoded) and not record.fault else record
        match record:
            case MessageReceived(message=AudioReceived() as packet):
                return replace(record, message=replace(packet, data=b""))
            case Emitted(event=event):
                return replace(record, event=digested(event))
            case _:
                return record


def digested(event: Any) -> Any:
    """Return an event without its sound: a pipeline may say what it has heard."""
    match event:
        case SpeechEncoded(data=data, duration_ms=duration_ms):
            return SoundEncoded(duration_ms, len(data), _digest(data))
        case ReplyAudio(audio=audio):
            return SoundEncoded(audio.duration_s * 1000, audio.samples.nbytes, _digest(audio.samples.tobytes()))
        case _:
            return event


def _format_of(codec: Codec) -> AudioFormat:
    return next((one for one in get_args(AudioFormat) if codec_of(one) == codec), "audio/pcm")


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _version() -> str:
    try:
        return version("voicepipe-rx")
    except PackageNotFoundError:
        return ""
