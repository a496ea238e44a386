"""Cloned voices and consents in a real Redis: kept, forgotten in time, and found again when Redis has been away."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import ormsgpack
import pytest
import reactivex
from aiohttp import web
from needs import require
from processes import free_port, running, wait_for_port
from served import Engine

from voicepipe.server import ServerSettings, make_app
from voicepipe.server.app import voice_store
from voicepipe.server.cluster import Cluster
from voicepipe.server.http.consents import DonationRefused
from voicepipe.voices.store import VoiceStoreDown, new_voice_name

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("redis")]

EMBEDDING = ormsgpack.packb({"type": "Voice", "embeddings": [0.5] * 1000, "shape": [1, 1000]})


@contextmanager
def redis(port: int, folder: Path):
    """A Redis without a disk, which forgets all when it stops."""
    command = [
        require("redis-server"),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with running(command, folder / "log") as process:
        wait_for_port(port, process, folder / "log")
        yield


def settings(port: int, **more) -> ServerSettings:
    pytest.importorskip("redis")
    return ServerSettings(redis_url=f"redis://127.0.0.1:{port}", **more)


def test_a_voice_is_kept_for_its_time(tmp_path: Path) -> None:
    """As it came, for whichever server asks; Redis counts the seconds."""
    port = free_port()

    async def main() -> None:
        one, other = voice_store(settings(port, voice_kept_s=100)), voice_store(settings(port))
        name = new_voice_name()
        try:
            await one.put(name, EMBEDDING)
            assert await other.get(name) == EMBEDDING
            assert await other.get(new_voice_name()) is None
        finally:
            await one.close()
            await other.close()
        assert 90 < await seconds_left(port, name) <= 100

    with redis(port, tmp_path):
        asyncio.run(main())


async def seconds_left(port: int, name: str) -> int:
    """As Redis says it, in its own words."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"TTL voicepipe:voice:{name}\r\n".encode())
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(answer.removeprefix(b":"))


def test_redis_may_come_and_go(tmp_path: Path) -> None:
    """Down is an error at once; when it is back, the same store works again."""
    port = free_port()

    async def main() -> None:
        store = voice_store(settings(port))
        try:
            for _ in range(2):
                with pytest.raises(VoiceStoreDown, match="cannot be reached"):
                    await store.put("a", EMBEDDING)
                with redis(port, tmp_path):
                    await store.put("a", EMBEDDING)
                    assert await store.get("a") == EMBEDDING
            with pytest.raises(VoiceStoreDown):
                await store.get("a")
        finally:
            await store.close()

    asyncio.run(main())


def test_a_restart_of_redis_costs_no_request(tmp_path: Path) -> None:
    """The connections of before are dead; nobody is told."""
    port = free_port()

    async def main() -> None:
        store = voice_store(settings(port))
        try:
            with redis(port, tmp_path):
                await asyncio.gather(*(store.put(f"{number}", EMBEDDING) for number in range(4)))
            with redis(port, tmp_path):
                await asyncio.gather(*(store.put(f"{number}", EMBEDDING) for number in range(4)))
        finally:
            await store.close()

    asyncio.run(main())


def test_a_redis_that_hangs_is_not_waited_for() -> None:
    """It takes the connection, and says nothing."""

    async def main() -> None:
        over = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()  # to the end of the connection
            writer.close()
            await writer.wait_closed()
            over.set()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        store = voice_store(settings(server.sockets[0].getsockname()[1], redis_timeout_s=0.2))
        async with asyncio.timeout(30):
            with pytest.raises(VoiceStoreDown):
                await store.get("a")
            await store.close()
            await over.wait()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_server_tells_when_redis_is_gone(tmp_path: Path) -> None:
    """503 with the reason; and 200 when it is back."""
    port = free_port()

    async def clone(_: web.Request) -> web.Response:
        return web.Response(body=EMBEDDING)

    async def main() -> None:
        cloner = web.Application()
        cloner.router.add_post("/api/voice", clone)
        runners: list[web.AppRunner] = []

        async def start(app: web.Application) -> int:
            runners.append(web.AppRunner(app, access_log=None))
            await runners[-1].setup()
            await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
            return runners[-1].addresses[0][1]

        options = settings(port, voice_cloning_url=f"http://127.0.0.1:{await start(cloner)}")
        ours = await start(make_app(lambda _: reactivex.never(), Engine(), options))

        async def post() -> tuple[int, dict[str, str]]:
            form = aiohttp.FormData()
            form.add_field("file", b"sound", filename="me.wav")
            async with (
                aiohttp.ClientSession() as http,
                http.post(f"http://127.0.0.1:{ours}/v1/voices", data=form) as answer,
            ):
                return answer.status, await answer.json()

        try:
            status, body = await post()
            assert (status, body["detail"]) == (503, "The voice cannot be kept: the store of voices is down.")
            with redis(port, tmp_path):
                status, body = await post()
                assert status == 200
                store = voice_store(options)
                assert await store.get(body["name"]) == EMBEDDING
                await store.close()
        finally:
            for runner in reversed(runners):
                await runner.cleanup()

    asyncio.run(main())


# ---- consents of voice donations ------------------------------------------------------------------------------------


def test_a_consent_of_one_server_is_good_at_another_and_once(tmp_path: Path) -> None:
    """Of two servers that get the same donation at once, one has it; Redis forgets it in time."""
    port = free_port()

    async def main() -> None:
        one, other = (Cluster().consents(settings(port, consent_s=100)) for _ in range(2))
        try:
            consent = await one.ask()
            assert await other.take(consent.id) == consent
            for again in (one, other):
                with pytest.raises(DonationRefused, match="unknown, used already or too old"):
                    await again.take(consent.id)
            await other.give_back(consent)
            taken = await asyncio.gather(*(store.take(consent.id) for store in (one, other)), return_exceptions=True)
            assert sorted(type(result).__name__ for result in taken) == ["Consent", "DonationRefused"]
            short = Cluster().consents(settings(port, consent_s=0.05))
            late = await short.ask()
            await asyncio.sleep(0.1)
            with pytest.raises(DonationRefused):
                await other.take(late.id)
            await short.close()
        finally:
            await one.close()
            await other.close()

    with redis(port, tmp_path):
        asyncio.run(main())


def test_only_so_many_consents_are_open_of_all_servers(tmp_path: Path) -> None:
    """Of more, the oldest is void."""
    port = free_port()

    async def main() -> None:
        one, other = (Cluster().consents(settings(port, consents_open=2)) for _ in range(2))
        try:
            first, second, third = await one.ask(), await other.ask(), await one.ask()
            with pytest.raises(DonationRefused):
                await other.take(first.id)
            assert await one.take(second.id) == second
            assert await other.take(third.id) == third
        finally:
            await one.close()
            await other.close()

    with redis(port, tmp_path):
        asyncio.run(main())


def test_a_server_without_its_redis_takes_no_donation(tmp_path: Path) -> None:
    """503 with the reason, and when to come again; and then it does."""
    port = free_port()

    async def main() -> None:
        options = settings(port, donations_dir=tmp_path / "voices", retry_after_s=7)
        runner = web.AppRunner(make_app(lambda _: reactivex.never(), Engine(), options), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/voice-donation"
        async with aiohttp.ClientSession() as http:
            async with http.get(url) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
                assert "the store of consents is down" in (await answer.json())["detail"]
            with redis(port, tmp_path):
                async with http.get(url) as answer:
                    assert answer.status == 200
        await runner.cleanup()

    asyncio.run(main())
