"""The default pipeline: a voice conversation."""

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe.events import ReplyAudio
from voicepipe.operators import (
    as_text,
    decode,
    detect_turns,
    encode,
    endpoint,
    fill_gaps,
    hang_up_after,
    listen,
    pace,
    respond,
    split_words,
    text_only,
    with_deadline,
)


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM → TTS → encode."""
    pauses = session.vad and endpoint(  # a recogniser that notices pauses itself comes without a VAD
        session.vad,
        session.end_of_turn,
        speech_above=0.5,
        silence_below=0.5,
        onset_ms=64,
        pause_ms=160,
        ask_again_ms=200,
        sure_above=0.6,
        silence_ms=720,
        context_s=8,
    )
    mic = session.received.pipe(decode(session.codec), fill_gaps(after_ms=200, at_most_ms=2000))
    heard = mic.pipe(listen(session.stt, pauses, flush_at=0.6), share())
    turns = merge(heard, session.received).pipe(detect_turns(pause_above=0.6, resume_below=0.4), share())

    llm = with_deadline(session.llm, "LLM", first_s=3, between_s=3)
    tts = text_only(with_deadline(session.tts, "TTS", first_s=3, between_s=3, answer=ReplyAudio))

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        said = llm(conversation)
        if not conversation.aloud:  # the client wants to read
            return said.pipe(as_text())
        return said.pipe(split_words(), tts, pace(lead_ms=320, frame_ms=80))

    spoken = turns.pipe(
        respond(reply, idle_after_s=7.0, idle_prompts=3, uninterruptible_s=3.0, grace_s=0.25), hang_up_after("Bye!")
    )
    return merge(heard, turns, spoken).pipe(encode(session.codec))
