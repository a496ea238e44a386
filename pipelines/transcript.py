"""A side branch: what you say is captioned, and also written to a file, line by line, by a task.

The file is the one that the variable TRANSCRIPT names, else transcript.txt in your folder of application data; the log
says where it is.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from platformdirs import user_data_path
from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Overflow, Session, async_stage, merge
from voicepipe import operators as ops
from voicepipe.events import TurnEnded
from voicepipe.presets import ENDPOINTING, GAPS

FILE = Path(os.environ.get("TRANSCRIPT") or user_data_path("voicepipe", appauthor=False) / "transcript.txt")


async def write_down(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    """Write one line for each turn that has words. A full disk ends the transcript, not the conversation."""
    async for event in events:
        if isinstance(event, TurnEnded) and event.text:
            await asyncio.to_thread(append, event.text)
            yield event.text


def append(line: str) -> None:
    """Write a line to the end of the file, which the first line creates."""
    if not FILE.exists():
        structlog.get_logger().info("transcript.begun", file=str(FILE))
        FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a", encoding="utf-8") as file:
        print(line, file=file)


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector, and a transcript beside it."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    transcript = async_stage(write_down, boundary="transcript", capacity=64, overflow=Overflow.DROP_OLDEST)
    return merge(heard, heard.pipe(ops.detect_turns(ENDPOINTING), ops.tee(transcript)))
