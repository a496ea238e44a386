"""The reason, in words for the user, if no new session is possible now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from voicepipe._cached import SingleFlightCache

__all__ = ["KEYS", "NEEDED", "Health", "Reason", "Unavailability", "is_ok", "obstacles"]

log = structlog.get_logger()

NEEDED = {
    "stt_up": "speech recognition (STT)",
    "tts_up": "speech synthesis (TTS)",
    "llm_up": "language model (LLM)",
}
"""The services that a conversation requires where its pipeline uses them, with their names for people. Voice cloning is
not among them."""

KEYS = (*NEEDED, "voice_cloning_up")
"""All that an engine may tell of. What the pipeline does not use is left out, and counts as neither up nor down."""

_LATER = "Please try again in a moment."


class Reason(StrEnum):
    """The reason for refusing new sessions. The value stands in metrics."""

    LOADING = "loading"
    STOPPING = "stopping"
    FULL = "full"
    SERVICE_DOWN = "service_down"


@dataclass(frozen=True, slots=True)
class Unavailability:
    """One reason for refusing new sessions; `user_message` is the sentence for the client."""

    reason: Reason
    user_message: str


def obstacles(
    up: Mapping[str, bool] | None, *, loading: bool, stopping: bool, taken: int, capacity: int, told: int | None = None
) -> list[Unavailability]:
    """Everything that stands between a client and a conversation, the most lasting first. `up` None: not asked.

    What `up` does not have is not used, and does not stand in the way. `told` is the capacity that the client is told,
    where this process has a share of it.

    >>> [obstacle.user_message for obstacle in obstacles(None, loading=False, stopping=False, taken=2, capacity=2)]
    ['All 2 conversations of this server are taken. Please try again in a moment.']
    """
    found: list[Unavailability] = []
    if stopping:
        found.append(Unavailability(Reason.STOPPING, f"The server is shutting down. {_LATER}"))
    if loading:
        found.append(Unavailability(Reason.LOADING, f"The models are still being loaded. {_LATER}"))
    elif up is not None:
        for key, name in NEEDED.items():
            if not up.get(key, True):
                found.append(Unavailability(Reason.SERVICE_DOWN, f"The {name} cannot be reached. {_LATER}"))
    if taken >= capacity and not loading:
        found.append(Unavailability(Reason.FULL, f"{_full(told or capacity)} {_LATER}"))
    return found


def _full(capacity: int) -> str:
    if capacity == 1:
        return "The one conversation of this server is taken."
    return f"All {capacity} conversations of this server are taken."


class Health:
    """The health of an engine, cached and with a time limit.

    `ask` (an engine's `health`) may take `timeout_s`; after that, or when it raises, none of `keys` counts as up. Its
    answer holds for `fresh_s`; `on_answer` is called with each new one.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[dict[str, bool]]],
        *,
        timeout_s: float,
        fresh_s: float,
        clock: Callable[[], float],
        keys: Sequence[str] = KEYS,
        on_answer: Callable[[dict[str, bool]], object] = lambda _: None,
    ) -> None:
        self._ask, self._timeout_s, self._keys, self._on_answer = ask, timeout_s, keys, on_answer
        self._recent: SingleFlightCache[dict[str, bool]] = SingleFlightCache(
            self._answer, fresh_s=lambda _: fresh_s, clock=clock
        )

    async def up(self) -> dict[str, bool]:
        """Return whether each of `keys` is up, as it was `fresh_s` ago at the most."""
        return await self._recent()

    async def cached(self, wait_s: float) -> dict[str, bool] | None:
        """The same after `wait_s` at the most: then as it was when it was last known, None for never."""
        try:
            async with asyncio.timeout(wait_s):
                return await self._recent()
        except TimeoutError:
            return self._recent.last

    async def close(self) -> None:
        """Stop asking."""
        await self._recent.close()

    async def _answer(self) -> dict[str, bool]:
        up = await self._asked()
        self._on_answer(up)
        return up

    async def _asked(self) -> dict[str, bool]:
        nothing = dict.fromkeys(self._keys, False)
        try:
            async with asyncio.timeout(self._timeout_s):
                up = await self._ask()
                return {key: up.get(key, False) for key in self._keys}
        except Exception as error:
            log.warning("health.unknown", error=str(error) or type(error).__name__)
            return nothing


def is_ok(up: Mapping[str, bool]) -> bool:
    """Return whether all is up that a conversation needs, of what is used."""
    return all(up.get(key, True) for key in NEEDED)
