"""A stage of your own: the model's words pass it, and one that must not be said ends the reply."""

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import ReplyAudio, ReplyText
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK

SORRY = ReplyText(" Sorry, let us talk of something else.")


def moderate(words: Observable[ReplyText]) -> Observable[ReplyText]:
    """Up to the first bad word, which is replaced by an excuse; the model is then told to stop."""
    checked = words.pipe(rx_ops.map(lambda word: SORRY if "password" in word.delta.lower() else word))
    return checked.pipe(rx_ops.take_while(lambda word: word is not SORRY, inclusive=True))


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → LLM → moderate → TTS → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), rx_ops.share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), rx_ops.share())

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        words = session.llm(conversation).pipe(ops.split_words(), ops.text_only(moderate))
        return words.pipe(session.tts(conversation), ops.pace(PLAYBACK))

    spoken = turns.pipe(ops.respond(reply, INTERRUPTION))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
