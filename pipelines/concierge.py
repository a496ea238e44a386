"""A concierge: the model calls Python functions, which book a table, and tells the user their results."""

import asyncio
from dataclasses import replace
from datetime import datetime

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, FILLER, GAPS, INTERRUPTION, PLAYBACK, TOOLS

PLACES = {"18:30": 6, "20:15": 2}  # of the restaurant, this evening; all sessions share them


def today() -> str:
    """The date, and what time it is."""
    return f"{datetime.now():%A, %d %B %Y, %H:%M}"


async def free_tables(people: int) -> list[str]:
    """At what times there is a table this evening for so many people."""
    await asyncio.sleep(2)  # stands for asking the restaurant's own computer
    return [at for at, places in PLACES.items() if places >= people]


def book_table(at: str, people: int) -> str:
    """Book a table for this evening.

    Args:
        at: one of the times at which there is a table, for example "18:30"
        people: how many will come
    """
    if PLACES.get(at, 0) < people:
        raise ValueError(f"there is no table for {people} at {at}")
    PLACES[at] -= people
    return f"a table for {people} at {at} is booked"


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM with functions → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    llm = ops.with_tools(ops.with_filler(session.llm, FILLER), today, free_tables, book_table, TOOLS)
    reply = ops.replying(llm, session.tts, PLAYBACK)
    spoken = turns.pipe(ops.respond(reply, replace(INTERRUPTION, idle_prompts=1)))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
