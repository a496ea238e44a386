"""A host's doors: key, lease, TLS, health, and an end that cuts no session off."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import ormsgpack
import pytest
from hosted import KEY, Hosted, ToneStt, ToneTts, hosting, stt_of
from kyutai import play, running, said

from voicepipe.engine.network import kyutai_probe
from voicepipe.events import WordRecognised
from voicepipe.host.serve import HostAddress, Tls, listening_host
from voicepipe.services.socket import LEASE_HEADER
from voicepipe.stt.kyutai.protocol import KEY_HEADER, PATH
from voicepipe.testing import VirtualLoop


async def first_message(host: Hosted, **headers: str) -> Any:
    """The status of the refusal, or the first message."""
    async with aiohttp.ClientSession() as http:
        try:
            async with http.ws_connect(f"{host.url}{PATH}", headers=headers) as socket:
                return ormsgpack.unpackb(await socket.receive_bytes())["type"]
        except aiohttp.WSServerHandshakeError as error:
            return error.status


def test_a_session_needs_the_key_or_a_lease(virtual_loop: VirtualLoop) -> None:
    """Of a host in a cluster, which has no key, a lease; its token counts once."""

    async def main() -> list[Any]:
        async with hosting(ToneStt, capacity=1) as host, hosting(ToneStt, key=None) as leased:
            lease = leased.slots.lease()
            told = [
                await first_message(host),
                await first_message(host, **{KEY_HEADER: "wrong"}),
                await first_message(host, **{KEY_HEADER: KEY}),
                await first_message(host, **{LEASE_HEADER: "wrong", KEY_HEADER: KEY}),
                await first_message(leased, **{KEY_HEADER: KEY}),
                await first_message(leased, **{LEASE_HEADER: lease.token}),
                await first_message(leased, **{LEASE_HEADER: lease.token}),
            ]
            await host.slots.emptied()
            await leased.slots.emptied()
            return told

    assert virtual_loop.run(main()) == [401, 401, "Ready", 401, 401, "Ready", 401]


def test_a_lease_keeps_its_place_at_a_full_host(virtual_loop: VirtualLoop) -> None:
    async def main() -> tuple[Any, Any]:
        async with hosting(ToneStt, capacity=1) as host:
            lease = host.slots.lease()
            full = await first_message(host, **{KEY_HEADER: KEY})
            return full, await first_message(host, **{LEASE_HEADER: lease.token})

    assert virtual_loop.run(main()) == ("Error", "Ready")


def test_a_host_that_is_stopped_finishes_its_sessions(virtual_loop: VirtualLoop) -> None:
    """Meanwhile it is unhealthy, and refuses new ones as if it were full."""

    async def main() -> str:
        async with hosting(ToneStt) as host, aiohttp.ClientSession() as http, running(stt_of(host.url)) as heard:
            loop = asyncio.get_running_loop()
            playing = loop.create_task(play(heard.source, said("one two three")))
            await asyncio.sleep(1)
            drained = loop.create_task(host.host.drain(60))
            await asyncio.sleep(0)
            assert await first_message(host, **{KEY_HEADER: KEY}) == "Error"
            async with http.get(f"{host.url}/health") as response:
                state = await response.json()
                assert (response.status, state["ok"], state["sessions"]) == (503, False, 1)
            await playing
            assert not drained.done()
            heard.source.on_completed()
            await asyncio.wait_for(drained, 5)
            return heard.texts(WordRecognised)

    assert virtual_loop.run(main()) == "one two three"


def test_a_session_that_outlasts_the_drain_goes_on_elsewhere(virtual_loop: VirtualLoop) -> None:
    async def main() -> str:
        async with (
            hosting(ToneStt) as first,
            hosting(ToneStt) as second,
            running(stt_of(first.url, second.url)) as heard,
        ):
            loop = asyncio.get_running_loop()
            playing = loop.create_task(play(heard.source, said("one two three four")))
            await asyncio.sleep(1.5)
            used = first if first.slots.taken else second
            await used.host.drain(0.4)
            await playing
            assert used.slots.taken == 0
            return heard.texts(WordRecognised)

    assert virtual_loop.run(main()) == "one two three four"


def test_health_and_what_a_gateway_asks(virtual_loop: VirtualLoop) -> None:
    async def main() -> tuple[Any, str]:
        async with hosting(ToneStt) as host, aiohttp.ClientSession() as http:
            async with http.get(f"{host.url}/health") as response:
                state = await response.json()
            return state, await kyutai_probe("stt", host.url, lambda: http, "Moonshine").ask()

    state, ready = virtual_loop.run(main())
    assert state == {"ok": True, "stage": "stt", "model": "tones", "sessions": 0, "capacity": 4}
    assert ready == "ready"


def test_tls(tmp_path: Path) -> None:
    """With a certificate of its own; a client that does not know it gets no answer."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, *files, *names], check=True, capture_output=True)

    async def main() -> Any:
        host = hosting(ToneTts)
        address = HostAddress("127.0.0.1", 0, Tls(str(certificate), str(key)))
        async with listening_host(host.host, address) as port, aiohttp.ClientSession() as http:
            url = f"https://localhost:{port}/health"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(url)
            async with http.get(url, ssl=ssl.create_default_context(cafile=certificate)) as response:
                return (await response.json())["stage"]

    assert asyncio.run(main()) == "tts"
