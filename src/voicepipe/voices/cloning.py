"""Cloning a voice: a recording goes to Kyutai's cloning service, an embedding comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from io import BytesIO

import aiohttp
import ormsgpack

from voicepipe.services.address import Address

__all__ = ["Cloning", "CloningFailed"]


class CloningFailed(Exception):
    """No embedding was made; the message says why, in the words of a sentence that ends with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloning:
    """The service at `address`, which may take `timeout_s` and answer with `max_bytes`."""

    address: Address
    timeout_s: float
    max_bytes: int

    async def embed(self, recording: bytes, http: aiohttp.ClientSession) -> bytes:
        """The embedding of the voice in a sound file of any kind, in MessagePack as it came. Raises CloningFailed."""
        url, headers = self.address.http("/api/voice"), {"Content-Type": "application/octet-stream"}
        sound = BytesIO(recording)  # which is sent in pieces; megabytes of bytes at once would hold up the event loop
        try:
            async with asyncio.timeout(self.timeout_s), http.post(url, data=sound, headers=headers) as answer:
                body = await self._body(answer)
        except TimeoutError:
            raise CloningFailed(f"did not answer within {self.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise CloningFailed("cannot be reached") from error
        if answer.status != 200:
            raise CloningFailed(f"answered with {answer.status}")
        return _message_pack(body)

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > self.max_bytes:
                raise CloningFailed(f"answered with more than {self.max_bytes} bytes")
        return bytes(body)


def _message_pack(body: bytes) -> bytes:
    try:
        value = ormsgpack.unpackb(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CloningFailed("answered with what is no embedding")
    return body
