"""The outbox: two lanes, one order, bounded sound, and a deadline for the client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from voicepipe.conversation import Conversation
from voicepipe.events import Event, Overflowed, ReplyInterrupted, SpeechEncoded
from voicepipe.server.session.send_queue import ClientTooSlow, SendQueue
from voicepipe.testing import VirtualLoop


def encode(event: Event) -> list[dict[str, Any]]:
    match event:
        case SpeechEncoded(data=data):
            return [{"type": "response.audio.delta", "is": data.decode()}]
        case ReplyInterrupted():
            return [{"type": "interrupted", "is": "x"}]
        case Overflowed(lost_ms=lost_ms):
            return [{"type": "error", "is": f"lost {lost_ms:g}"}]
        case str():
            return [{"type": "text", "is": event}]
        case _:
            return []


def sound(name: str, ms: float = 100) -> SpeechEncoded:
    return SpeechEncoded(name.encode(), ms)


CUT = ReplyInterrupted("", Conversation())


class Client:
    """Takes a message in `takes_s`; `got` is what it has read."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.got: list[str] = []
        self.wakes = 0

    async def read(self, text: str) -> None:
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        self.got.append(json.loads(text)["is"])


def delivered(loop: VirtualLoop, box: SendQueue, *, client: Client | None = None) -> list[str]:
    """Return the messages that the client reads when the queue is closed now."""
    client = client or Client()
    box.close()
    loop.run(box.write(client.read, deadline_s=5))
    return client.got


@pytest.fixture
def box() -> SendQueue:
    """Half a second of sound; the stream has begun, as the tests of dropping need it to have."""
    return SendQueue(encode, audio_capacity_ms=500)


def begun(box: SendQueue) -> SendQueue:
    box.put(sound("headers"))
    return box


def test_sound_and_control_keep_their_order(virtual_loop: VirtualLoop, box: SendQueue):
    """Though they wait in two lanes."""
    for event in ("a", sound("1"), sound("2"), "b", "c", sound("3"), "d"):
        box.put(event)
    assert delivered(virtual_loop, box) == ["a", "1", "2", "b", "c", "3", "d"]


def test_too_much_sound_loses_its_oldest(virtual_loop: VirtualLoop, box: SendQueue):
    """It is counted, and told once, before what is left."""
    begun(box)
    for name in "1234567":
        box.put(sound(name))
    assert box.waiting_ms == 500
    assert delivered(virtual_loop, box) == ["lost 200", "headers", "3", "4", "5", "6", "7"]
    assert box.lost_ms == 200


def test_control_is_never_dropped(virtual_loop: VirtualLoop, box: SendQueue):
    """However much of it waits, and whatever happens to the sound between."""
    begun(box)
    for number in range(1000):
        box.put(str(number))
        box.put(sound("s"))
    got = delivered(virtual_loop, box)
    assert [one for one in got if one.isdigit()] == [str(number) for number in range(1000)]
    assert got.count("s") == 5


def test_a_packet_longer_than_the_capacity_may_wait_alone(virtual_loop: VirtualLoop, box: SendQueue):
    """Else a codec with long packets would be mute."""
    begun(box).put(sound("long", 2000))
    assert delivered(virtual_loop, box) == ["headers", "long"]


def test_an_interruption_overtakes_the_sound(virtual_loop: VirtualLoop, box: SendQueue):
    """Its waiting sound is dropped on purpose, so nothing counts as lost; other messages stay."""
    begun(box)
    for event in (sound("1"), "word", sound("2"), CUT, "after", sound("3")):
        box.put(event)
    assert delivered(virtual_loop, box) == ["headers", "word", "x", "after", "3"]
    assert box.lost_ms == 0


def test_the_first_packet_survives_everything(virtual_loop: VirtualLoop, box: SendQueue):
    """In Ogg it holds the headers, without which nothing that follows can be played."""
    begun(box)
    for name in "123456789":
        box.put(sound(name))
    box.put(CUT)
    assert delivered(virtual_loop, box)[:3] == ["lost 400", "headers", "x"]


