"""Dictation: your words as captions, sentence by sentence, without an answer."""

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, GAPS


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    return merge(heard, heard.pipe(ops.detect_turns(ENDPOINTING)))
