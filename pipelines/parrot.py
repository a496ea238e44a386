"""A parrot: repeats what it has heard, in its own voice. You can interrupt it."""

from dataclasses import replace

from reactivex import Observable, just
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        heard_last = just(conversation.messages[-1].text)
        return heard_last.pipe(ops.split_words(), session.tts, ops.pace(PLAYBACK))

    spoken = turns.pipe(ops.respond(reply, replace(INTERRUPTION, idle_prompts=0)))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
