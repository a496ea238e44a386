"""The HTTP client for an MCP server: what one answer may cost is bounded. Imports httpx2 (extra `mcp`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2

from voicepipe.installation.proxies import proxy_for

__all__ = ["http_client"]

# Of an answer's next bytes, as the package mcp itself has it: a call has its own deadline, and a server may be silent
# for long between two notifications.
_READ_S = 300
# Of an answer in one piece, as mcp bounds each event of a stream. It is checked at once, on the event loop that all
# sessions share: a list of 20,000 tools, 3 MB, took 0.8 s.
_MOST_BYTES = 1_000_000


def http_client(url: str, headers: Mapping[str, str], connect_s: float) -> httpx2.AsyncClient:
    """Return a client for one connection, which its user opens and closes, through the proxy for the address.

    It follows no redirect; mcp follows those that stay at the server: the address is one that an operator has allowed.

    An answer with more than 1 MB fails with httpx2.StreamError, which mcp turns into an error for the caller. So does a
    compressed one, since what it unpacks to has no bounds; the requests say that none is wanted.

    Args:
        url: The server's address.
        headers: Headers of each request.
        connect_s: How long a connection may take, in seconds.
    """
    return httpx2.AsyncClient(
        headers={"Accept-Encoding": "identity", **headers},
        timeout=httpx2.Timeout(connect_s, read=_READ_S),
        proxy=proxy_for(url),
        trust_env=False,  # httpx itself would ask the environment's proxy for this machine, too
        event_hooks={"response": [_bound]},
    )


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        response.stream = _Bounded(response.stream, 0, "a compressed answer, which was not asked for")
    elif not response.headers.get("Content-Type", "").lower().startswith("text/event-stream"):
        response.stream = _Bounded(response.stream, _MOST_BYTES, f"an answer of more than {_MOST_BYTES} bytes")


class _Bounded(httpx2.AsyncByteStream):
    """A body that fails behind `most` bytes."""

    def __init__(self, body: httpx2.SyncByteStream | httpx2.AsyncByteStream, most: int, what: str) -> None:
        assert isinstance(body, httpx2.AsyncByteStream)
        self._body, self._most, self._what = body, most, what

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._body:
            size += len(chunk)
            if size > self._most:
                raise httpx2.StreamError(self._what)
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()
