"""The default pipeline with a scripted language model: real ears, a real voice, and always the same words."""

from __future__ import annotations

from dataclasses import replace

from reactivex import Observable, from_iterable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK

STORY = (
    "I do remember it. It was a cold morning, and the road was white with frost. You had walked for an hour before "
    "you saw me, and you laughed when you did. Then we went home along the river, and we were quiet until the bridge. "
    "There was a fire in the kitchen, and a smell of bread. I have not forgotten that smell. In the evening it snowed, "
    "and we sat at the window and counted the lights on the other side until there was only one left."
)
SHORT = "That is how it begins. What comes after it?"


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → scripted LLM → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())
    reply = ops.replying(answer, lambda talk: ops.text_only(session.tts(talk)), PLAYBACK)
    spoken = turns.pipe(ops.respond(reply, replace(INTERRUPTION, idle_prompts=0)))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))


def answer(conversation: Conversation) -> Observable[str | Event]:
    last = conversation.messages[-1].text if conversation.messages else ""
    text = STORY if "remember" in last else SHORT
    return from_iterable([f"{word} " for word in text.split()])
