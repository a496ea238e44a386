"""The process's one HTTP client. Its connections stay open: a reply must not wait for a handshake."""

from __future__ import annotations

import asyncio

import aiohttp

__all__ = ["Http"]


class Http:
    """Hold one HTTP client session for all requests, opened on the loop of the first; `close` belongs on the same loop.

    An idle connection is kept for `keep_alive_s`, or for as long as the service keeps it. Names are resolved anew
    after `resolve_every_s`, and where a name has several addresses, requests take turns; a dead one costs 0.25 s, in
    which the next is tried beside it.
    """

    def __init__(self, *, keep_alive_s: float, resolve_every_s: int) -> None:
        self._keep_alive_s, self._resolve_every_s = keep_alive_s, resolve_every_s
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def session(self) -> aiohttp.ClientSession:
        """The session of the running loop. No cookies are kept, since all sessions share it."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            connector = aiohttp.TCPConnector(
                limit=0,  # what bounds them are the sessions that are let in
                keepalive_timeout=self._keep_alive_s,
                ttl_dns_cache=self._resolve_every_s,
            )
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            self._loop = loop
        return self._session

    async def close(self) -> None:
        """Close what is open; the next `session()` opens anew."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
