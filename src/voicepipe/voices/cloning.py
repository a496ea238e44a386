"""Voice cloning: Kyutai's service turns a recording into an embedding."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from io import BytesIO

import aiohttp
import ormsgpack

from voicepipe.installation.proxies import proxy_for
from voicepipe.services.address import Address

__all__ = ["Cloning", "CloningFailed"]


class CloningFailed(Exception):
    """No embedding was made; the message is the end of a sentence that begins with the service's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloning:
    """The service at `address`; an answer may take `timeout_s` and have `max_bytes`."""

    address: Address
    timeout_s: float
    max_bytes: int

    async def embed(self, recording: bytes, http: aiohttp.ClientSession) -> bytes:
        """Return the embedding of the voice in a sound file of any format, as MessagePack. Raises CloningFailed."""
        url, headers = self.address.http("/api/voice"), {"Content-Type": "application/octet-stream"}
        sound = BytesIO(recording)  # sent in pieces; megabytes of bytes at once would block the event loop
        # A redirect could lead a recording, or this request, to any address that this machine can reach.
        asking = http.post(url, data=sound, headers=headers, proxy=proxy_for(url), allow_redirects=False)
        try:
            async with asyncio.timeout(self.timeout_s), asking as answer:
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
        raise CloningFailed("answered with something other than an embedding")
    return body
