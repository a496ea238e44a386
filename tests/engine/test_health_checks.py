"""Health checks, made side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voicepipe.engine.health_checks import Check, Checks, Probe, ServiceKind
from voicepipe.testing import VirtualLoop


def probe(kind: ServiceKind, ask: Callable[[], Awaitable[str]]) -> Probe:
    return Probe(kind, "fake", "there", "start it", ask)


def after(seconds: float, said: str = "well", error: Exception | None = None) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        await asyncio.sleep(seconds)
        if error is not None:
            raise error
        return said

    return ask


def checks(*probes: Probe) -> Checks:
    return Checks(probes, within_s=2)


def outcome(check: Check) -> tuple[str, bool, str, float]:
    return check.probe.kind, check.up, check.said, round(check.took_s, 3)


def test_all_are_asked_at_once_and_each_has_its_time(virtual_loop: VirtualLoop) -> None:
    """One that hangs, or breaks, hides none of the others."""
    asked = checks(
        probe("stt", after(0.1)),
        probe("tts", after(60)),
        probe("llm", after(0.2, error=ConnectionError("is out of order"))),
        probe("voice_cloning", after(0, error=ValueError())),
    )
    answers = virtual_loop.run(asked.all())
    assert [outcome(check) for check in answers] == [
        ("stt", True, "well", 0.1),
        ("tts", False, "no answer within 2 s", 2.0),
        ("llm", False, "is out of order", 0.2),
        ("voice_cloning", False, "ValueError", 0.0),
    ]
    assert virtual_loop.time() == 2
    assert [check.probe.needed for check in answers] == [True, True, True, False]


def test_what_is_not_configured_is_not_up(virtual_loop: VirtualLoop) -> None:
    """Every kind has its answer."""
    health = virtual_loop.run(checks(probe("stt", after(0))).health())
    assert health == {"stt_up": True, "tts_up": False, "llm_up": False, "voice_cloning_up": False}
