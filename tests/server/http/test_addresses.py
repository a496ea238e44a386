"""Sessions by the address of the client."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from served import UPDATE, refused

from voicepipe.server import ServerSettings
from voicepipe.server.http.addresses import Addresses


def address(remote: str, *forwarded: str, **settings: Any) -> str | None:
    headers = [("X-Forwarded-For", one) for one in forwarded]
    request = make_mocked_request("GET", "/v1/realtime", headers=dict(headers)).clone(remote=remote)
    return Addresses(ServerSettings(**settings)).of(request)


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("127.0.0.1", "", None),
        ("10.1.2.3", "", None),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7, 10.0.0.5", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7, what?", None),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("2001:db8::1:2", "", "2001:db8::/64"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        ("", "", None),
    ],
)
def test_the_last_address_that_is_no_proxys_counts(remote: str, forwarded: str, client: str | None) -> None:
    """A client may write into the header whatever it likes: a proxy appends what it sees."""
    assert address(remote, *([forwarded] if forwarded else [])) == client


def test_proxies_can_be_set() -> None:
    """Then a private network is one of clients."""
    assert address("10.1.2.3", trusted_proxies=()) == "10.1.2.3"
    assert address("198.51.100.9", "203.0.113.7", trusted_proxies=("198.51.100.9",)) == "203.0.113.7"
    with pytest.raises(ValueError, match="a network such as"):
        ServerSettings(trusted_proxies=("the proxy",))


async def test_an_address_holds_so_many_sessions(serve: Any) -> None:
    """One more is refused with a reason, and let in when another one has gone."""
    one, other = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "203.0.113.8"}
    async with serve(lambda session: session.received, max_sessions_per_address=2) as served:
        async with served.connect(headers=one) as first, served.connect(headers=one) as second:
            await first.send(UPDATE)
            await second.send(UPDATE)
            async with served.http.get(f"{served.url}/v1/realtime", headers={**UPGRADE, **one}) as answer:
                said = refused(answer.status, await answer.json())
                assert (answer.status, said) == (
                    429,
                    "Your address holds 2 sessions already, and may not hold more at once.",
                )
            async with served.connect(headers=other):
                pass
        await served.empty()
        async with served.connect(headers=one):
            pass


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", aiohttp.hdrs.SEC_WEBSOCKET_VERSION: "13"}
