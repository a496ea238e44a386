"""Dictation: your words as captions, sentence by sentence; nobody answers."""

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector."""
    pauses = session.vad and ops.endpoint(
        session.vad, session.end_of_turn, speech_above=0.5, silence_below=0.5,
        onset_ms=64, pause_ms=160, ask_again_ms=200, sure_above=0.6, silence_ms=720, context_s=8,
    )  # fmt: skip
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(after_ms=200, at_most_ms=2000))
    heard = mic.pipe(ops.listen(session.stt, pauses, flush_at=0.6), share())
    return merge(heard, heard.pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4)))
