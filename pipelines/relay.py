"""A relay: another server of OpenAI's Realtime API leads the conversation, speech to speech."""

import os

from reactivex import Observable

from voicepipe import Event, Session
from voicepipe import operators as ops
from voicepipe.client import relay
from voicepipe.presets import GAPS

URL = os.environ.get("RELAY_URL", "wss://api.openai.com/v1/realtime?model=gpt-realtime")
KEY = os.environ.get("RELAY_KEY")


def opening_hours(day: str) -> str:
    """When the shop is open on a day of the week."""
    return "closed" if day.lower() == "sunday" else "from 9 to 18"


def pipeline(session: Session) -> Observable[Event]:
    """decode → another server, which hears, answers and speaks → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    return mic.pipe(relay(URL, opening_hours, key=KEY), ops.encode(session.codec))
