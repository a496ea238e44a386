"""A model with a reserve: a slow answer is asked for twice, and a fixed sentence replaces a failed one."""

import reactivex
from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import DEADLINE, ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK

SLOW_MS = 700  # the time in which 95 of 100 answers of your service begin


def excuse(conversation: Conversation) -> Observable[str | Event]:
    """A last resort that needs no service."""
    return reactivex.of("I cannot reach my notes right now. Please ask me again in a minute.")


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM, twice, or an excuse → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    twice = ops.hedge(session.llm, session.llm, after_ms=SLOW_MS)
    llm = ops.fallback(ops.with_deadline(twice, "LLM", DEADLINE), excuse)
    spoken = turns.pipe(ops.respond(ops.replying(llm, session.tts, PLAYBACK), INTERRUPTION))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
