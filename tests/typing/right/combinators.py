"""Combinators keep the types of the stages that they are given."""

from reactivex import Observable

from voicepipe import Conversation, Event, Llm, Session, merge
from voicepipe import operators as ops
from voicepipe.events import Speech


def reply(session: Session, conversation: Conversation) -> Observable[Speech | Event]:
    llm, pace = session.llm, ops.in_real_time(lead_ms=320, frame_ms=80)
    tts = ops.fallback(session.tts, session.tts, remembers=64)
    said = asked(llm)(conversation).pipe(ops.then(lambda text: llm(conversation.bot_said(text))))
    clauses = ops.tee(ops.only_text(ops.by_clause(first_words=1, min_words=1, max_words=2)))
    first = said.pipe(ops.by_word(), ops.at_most_sentences(3), clauses, tts, pace)
    timed = ops.only_text(ops.with_deadline(session.tts, "TTS", first_s=2, between_s=1, answer=Speech))
    return merge(first, said.pipe(ops.by_word(), timed, pace), said.pipe(ops.in_writing()))


def asked(llm: Llm) -> Llm:
    hedged = ops.hedge(llm, llm, after_ms=300)
    again = ops.retrying(hedged, times=2, pause_ms=50, longest_pause_ms=200)
    return ops.with_deadline(ops.fallback(again, llm), "LLM", first_s=2, between_s=1)
