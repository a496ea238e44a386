"""The default pipeline: a voice conversation."""

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio
from voicepipe.presets import DEADLINE, ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    reply = ops.replying(
        ops.with_deadline(session.llm, "LLM", DEADLINE),
        lambda talk: ops.text_only(ops.with_deadline(session.tts(talk), "TTS", DEADLINE, answer=ReplyAudio)),
        PLAYBACK,
    )

    spoken = turns.pipe(ops.respond(reply, INTERRUPTION), ops.hang_up_after("Bye!"))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
