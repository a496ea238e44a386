"""The process's one HTTP client session."""

from __future__ import annotations

import asyncio

from voicepipe.engine.http import Http


def test_there_is_one_session_until_it_is_closed() -> None:
    """And one per loop, should there be several, one after the other."""
    http = Http(keep_alive_s=60, resolve_every_s=10)

    async def main() -> list[int]:
        first, again = http.session(), http.session()
        await http.close()
        later = http.session()
        await http.close()
        await http.close()
        assert first.closed
        assert later.closed
        return [id(one) for one in (first, again, later)]

    first, again, later = asyncio.run(main())
    assert first == again != later
    asyncio.run(main())
