"""A concierge: the model calls Python functions, which book a table, and speaks of what they gave."""

import asyncio
from datetime import datetime

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio

PLACES = {"18:30": 6, "20:15": 2}  # of the restaurant, this evening; all who talk share them


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
    pauses = session.vad and ops.endpoint(
        session.vad, session.end_of_turn, speech_above=0.5, silence_below=0.5,
        onset_ms=64, pause_ms=160, ask_again_ms=200, sure_above=0.6, silence_ms=720, context_s=8,
    )  # fmt: skip
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(after_ms=200, at_most_ms=2000))
    heard = mic.pipe(ops.listen(session.stt, pauses, flush_at=0.6), share())
    turns = merge(heard, session.received).pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4), share())

    llm = ops.with_tools(
        ops.with_deadline(session.llm, "LLM", first_s=3, between_s=3), today, free_tables, book_table,
        deadline_s=8, filler="Let me see.", filler_after_s=0.8, rounds=3,
    )  # fmt: skip

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        return llm(conversation).pipe(ops.split_words(), session.tts, ops.pace(lead_ms=320, frame_ms=80))

    spoken = turns.pipe(ops.respond(reply, idle_after_s=7.0, idle_prompts=1, uninterruptible_s=3.0, grace_s=0.25))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
