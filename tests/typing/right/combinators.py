"""Combinators keep the types of the stages that they are given."""

from dataclasses import replace

from reactivex import Observable

from voicepipe import Conversation, Event, Llm, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio


def reply(session: Session, conversation: Conversation) -> Observable[ReplyAudio | Event]:
    llm, pace = session.llm, ops.pace(lead_ms=320, frame_ms=80)
    tts = ops.fallback(session.tts(conversation), session.tts(replace(conversation, voice="anna")), remembers=64)
    said = asked(llm)(conversation).pipe(ops.followed_by(lambda text: llm(conversation.bot_said(text))))
    clauses = ops.tee(ops.text_only(ops.by_clause(first_words=1, min_words=1, max_words=2)))
    first = said.pipe(ops.split_words(), ops.at_most_sentences(3), clauses, tts, pace)
    speech = session.tts(conversation)
    timed = ops.text_only(ops.with_deadline(speech, "TTS", first_s=2, between_s=1, answer=ReplyAudio))
    return merge(first, said.pipe(ops.split_words(), timed, pace), said.pipe(ops.as_text()))


def asked(llm: Llm) -> Llm:
    hedged = ops.hedge(llm, llm, after_ms=300)
    again = ops.retrying(hedged, times=2, pause_ms=50, longest_pause_ms=200)
    return ops.with_deadline(ops.fallback(again, llm), "LLM", first_s=2, between_s=1)
