"""Answers once it has been called ("hey voicepipe, …"), until you say goodbye. Captions come all the time."""

from dataclasses import replace

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ClientEvent, TurnEnded, TurnEvent
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK
from voicepipe.rx import of_type


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → gate → LLM → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    def llm(conversation: Conversation) -> Observable[str | Event]:
        return session.llm(replace(conversation, system_prompt="You are voicepipe. Be brief."))

    reply = ops.replying(llm, session.tts, PLAYBACK)
    called = turns.pipe(of_type(TurnEvent), ops.gate(wakes, is_open=False))
    asked = turns.pipe(of_type(ClientEvent), ops.wait_for_user())  # a client need not call
    spoken = merge(called, asked).pipe(ops.respond(reply, replace(INTERRUPTION, idle_prompts=0)))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))


def wakes(event: Event) -> bool | None:
    """True: begin to answer, with this turn; False: stop; None: go on as before."""
    said = "".join(filter(str.isalpha, event.text)).lower() if isinstance(event, TurnEnded) else ""
    return True if "heyvoicepipe" in said else False if "goodbye" in said else None
