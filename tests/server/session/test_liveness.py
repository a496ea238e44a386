"""Signs of life of a client, in virtual time."""

from __future__ import annotations

import asyncio

from voicepipe.server.session.liveness import Liveness


class Watched:
    """A client that is dead after 10 s without a sign; `died` is when that was noticed, `signs` the signs of life."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.died: list[float] = []
        self.signs = 0
        self.alive = Liveness(10, dead=lambda: self.died.append(loop.time()), heard=self._heard)

    def _heard(self) -> None:
        self.signs += 1


async def test_a_client_without_a_sign_of_life_is_dead_once():
    """After the time that was given, from the start on."""
    watched = Watched()
    await asyncio.sleep(100)
    assert watched.died == [10]


async def test_the_time_counts_from_the_last_sign_of_life():
    """Each sign is passed on, for the socket's own watch."""
    watched = Watched()
    for _ in range(8):
        await asyncio.sleep(4)
        watched.alive.note()
    await asyncio.sleep(100)
    assert watched.died == [32 + 10]
    assert watched.signs == 8


async def test_signs_of_life_cost_no_timer(virtual_loop, monkeypatch):
    """A packet comes every 20 ms; the time is looked at when the timer is due."""
    timers: list[float] = []
    call_at = virtual_loop.call_at

    def counting(when, *args, **more):
        timers.append(when)
        return call_at(when, *args, **more)

    watched = Watched()
    monkeypatch.setattr(virtual_loop, "call_at", counting)
    for _ in range(1000):
        watched.alive.note()
    assert timers == []
    watched.alive.stop()


async def test_nothing_is_noticed_after_the_stop():
    """The session is over."""
    watched = Watched()
    await asyncio.sleep(5)
    watched.alive.stop()
    await asyncio.sleep(100)
    assert watched.died == []
