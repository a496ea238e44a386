"""Two clients that do no harm: one asks for something small twenty times a second, the other one talks."""

from __future__ import annotations

import array
import asyncio
import base64
import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

__all__ = ["Lost", "Probe", "Talker"]

_RATE_HZ, _PACKET_S, _SPEAKS_S, _ANSWER_WITHIN_S = 24_000, 0.1, 0.7, 15.0
_EVERY_S, _PROBE_WITHIN_S = 0.05, 15.0


class Lost(Exception):
    """A bystander's session has ended, or was not answered."""


def _append(pcm: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})


def _tone() -> list[str]:
    """Something that a recogniser takes for a voice, in packets."""
    samples = range(round(_RATE_HZ * _SPEAKS_S))
    pcm = array.array("h", (int(12_000 * math.sin(2 * math.pi * 220 * number / _RATE_HZ)) for number in samples))
    size = round(_RATE_HZ * _PACKET_S) * 2
    data = pcm.tobytes()
    return [_append(data[start : start + size]) for start in range(0, len(data), size)]


_TONE, _SILENCE = _tone(), _append(bytes(round(_RATE_HZ * _PACKET_S) * 2))


@dataclass(slots=True)
class Probe:
    """Asks for an item that there is not; `answers_ms` is how long each answer took."""

    talk: aiohttp.ClientWebSocketResponse
    answers_ms: list[float] = field(default_factory=list[float])

    async def run(self) -> None:
        """Ask until cancelled. Raises Lost."""
        number = 0
        while True:
            number += 1
            began_s = time.monotonic()
            await self.talk.send_str(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            try:
                async with asyncio.timeout(_PROBE_WITHIN_S):
                    await _event(self.talk, "session.updated")
            except TimeoutError:
                raise Lost("the probe was not answered") from None
            self.answers_ms.append((time.monotonic() - began_s) * 1000)
            await asyncio.sleep(_EVERY_S)


@dataclass(slots=True)
class Talker:
    """Talks, and waits for the answer; `turns_ms` is from the end of its words to the first sound of each answer."""

    talk: aiohttp.ClientWebSocketResponse
    turns_ms: list[float] = field(default_factory=list[float])

    async def run(self) -> None:
        """Talk until cancelled. Raises Lost."""
        while True:
            await self.turn()

    async def turn(self) -> None:
        """Say something, and hear the answer out. Raises Lost."""
        await self._say(_TONE)
        began_s, quiet = time.monotonic(), asyncio.create_task(self._be_quiet())
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await _event(self.talk, "response.output_audio.delta")
                self.turns_ms.append((time.monotonic() - began_s) * 1000)
                await _event(self.talk, "response.done")
        except TimeoutError:
            raise Lost("a turn was not answered") from None
        finally:
            quiet.cancel()

    async def _say(self, packets: list[str]) -> None:
        next_s = time.monotonic()
        for packet in packets:
            await self.talk.send_str(packet)
            next_s += _PACKET_S
            await asyncio.sleep(next_s - time.monotonic())

    async def _be_quiet(self) -> None:
        while True:
            await self._say([_SILENCE])


async def _event(talk: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """Return the next one of this kind. Raises Lost when the session ends."""
    async for message in talk:
        event: dict[str, Any] = json.loads(message.data)
        if event["type"] == kind:
            return event
    raise Lost(f"the session has ended with {talk.close_code}")
