"""The smallest pipeline: what you say comes back."""

from reactivex import Observable
from reactivex.operators import map as each

from voicepipe import Event, Session
from voicepipe.events import Audio, ReplyAudio
from voicepipe.operators import decode, encode


def pipeline(session: Session) -> Observable[Event]:
    """decode → encode."""
    return session.received.pipe(decode(session.codec), each(as_speech), encode(session.codec))


def as_speech(event: Audio | Event) -> ReplyAudio | Event:
    """Sound heard becomes sound spoken; what could not be decoded is reported as it is."""
    return ReplyAudio(event) if isinstance(event, Audio) else event
