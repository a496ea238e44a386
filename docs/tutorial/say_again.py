"""An echo in one piece: the bot repeats the user's words when the user has paused."""

from collections.abc import Iterator

import numpy as np
from reactivex import Observable

from voicepipe import Event, Session, Stage, stage_factory
from voicepipe.events import Audio, ReplyAudio
from voicepipe.operators import decode, encode, pace
from voicepipe.rx import transduce


def pipeline(session: Session) -> Observable[Event]:
    """decode → say again → pace → encode."""
    return session.received.pipe(
        decode(session.codec),
        say_again(after_ms=600, louder_than=0.02),
        pace(lead_ms=320, frame_ms=80),
        encode(session.codec),
    )


@stage_factory(gives=(ReplyAudio,), takes=(Audio,), passes=True)
def say_again(*, after_ms: float, louder_than: float) -> Stage[Audio | Event, ReplyAudio | Event]:
    """An utterance as `ReplyAudio`, when nothing louder than `louder_than` has come for `after_ms`."""
    return transduce(lambda _: Utterance(after_ms, louder_than))


class Utterance:
    """The words since the last pause."""

    def __init__(self, after_ms: float, louder_than: float) -> None:
        self.after_ms, self.louder_than = after_ms, louder_than
        self.frames: list[Audio] = []
        self.quiet_ms = 0.0

    def __call__(self, event: Audio | Event) -> Iterator[ReplyAudio | Event]:
        if not isinstance(event, Audio):
            yield event
            return
        loud = np.abs(event.samples).max() > self.louder_than
        self.quiet_ms = 0.0 if loud else self.quiet_ms + event.duration_s * 1000
        if loud or self.frames:
            self.frames.append(event)
        if self.frames and self.quiet_ms >= self.after_ms:
            yield from map(ReplyAudio, self.frames)
            self.frames = []
