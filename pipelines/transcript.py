"""A side branch: what you say is captioned, and a task also writes it to a temporary file, line by line."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO

import structlog
from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Overflow, Session, async_stage, merge
from voicepipe import operators as ops
from voicepipe.events import TurnEnded

logger = structlog.get_logger()


async def write_down(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    """One line for each turn that has words. A full disk ends the transcript, not the conversation."""
    with await asyncio.to_thread(_open) as file:
        logger.info("transcript.opened", path=file.name)
        async for event in events:
            if isinstance(event, TurnEnded) and event.text:
                await asyncio.to_thread(print, event.text, file=file, flush=True)
                yield event.text


def _open() -> IO[str]:
    return tempfile.NamedTemporaryFile("w", prefix="transcript-", suffix=".txt", encoding="utf-8", delete=False)


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector, and a transcript beside it."""
    pauses = session.vad and ops.endpoint(
        session.vad, session.end_of_turn, speech_above=0.5, silence_below=0.5,
        onset_ms=64, pause_ms=160, ask_again_ms=200, sure_above=0.6, silence_ms=720, context_s=8,
    )  # fmt: skip
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(after_ms=200, at_most_ms=2000))
    heard = mic.pipe(ops.listen(session.stt, pauses, flush_at=0.6), share())
    transcript = async_stage(write_down, boundary="transcript", capacity=64, overflow=Overflow.DROP_OLDEST)
    return merge(heard, heard.pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4), ops.tee(transcript)))
