"""Answers once it has been called ("hey voicepipe, …"), until you say goodbye. Captions come all the time."""

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio, TurnEnded


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → gate → LLM → TTS → encode."""
    pauses = session.vad and ops.endpoint(
        session.vad, session.end_of_turn, speech_above=0.5, silence_below=0.5,
        onset_ms=64, pause_ms=160, ask_again_ms=200, sure_above=0.6, silence_ms=720, context_s=8,
    )  # fmt: skip
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(after_ms=200, at_most_ms=2000))
    heard = mic.pipe(ops.listen(session.stt, pauses, flush_at=0.6), share())
    turns = heard.pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4), share())

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        called = Conversation("You are voicepipe. Be brief.", conversation.messages)
        return session.llm(called).pipe(ops.split_words(), session.tts, ops.pace(lead_ms=320, frame_ms=80))

    answer = ops.respond(reply, idle_after_s=7.0, idle_prompts=0, uninterruptible_s=3.0, grace_s=0.25)
    return merge(heard, turns, turns.pipe(ops.gate(wakes, is_open=False), answer)).pipe(ops.encode(session.codec))


def wakes(event: Event) -> bool | None:
    """True: begin to answer, with this turn; False: stop; None: go on as before."""
    said = "".join(filter(str.isalpha, event.text)).lower() if isinstance(event, TurnEnded) else ""
    return True if "heyvoicepipe" in said else False if "goodbye" in said else None
