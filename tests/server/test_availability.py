"""Admission by availability, and the rate and the duration of health checks."""

from __future__ import annotations

import asyncio

import pytest

from voicepipe.server.availability import NEEDED, Health, Reason, is_ok, obstacles

UP = {**dict.fromkeys(NEEDED, True), "voice_cloning_up": False}
FREE = {"loading": False, "stopping": False, "taken": 0, "capacity": 2}


@pytest.mark.parametrize(
    ("now", "up", "why"),
    [
        ({}, UP, []),
        ({"taken": 1}, UP, []),
        ({"taken": 2}, UP, [Reason.FULL]),
        ({"stopping": True}, UP, [Reason.STOPPING]),
        ({"loading": True, "capacity": 0}, {}, [Reason.LOADING]),
        ({"stopping": True, "taken": 2}, None, [Reason.STOPPING, Reason.FULL]),
        ({}, {**UP, "tts_up": False}, [Reason.SERVICE_DOWN]),
        ({}, dict.fromkeys(NEEDED, False), [Reason.SERVICE_DOWN] * 3),
        ({}, {"stt_up": True}, []),
        ({}, {"stt_up": False}, [Reason.SERVICE_DOWN]),
        ({}, {}, []),
        ({}, None, []),
    ],
)
def test_what_stands_in_the_way(now, up, why):
    """The most lasting first. Voice cloning is not needed, and what is not used does not count."""
    found = obstacles(up, **(FREE | now))
    assert [obstacle.reason for obstacle in found] == why


def test_a_service_that_is_down_is_named_to_the_client():
    """In words for the one who wanted to talk."""
    (obstacle,) = obstacles({**UP, "stt_up": False}, **FREE)
    assert obstacle.user_message == "The speech recognition (STT) cannot be reached. Please try again in a moment."


@pytest.mark.parametrize("key", NEEDED)
def test_all_that_is_used_is_needed(key):
    """To be ok."""
    assert is_ok(UP)
    assert not is_ok({**UP, key: False})
    assert is_ok({other: up for other, up in UP.items() if other != key})


class Engine:
    def __init__(self) -> None:
        self.asked = 0
        self.takes_s = 0.1
        self.broken: Exception | None = None

    async def health(self) -> dict[str, bool]:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        if self.broken is not None:
            raise self.broken
        return UP


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_an_engine_is_asked_seldom(engine, virtual_loop):
    """Twenty ask in a second, and twice it is passed on; each answer is told once."""
    told: list[dict[str, bool]] = []
    health = Health(engine.health, timeout_s=3, fresh_s=0.5, clock=virtual_loop.time, on_answer=told.append)

    async def main() -> None:
        for _ in range(20):
            assert await health.up() == UP
            await asyncio.sleep(0.05)

    virtual_loop.run(main())
    assert engine.asked == len(told) == 2


def test_a_caller_that_cannot_wait_gets_what_is_known(engine, virtual_loop):
    """Nothing at first; then the last answer, however old."""
    health = Health(engine.health, timeout_s=3, fresh_s=0.5, clock=virtual_loop.time)
    engine.takes_s = 1

    async def main() -> None:
        assert await health.cached(0.2) is None
        assert virtual_loop.time() == pytest.approx(0.2)
        assert await health.cached(2) == UP
        await asyncio.sleep(60)
        engine.broken = OSError("gone")
        assert await health.cached(0.2) == UP
        assert await health.cached(2) == dict.fromkeys(UP, False)

    virtual_loop.run(main())


def test_an_engine_that_hangs_or_breaks_has_nothing_up(engine, virtual_loop):
    """After the limit; and it is asked again."""
    health = Health(engine.health, timeout_s=3, fresh_s=0.5, clock=virtual_loop.time)
    nothing = dict.fromkeys(UP, False)
    engine.takes_s = 100

    async def main() -> None:
        assert await health.up() == nothing
        assert virtual_loop.time() == 3
        engine.takes_s, engine.broken = 0.1, OSError("gone")
        await asyncio.sleep(1)
        assert await health.up() == nothing
        engine.broken = None
        await asyncio.sleep(1)
        assert await health.up() == UP
        await health.close()

    virtual_loop.run(main())
