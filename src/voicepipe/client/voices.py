"""The voices of a server, and the voice of a name."""

from __future__ import annotations

from typing import Any, cast

import aiohttp
from yarl import URL

from voicepipe.client.socket import PATH, authorization, websocket_url
from voicepipe.installation.proxies import proxy_for

__all__ = ["UnknownVoice", "find_voice"]

_VOICES = "/v1/voices"
# How long to wait for the list; without it the server gets the voice as it was named.
_LONGEST_S = 3.0


class UnknownVoice(Exception):
    """The server has no voice of that name; the message lists its voices."""


async def find_voice(url: str, wanted: str, *, api_key: str | None = None) -> str:
    """Return the voice of the server at `url` that is called `wanted`, by its title or by its own name.

    A name with a slash or a colon (a path on one of Kyutai's servers, a cloned voice) need not be listed, and a server
    without a list may have any. Raises UnknownVoice.
    """
    voices = await _offered(url, api_key)
    for title, name in voices or ():
        if wanted.lower() in (title.lower(), name.lower()):
            return name
    if voices is None or {"/", ":"} & set(wanted):
        return wanted
    names = ", ".join(name for _, name in voices)
    raise UnknownVoice(f"the server has no voice {wanted!r}" + (f"; it has {names}" if names else ": it offers none"))


async def _offered(url: str, api_key: str | None) -> list[tuple[str, str]] | None:
    """Return title and name of each voice; None if the server does not say, or says something else."""
    address = URL(websocket_url(url))
    path = address.path.removesuffix(PATH) + _VOICES
    address = address.with_scheme("https" if address.scheme == "wss" else "http").with_path(path)
    timeout = aiohttp.ClientTimeout(total=_LONGEST_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=authorization(api_key)) as http,
            http.get(address, proxy=proxy_for(str(address)), raise_for_status=True) as response,
        ):
            return [_named(voice) for voice in cast("list[Any]", await response.json())]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        return None


def _named(voice: Any) -> tuple[str, str]:
    name = str(voice["source"]["path_on_server"])
    return str(voice.get("name") or name), name
