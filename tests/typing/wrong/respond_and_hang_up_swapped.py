"""`respond` and `hang_up_after` are swapped: there is no reply yet that could end."""

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio


def pipeline(session: Session) -> Observable[Event]:
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(after_ms=200, at_most_ms=2000))
    heard = mic.pipe(ops.listen(session.stt, flush_at=0.6), share())
    turns = heard.pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4), share())

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        return session.llm(conversation).pipe(
            ops.split_words(), session.tts(conversation), ops.pace(lead_ms=320, frame_ms=80)
        )

    answer = ops.respond(
        reply, idle_after_s=7, idle_prompts=3, uninterruptible_s=3, grace_s=0.25, min_voice_ms=800, resume_within_ms=350
    )
    spoken = turns.pipe(
        ops.hang_up_after("Bye!"),
        answer,  # error: reportArgumentType
    )
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
