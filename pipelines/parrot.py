"""A parrot: repeats what it has heard, in its own voice. You can interrupt it."""

from dataclasses import replace

from reactivex import Observable, from_iterable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    reply = ops.replying(repeat, session.tts, PLAYBACK)
    spoken = turns.pipe(ops.wait_for_user(), ops.respond(reply, replace(INTERRUPTION, idle_prompts=0)))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))


def repeat(conversation: Conversation) -> Observable[str | Event]:
    """Return what the user said last, in place of what a model would answer."""
    said = [message.text for message in conversation.messages if message.role == "user"]
    return from_iterable(said[-1:])
