"""A user's own events pass all stages, and a stage of the user's own stands anywhere among them."""

from collections.abc import Iterator
from dataclasses import dataclass

from reactivex import Observable
from reactivex import operators as rx
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, Stage, merge, stage_factory
from voicepipe import operators as ops
from voicepipe.events import Audio, ReplyAudio, ReplyText, TurnEnded, TurnEvent, WordRecognised
from voicepipe.rx import of_type, transduce


@dataclass(frozen=True, slots=True)
class KeywordHeard(Event):
    keyword: str
    at_s: float


@dataclass(frozen=True, slots=True)
class TurnRated(TurnEvent):
    """A turn event of one's own reaches `respond`, which ignores it."""

    politeness: float


@stage_factory(gives=(KeywordHeard,), passes=True)
def spot(keyword: str) -> Stage[Event, Event]:
    def step(event: Event) -> Iterator[Event]:
        yield event
        match event:
            case WordRecognised(text=text, start_s=start_s) if text == keyword:
                yield KeywordHeard(keyword, start_s)
            case _:
                pass

    return transduce(lambda _: step)


def quiet(mic: Observable[Audio | Event]) -> Observable[Audio | Event]:
    """Sound and events, still of the microphone."""
    return mic.pipe(rx.map(lambda item: Audio(item.samples * 0.5, item.rate_hz) if isinstance(item, Audio) else item))


def polite(words: Observable[ReplyText]) -> Observable[ReplyText]:
    return words.pipe(rx.filter(lambda word: word.delta.strip().lower() != "damn"))


def wakes(event: Event) -> bool | None:
    return isinstance(event, TurnEnded) and "voicepipe" in event.text


def pipeline(session: Session) -> Observable[Event]:
    mic = session.received.pipe(ops.decode(session.codec), quiet)
    heard = mic.pipe(ops.listen(session.stt, flush_at=0.6), spot("voicepipe"), share())
    turns = heard.pipe(ops.detect_turns(pause_above=0.6, resume_below=0.4), share())
    keywords = heard.pipe(of_type(KeywordHeard), rx.map(lambda heard: heard.keyword))
    rated = keywords.pipe(rx.map(lambda keyword: TurnRated(len(keyword))))

    def reply(conversation: Conversation) -> Observable[ReplyAudio | Event]:
        words = session.llm(conversation).pipe(ops.split_words(), ops.text_only(polite))
        return words.pipe(session.tts(conversation), ops.pace(lead_ms=320, frame_ms=80))

    answer = ops.respond(
        reply, idle_after_s=7, idle_prompts=0, uninterruptible_s=3, grace_s=0.25, min_voice_ms=800, resume_within_ms=350
    )
    spoken = merge(turns, rated).pipe(ops.gate(wakes, is_open=False), answer)
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
