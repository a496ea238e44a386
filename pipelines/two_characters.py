"""Two characters answer in turn: an optimist, and then a pessimist, to whom the first answer is known."""

from dataclasses import replace

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK

ANNA = "You are Anna. You see the good side of everything. One sentence."
BEN = "You are Ben. You see the bad side of what Anna says. One sentence."


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM, LLM → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    def both(conversation: Conversation) -> Observable[str | Event]:
        def ben(said: str) -> Observable[str | Event]:
            return session.llm(Conversation(BEN, conversation.messages).bot_said(said).user_said("And Ben?"))

        anna = session.llm(Conversation(ANNA, conversation.messages))
        return anna.pipe(ops.followed_by(ben))

    reply = ops.replying(both, session.tts, PLAYBACK)
    spoken = turns.pipe(ops.wait_for_user(), ops.respond(reply, replace(INTERRUPTION, idle_prompts=0)))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
