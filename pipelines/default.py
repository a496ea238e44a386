"""The default pipeline: a voice conversation."""

from dataclasses import replace

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import Audio, ReplyAudio
from voicepipe.presets import DEADLINE, ECHO, ENDPOINTING, FILLER, GAPS, INTERRUPTION, PLAYBACK, SPECULATION


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM → TTS → encode, with the bot's own voice kept out of the microphone."""
    reply = ops.replying(
        ops.with_filler(session.llm, FILLER),
        lambda talk: ops.text_only(ops.with_deadline(session.tts(talk), "TTS", DEADLINE, answer=ReplyAudio)),
        PLAYBACK,
    )

    def conversation(mic: Observable[Audio | Event]) -> Observable[ReplyAudio | Event]:
        heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
        turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())
        ahead = ops.speculate(reply, replace(SPECULATION, per_turn=session.speculations))
        spoken = turns.pipe(ops.respond(ahead, INTERRUPTION), ops.hang_up_after("Bye!"))
        return merge(heard, turns, spoken)

    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    return mic.pipe(ops.cancel_echo(conversation, ECHO), ops.encode(session.codec))
