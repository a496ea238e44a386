"""`replying`: a reply of a language model and a voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import reactivex
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Event, FunctionCalled, ReplyAudio, ReplyTextWritten, Unpaced, Unspoken
from voicepipe.operators.fallback.stages import retrying
from voicepipe.operators.pace import pace
from voicepipe.operators.reply import Reply
from voicepipe.operators.text_only import as_text
from voicepipe.operators.words import split_words
from voicepipe.presets import OPENING_RETRY, Playback
from voicepipe.stage import Stage

__all__ = ["replying"]


def replying(
    llm: Callable[[Conversation], Observable[str | Event]],
    tts: Callable[[Conversation], Stage[Unspoken | Event, Unpaced | Event]],
    playback: Playback,
) -> Reply:
    """Make the function that `respond` calls for each reply: LLM → `split_words` → TTS → `pace`.

    A text that the bot is to say word for word (`Conversation.verbatim`) takes the place of the LLM's. An opening that
    fails before its first sound is tried once more (`OPENING_RETRY`). A conversation that is not `aloud` gets the text
    of the LLM as it comes (`as_text`).

    Args:
        llm: answers a conversation, piece by piece
        tts: makes the stage that speaks the words, in the conversation's voice: `Session.tts`, or
            `lambda conversation: …` with a stage around `session.tts(conversation)`, or one of your own
        playback: how far ahead of the playback clock sound is released, and in which frames: by `lead_ms` where the
            client leads (`Conversation.led`) and drops its sound at an interruption, otherwise by `kept_lead_ms`
    """

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        said = reactivex.just(conversation.verbatim) if conversation.verbatim else llm(conversation)
        if not conversation.aloud:
            return said.pipe(as_text())
        lead_ms = playback.lead_ms if conversation.led else playback.kept_lead_ms
        return said.pipe(split_words(), tts(conversation), pace(replace(playback, lead_ms=lead_ms)))

    again = OPENING_RETRY
    opening = retrying(
        reply,
        times=again.times,
        pause_ms=again.pause_ms,
        longest_pause_ms=again.longest_pause_ms,
        answer=(ReplyAudio, ReplyTextWritten, FunctionCalled),
    )
    return lambda conversation: reply(conversation) if conversation.messages else opening(conversation)
