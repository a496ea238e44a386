"""A stage of your own: the model's words pass it, and one that must not be said ends the reply."""

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio, ReplyText

SORRY = ReplyText(" Sorry, let us talk of something else.")


def moderate(words: Observable[ReplyText]) -> Observable[ReplyText]:
    """Up to the first bad word, which is replaced by an excuse; the model is then told to stop."""
    checked = words.pipe(rx_ops.map(lambda word: SORRY if "password" in word.delta.lower() else word))
    return checked.pipe(rx_ops.take_while(lambda word: word is not SORRY, inclusive=True))


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM → moderate → TTS → encode."""
    pauses = session.vad and ops.endpoint(
        session.vad, session.end_of_turn, speech_above=0.5, silence_below=0.5,
        onset_ms=64, pause_ms=160, ask_again_ms=200, sure_above=0.6, silence_ms=720, context_s=8,
    )  # fmt: skip
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(after_ms=200, at_most_ms=2000))
    heard = mic.pipe(ops.listen(session.stt, pauses, flush_at=0.6), rx_ops.share())
    turns = merge(heard, session.received).pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4), rx_ops.share())

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        words = session.llm(conversation).pipe(ops.split_words(), ops.text_only(moderate))
        return words.pipe(session.tts, ops.pace(lead_ms=320, frame_ms=80))

    spoken = turns.pipe(ops.respond(reply, idle_after_s=7.0, idle_prompts=3, uninterruptible_s=3.0, grace_s=0.25))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
