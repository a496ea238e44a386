"""An application's events over a real socket, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import Event, Session, merge
from voicepipe.events import InputRejected, app_event
from voicepipe.rx import of_type, transduce


@app_event("test.lamp")
@dataclass(frozen=True, slots=True)
class Lamp(Event):
    room: str
    level: int


def dimming(session: Session) -> Observable[Event]:
    """Everything passes; a lamp that is switched on is dimmed."""

    def dim(lamp: Lamp) -> Iterator[Lamp]:
        if lamp.level > 5:
            yield Lamp(lamp.room, 5)

    events = session.received.pipe(of_type(Lamp, InputRejected), rx_ops.share())
    return merge(events, events, events.pipe(of_type(Lamp), transduce(lambda _: dim)))


HANDSHAKES = {
    "ga": {"protocols": ()},
    "beta": {"protocols": (), "headers": {"OpenAI-Beta": "realtime=v1"}},
    "unmute": {"protocols": ("realtime",)},
}


@pytest.mark.parametrize("dialect", HANDSHAKES)
async def test_they_travel_both_ways_in_every_dialect(serve: Any, dialect: str) -> None:
    """A client's own event does not go back to it; the pipeline's does."""
    async with serve(dimming) as served, served.connect(**HANDSHAKES[dialect]) as client:
        await client.send(
            {"type": "app.test.lamp", "room": "hall", "level": 3},
            {"type": "app.test.lamp", "room": "kitchen", "level": 9},
        )
        dimmed = await client.event("app.test.lamp")
        assert (dimmed["room"], dimmed["level"]) == ("kitchen", 5)
        assert dimmed["event_id"]


@pytest.mark.parametrize("dialect", HANDSHAKES)
async def test_a_wrong_field_is_told_and_the_session_goes_on(serve: Any, dialect: str) -> None:
    """In the dialect's own error."""
    async with serve(dimming) as served, served.connect(**HANDSHAKES[dialect]) as client:
        await client.send({"type": "app.test.lamp", "room": "hall", "level": "high"})
        assert "level" in (await client.error())["message"]
        await client.send({"type": "app.test.lamp", "room": "hall", "level": 7})
        assert (await client.event("app.test.lamp"))["level"] == 5


async def test_an_event_that_is_not_here_is_told(serve: Any) -> None:
    """By its type."""
    async with serve(dimming) as served, served.connect(protocols=()) as client:
        await client.send({"type": "app.test.absent"})
        error = await client.error()
        assert (error["code"], error["param"]) == ("invalid_value", "type")
