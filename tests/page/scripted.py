"""A pipeline whose ear and voice are scripted: for tests of what the page does, where it does not matter what is heard.

It loads no model. The bot says how many messages it knows, or at "long" goes on and on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK

sys.path.append(str(Path(__file__).parents[1] / "helpers"))

from scripted_stages import scripted_stages


def pipeline(session: Session) -> Observable[Event]:
    """decode → scripted VAD/STT → turn detector → scripted LLM and TTS → encode."""
    stages = scripted_stages(answer)
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(stages, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())
    reply = ops.replying(stages.llm, lambda talk: ops.text_only(stages.tts(talk)), PLAYBACK)
    spoken = turns.pipe(ops.respond(reply, INTERRUPTION))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))


def answer(conversation: Conversation) -> str:
    said = [message.text for message in conversation.messages if message.role in ("user", "assistant")]
    last = said[-1] if said else ""
    return "and so it goes on " * 40 if "long" in last else f"This was message {len(said)}."
