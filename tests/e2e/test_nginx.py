"""A real nginx, with the configuration of `docs/deploy`, in front of two real servers."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from needs import require
from processes import free_port, running, until_sessions, wait_for_port

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("nginx")]

ROOT = Path(__file__).parents[2]
SETTINGS = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}


def configuration(folder: Path, port: int, servers: list[int]) -> Path:
    """Return nginx's main file: the documented one, with the test's ports, certificate and folders."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    text = (ROOT / "docs/deploy/nginx.conf").read_text()
    for stands, ours in {
        "127.0.0.1:8001": f"127.0.0.1:{servers[0]}",
        "127.0.0.1:8002": f"127.0.0.1:{servers[1]}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/letsencrypt/live/voice.example/fullchain.pem": f"{folder}/cert.pem",
        "/etc/letsencrypt/live/voice.example/privkey.pem": f"{folder}/key.pem",
    }.items():
        assert stands in text
        text = text.replace(stands, ours)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr notice;\n"
        f"events {{ }}\nhttp {{\naccess_log off;\n{temporary}{text}\n}}\n"
    )
    return file


def server(port: int) -> list[str]:
    echo = str(ROOT / "pipelines/echo.py")
    return [sys.executable, "-m", "voicepipe", "serve", echo, "--port", str(port), "--max-sessions", "3"]


def until_written(log: Path, text: str) -> None:
    """Until a program has written this; fails after a minute."""
    for _ in range(600):
        if text in log.read_text():
            return
        time.sleep(0.1)
    pytest.fail(f"not written: {text}\n{log.read_text()}")


class Users:
    """Clients of the one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()
        self._open: list[aiohttp.ClientWebSocketResponse] = []  # a connection without a reference is closed

    async def come(self) -> aiohttp.ClientWebSocketResponse:
        """Return a conversation that has begun."""
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        http = await self._stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)))
        socket = await http.ws_connect(f"{self._url}/v1/realtime", protocols=("realtime",))
        self._open.append(socket)
        assert (await self.next(socket))["type"] == "session.created"
        return socket

    async def next(self, socket: aiohttp.ClientWebSocketResponse) -> Any:
        return await asyncio.wait_for(socket.receive_json(), 30)

    async def still_talks(self, socket: aiohttp.ClientWebSocketResponse) -> bool:
        """Return whether the server answers in this conversation."""
        await socket.send_json(SETTINGS)
        return (await self.next(socket))["type"] == "session.updated"

    async def leave(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def users(port: int) -> AsyncIterator[Users]:
    ours = Users(f"https://127.0.0.1:{port}")
    try:
        yield ours
    finally:
        await ours.leave()


def test_conversations_are_spread_and_outlive_a_server(tmp_path: Path) -> None:
    """Killed: its conversations break, the others go on, and new ones come to the other server at once. Back again, it
    gets the next ones."""
    program, log = require("nginx"), tmp_path / "log"
    port, first, second = free_port(), free_port(), free_port()
    file = configuration(tmp_path, port, [first, second])

    async def main() -> None:
        with running(server(first), log) as one, running(server(second), log) as two:
            await asyncio.to_thread(wait_for_port, first, one, log)
            await asyncio.to_thread(wait_for_port, second, two, log)
            with running([program, "-e", "stderr", "-p", str(tmp_path), "-c", str(file)], log) as proxy:
                await asyncio.to_thread(wait_for_port, port, proxy, log)
                async with users(port) as ours:
                    await spread_and_kill(ours, one)
                    with running(server(first), log) as again:
                        await asyncio.to_thread(wait_for_port, first, again, log)
                        await asyncio.sleep(3)  # nginx tries a server again after its fail_timeout
                        await ours.come()
                        await asyncio.to_thread(until_sessions, f"http://127.0.0.1:{first}", 1)

    async def spread_and_kill(ours: Users, one: subprocess.Popen[bytes]) -> None:
        talks = [await ours.come() for _ in range(4)]
        await asyncio.to_thread(until_sessions, f"http://127.0.0.1:{first}", 2)
        await asyncio.to_thread(until_sessions, f"http://127.0.0.1:{second}", 2)
        one.send_signal(signal.SIGKILL)
        one.wait()
        alive = [talk for talk in talks if not await broken(talk)]
        assert len(alive) == 2
        assert all([await ours.still_talks(talk) for talk in alive])
        assert await ours.still_talks(await ours.come())
        await asyncio.to_thread(until_sessions, f"http://127.0.0.1:{second}", 3)

    asyncio.run(main())


def test_a_server_is_taken_out_and_no_session_is_cut_off(tmp_path: Path) -> None:
    """As the page says: marked as down, it keeps its conversations, and gets no new one until it is back."""
    program, log = require("nginx"), tmp_path / "log"
    port, first, second = free_port(), free_port(), free_port()
    file = configuration(tmp_path, port, [first, second])
    with_both = file.read_text()

    async def main() -> None:
        with running(server(first), log) as one, running(server(second), log) as two:
            await asyncio.to_thread(wait_for_port, first, one, log)
            await asyncio.to_thread(wait_for_port, second, two, log)
            with running([program, "-e", "stderr", "-p", str(tmp_path), "-c", str(file)], log) as proxy:
                await asyncio.to_thread(wait_for_port, port, proxy, log)
                async with users(port) as ours:
                    talks = [await ours.come() for _ in range(2)]
                    file.write_text(with_both.replace(f"127.0.0.1:{first} ", f"127.0.0.1:{first} down "))
                    proxy.send_signal(signal.SIGHUP)
                    await asyncio.to_thread(until_written, log, "gracefully shutting down")  # the worker before
                    later = [await ours.come() for _ in range(2)]
                    await asyncio.to_thread(until_sessions, f"http://127.0.0.1:{second}", 3)
                    assert all([await ours.still_talks(talk) for talk in (*talks, *later)])

    asyncio.run(main())


async def broken(socket: aiohttp.ClientWebSocketResponse) -> bool:
    """Return whether the proxy has closed the connection."""
    try:
        message = await asyncio.wait_for(socket.receive(), 0.5)
    except TimeoutError:
        return False
    return message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
