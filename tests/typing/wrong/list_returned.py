"""Functions that return a list instead of an observable: a reply, a stage and a pipeline."""

from reactivex import Observable

from voicepipe import Conversation, Event, Session
from voicepipe import operators as ops
from voicepipe.events import ReplyText


def reply(conversation: Conversation) -> list[Event]:
    return [ReplyText(conversation.messages[-1].text)]


def polite(words: Observable[ReplyText]) -> list[ReplyText]:
    return [ReplyText("please")]


def pipeline(session: Session) -> Observable[Event]:
    heard = session.received.pipe(ops.decode(session.codec), ops.listen(session.stt, flush_at=0.6))
    turns = heard.pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4))
    spoken = turns.pipe(
        ops.respond(
            reply,  # error: reportArgumentType
            idle_after_s=7,
            idle_prompts=3,
            uninterruptible_s=3,
            grace_s=0.25,
            min_voice_ms=800,
            resume_within_ms=350,
        )
    )
    ops.text_only(polite)  # error: reportArgumentType
    return [*range(3), spoken]  # error: reportReturnType
