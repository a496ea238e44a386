"""Is everything there? Each service is asked, all side by side, each for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["KINDS", "Check", "Checks", "Probe", "ServiceKind"]

ServiceKind: TypeAlias = Literal["stt", "llm", "tts", "voice_cloning"]
"""The purpose of a service or of an embedded model."""

KINDS: tuple[ServiceKind, ...] = ("stt", "tts", "llm", "voice_cloning")


@dataclass(frozen=True, slots=True)
class Probe:
    """A check of one service. `ask` returns its description of itself, or raises an error."""

    kind: ServiceKind
    what: str
    where: str
    advice: str
    """The advice for the time when it is down."""
    ask: Callable[[], Awaitable[str]]

    @property
    def needed(self) -> bool:
        """Without it there is no conversation."""
        return self.kind != "voice_cloning"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check: `said` is the service's description of itself, or the error, after `took_s`."""

    probe: Probe
    up: bool
    said: str
    took_s: float


class Checks:
    """Run all `probes` in parallel. Each has `within_s`. A frequent caller should cache the result for a moment.

    `kinds` are those that `health` tells of; one that has no probe is not up.
    """

    def __init__(self, probes: Sequence[Probe], *, within_s: float, kinds: Sequence[ServiceKind] = KINDS) -> None:
        self._probes, self._within_s, self._kinds = probes, within_s, kinds

    async def all(self) -> list[Check]:
        """Run all checks. Never raises: errors are in the results."""
        return list(await asyncio.gather(*map(self._check, self._probes)))

    async def health(self) -> dict[str, bool]:
        """Return whether each kind is up: `stt_up`, `tts_up`, `llm_up`, `voice_cloning_up`."""
        checks = await self.all()
        up = {kind: [check.up for check in checks if check.probe.kind == kind] for kind in self._kinds}
        return {f"{kind}_up": bool(each) and all(each) for kind, each in up.items()}

    async def _check(self, probe: Probe) -> Check:
        clock = asyncio.get_running_loop().time
        began_s, up = clock(), True
        try:
            async with asyncio.timeout(self._within_s):
                said = await probe.ask()
        except TimeoutError as error:
            up, said = False, str(error) or f"no answer within {self._within_s:g} s"
        except Exception as error:
            up, said = False, str(error) or type(error).__name__
        return Check(probe, up, said, clock() - began_s)