def test_an_interruption_reaches_a_writer_that_is_at_work(virtual_loop: VirtualLoop, box: SendQueue):
    """The sound that it has not begun to send is not sent."""
    client = Client(takes_s=0.1)

    async def talk() -> None:
        writer = asyncio.create_task(box.write(client.read, deadline_s=5))
        begun(box)
        for name in "1234":
            box.put(sound(name))
        await asyncio.sleep(0.25)
        box.put(CUT)
        box.close()
        await writer

    virtual_loop.run(talk())
    assert client.got == ["headers", "1", "2", "x"]


def test_a_slow_client_hears_the_newest(virtual_loop: VirtualLoop, box: SendQueue):
    """Sound comes every 100 ms and goes every 200: it is never more than the capacity behind."""
    client = Client(takes_s=0.2)

    async def talk() -> None:
        writer = asyncio.create_task(box.write(client.read, deadline_s=5))
        for number in range(50):
            box.put(sound(str(number)))
            await asyncio.sleep(0.1)
        box.close()
        await writer

    virtual_loop.run(talk())
    heard = [int(one) for one in client.got if one.isdigit()]
    assert heard == sorted(heard)
    assert heard[-5:] == [45, 46, 47, 48, 49]
    assert box.lost_ms == 100 * (50 - len(heard))
    assert sum(float(one.split()[1]) for one in client.got if one.startswith("lost")) == box.lost_ms


def test_a_client_that_takes_nothing_is_given_up(virtual_loop: VirtualLoop, box: SendQueue):
    """At the deadline, to the moment, with a reason."""

    async def talk() -> float:
        box.put("a")
        with pytest.raises(ClientTooSlow, match="has not taken a message within 5 s"):
            await box.write(Client(takes_s=1000).read, deadline_s=5)
        return virtual_loop.time()

    assert virtual_loop.run(talk()) == 5


def test_a_slow_client_that_takes_something_is_not_given_up(virtual_loop: VirtualLoop, box: SendQueue):
    """The deadline is of one message, not of all that wait."""
    for number in range(10):
        box.put(str(number))
    assert len(delivered(virtual_loop, box, client=Client(takes_s=4))) == 10


def test_a_burst_costs_one_wake_up(virtual_loop: VirtualLoop, box: SendQueue):
    """The loop goes round once for all that was put in one go."""
    client, rounds = Client(), 0

    async def count() -> None:
        nonlocal rounds
        while len(client.got) < 20:
            rounds += 1
            await asyncio.sleep(0)

    async def talk() -> None:
        writer = asyncio.create_task(box.write(client.read, deadline_s=5))
        await asyncio.sleep(1)
        for number in range(20):
            box.put(str(number))
        await count()
        box.close()
        await writer

    virtual_loop.run(talk())
    assert rounds <= 2


def test_what_is_put_after_the_close_is_not_sent(virtual_loop: VirtualLoop, box: SendQueue):
    """Messages from before it are sent."""
    box.put("a")
    box.close()
    box.put("b")
    assert delivered(virtual_loop, box) == ["a"]


def test_an_error_of_the_socket_is_passed_on(virtual_loop: VirtualLoop, box: SendQueue):
    """The writer ends with it."""

    async def broken(_: str) -> None:
        raise ConnectionResetError

    box.put("a")
    with pytest.raises(ConnectionResetError):
        virtual_loop.run(box.write(broken, deadline_s=5))


def test_answers_that_are_not_read_have_an_end(virtual_loop: VirtualLoop):
    """The waiting messages are dropped, once, and the session is told why it ends."""
    reasons: list[str] = []
    box = SendQueue(encode, audio_capacity_ms=1000, control_capacity_bytes=1_000, overflowed=reasons.append)
    for _ in range(20):
        box.put("x" * 100)  # pyright: ignore[reportArgumentType]
    assert reasons == ["more than 1000 bytes of answers wait for the client"] * 2
    assert len(delivered(virtual_loop, box)) < 10
