"""Options and runs of the speech services by HTTP, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from voicepipe.engine.http import Http
from voicepipe.presets import UTTERANCES
from voicepipe.services import FailureReason
from voicepipe.services.openai.requests import ApiDeadlines
from voicepipe.services.openai.retries import Retries
from voicepipe.stt.openai import OpenAiSttOptions
from voicepipe.text.reading import ENGLISH
from voicepipe.tts.openai import OpenAiTtsOptions

DEADLINES = ApiDeadlines(connect_s=1, first_s=3, next_s=1)
RETRIES = Retries(times=1, longest_wait_s=2)


def tts_options(url: str, **more: Any) -> OpenAiTtsOptions:
    """Of a service that needs no key."""
    given: dict[str, Any] = {
        "model": None,
        "api_key": None,
        "voice": "alloy",
        "rate_hz": 24_000,
        "first_words": 3,
        "min_words": 3,
        "max_words": 8,
        "capacity": 8,
        "ahead": 2,
        "deadlines": DEADLINES,
        "retries": RETRIES,
        "reading": ENGLISH,
    }
    return OpenAiTtsOptions(url=url, **{**given, **more})


@asynccontextmanager
async def http() -> AsyncIterator[Http]:
    """The process's HTTP client."""
    client = Http(keep_alive_s=300, resolve_every_s=10)
    try:
        yield client
    finally:
        await client.close()
        await asyncio.sleep(0.01)


@dataclass
class Observed:
    """An observer that counts."""

    opened: int = 0
    closed: int = 0
    sent_count: int = 0
    received_count: int = 0
    missed_for: list[FailureReason] = field(default_factory=list[FailureReason])
    failures: list[Exception] = field(default_factory=list[Exception])
    first_s: list[float] = field(default_factory=list[float])
    made_s: float = 0.0
    found_count: int = 0
    interruptions: int = 0

    def session_opened(self) -> None:
        self.opened += 1

    def session_closed(self, after_s: float) -> None:
        self.closed += 1

    def missed(self, why: FailureReason) -> None:
        self.missed_for.append(why)

    def found(self, after_s: float) -> None:
        self.found_count += 1

    def pinged(self, after_s: float) -> None: ...

    def sent(self, count: int) -> None:
        self.sent_count += count

    def received(self, count: int) -> None:
        self.received_count += count

    def first_item(self, after_s: float) -> None:
        self.first_s.append(round(after_s, 3))

    def generated(self, sound_s: float, after_s: float) -> None:
        self.made_s += sound_s

    def interrupted(self) -> None:
        self.interruptions += 1

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


def stt_options(url: str, **more: Any) -> OpenAiSttOptions:
    """Of a service that needs no key."""
    given: dict[str, Any] = {
        "model": None,
        "api_key": None,
        "language": None,
        "utterances": UTTERANCES,
        "guesses": False,
        "deadlines": DEADLINES,
        "retries": RETRIES,
    }
    return OpenAiSttOptions(url=url, **{**given, **more})
