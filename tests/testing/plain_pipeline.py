"""A conversation with figures that do not change: what the tests of the harness measure is the harness."""

from reactivex import Observable, merge
from reactivex.operators import share

from voicepipe import Event, Session
from voicepipe.operators import decode, detect_turns, encode, endpoint, listen, pace, respond, split_words


def pipeline(session: Session) -> Observable[Event]:
    """No gap is filled, no answer has a deadline, and nobody hangs up."""
    pauses = endpoint(
        session.vad,
        session.end_of_turn,
        speech_above=0.5,
        silence_below=0.5,
        onset_ms=96,
        pause_ms=200,
        ask_again_ms=2000,
        sure_above=0.6,
        silence_ms=800,
        context_s=8,
        longest_s=30,
    )
    heard = session.received.pipe(decode(session.codec), listen(session.stt, pauses, flush_at=0.6), share())
    turns = heard.pipe(detect_turns(pause_above=0.6, resume_below=0.4), share())
    reply = lambda talk: session.llm(talk).pipe(split_words(), session.tts(talk), pace(lead_ms=320, frame_ms=80))
    spoken = turns.pipe(
        respond(
            reply,
            idle_after_s=7.0,
            idle_prompts=3,
            uninterruptible_s=3.0,
            grace_s=0.25,
            min_voice_ms=800,
            resume_within_ms=350,
        )
    )
    return merge(heard, turns, spoken).pipe(encode(session.codec))
