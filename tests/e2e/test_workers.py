"""`voicepipe serve --workers 2`: real processes, killed, replaced and restarted while conversations go on."""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from served import Client
from webrtc_client import calling

from voicepipe.server.workers.process import Worker

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("workers"),
    pytest.mark.skipif(sys.platform != "linux", reason="several workers need Linux"),
]

ECHO = Path(__file__).parents[2] / "pipelines" / "echo.py"
PACKET = base64.b64encode(bytes(960)).decode()
"""20 ms of PCM16 at 24 kHz."""
KEY = {"Authorization": "Bearer sk-right"}
_WITHIN_S = 60
"""Not a budget: when a test gives up, on a machine that has other work to do."""


class Server:
    """`voicepipe serve` with the pipeline that says what it hears. Its log tells the worker of each session."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self._log = process, log
        self.url = ""
        self._is_stopping = False

    def stop(self) -> None:
        """Send SIGTERM, once: a second one ends the server at once."""
        if not self._is_stopping:
            self._is_stopping = True
            self.process.send_signal(signal.SIGTERM)

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for line in self._log.read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return [line for line in found if event in ("", line["event"])]

    def worker_of(self, session: str) -> int:
        return next(line["worker"] for line in self.lines("session.started") if line["session"] == session)

    def pids(self) -> dict[int, int]:
        """The process of each worker that serves."""
        return {line["worker"]: line["pid"] for line in self.lines("worker.ready")}

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(_WITHIN_S):
            while not condition():  # noqa: ASYNC110 — a file, or another process
                await asyncio.sleep(0.02)


@contextmanager
def serving(folder: Path, *options: str, pipeline: Path = ECHO, code: int = 0) -> Iterator[Server]:
    """A server of two workers and four sessions, which must end in peace."""
    command = [sys.executable, "-m", "voicepipe", "serve", str(pipeline), "--workers", "2", "--max-sessions", "4"]
    log = folder / "log"
    environment = os.environ | {"VOICEPIPE_API_KEYS": "sk-right"}
    with (
        log.open("w") as file,
        subprocess.Popen(
            [*command, "--port", "0", "--log-json", *options],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env=environment,
            cwd=folder,
        ) as process,
    ):
        assert process.stdout is not None
        server = Server(process, log)
        try:
            server.url = process.stdout.readline().removeprefix("Listening on ").strip()
            assert server.url.startswith("http"), log.read_text()
            yield server
        finally:
            server.stop()
            process.wait(_WITHIN_S)
    said = log.read_text()
    assert process.returncode == code, said
    assert "Traceback" not in said, said


class Talker:
    """A session that is on."""

    def __init__(self, client: Client, created: dict[str, Any]) -> None:
        self.client, self.id, self.created = client, created["session"]["id"], created

    async def is_echoed(self) -> None:
        """Speak, and hear it."""
        await self.client.send({"type": "input_audio_buffer.append", "audio": PACKET})
        async with asyncio.timeout(_WITHIN_S):
            while "audio.delta" not in json.loads((await self.client.socket.receive()).data)["type"]:
                pass


@asynccontextmanager
async def talking(http: aiohttp.ClientSession, path: str = "", **options: Any) -> AsyncIterator[Talker]:
    async with http.ws_connect(f"/v1/realtime{path}", **{"headers": KEY, **options}) as socket:
        client = Client(socket)
        yield Talker(client, await client.event("session.created"))


async def refusal(http: aiohttp.ClientSession, **options: Any) -> tuple[int, str]:
    """The status and the sentence with which a session is refused."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="}
    headers = {**upgrade, **key, **KEY, **options}
    async with http.get("/v1/realtime", headers=headers) as answer:
        return answer.status, (await answer.json())["detail"]


async def series(http: aiohttp.ClientSession) -> dict[str, float]:
    async with http.get("/metrics") as answer:
        lines = [line.rpartition(" ") for line in (await answer.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def is_ready(http: aiohttp.ClientSession) -> bool:
    async with http.get("/v1/health/ready") as answer:
        return answer.status == 200


def run(test: Callable[[aiohttp.ClientSession, AsyncExitStack], Any], url: str) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession(url) as http, AsyncExitStack() as stack, asyncio.timeout(3 * _WITHIN_S):
            await test(http, stack)

    asyncio.run(main())


def test_sessions_are_spread_and_every_slot_is_used(tmp_path: Path) -> None:
    """Four at once are two on each worker; the fifth is told that the server is full, and gets the next slot."""

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        for path in ("/v1/health", "/v1/health/live", "/v1/voices", "/v1/models"):
            async with http.get(path, headers=KEY) as answer:
                assert (answer.status, answer.headers["Connection"]) == (200, "close")
        talkers = await asyncio.gather(*(stack.enter_async_context(talking(http)) for _ in range(4)))
        assert Counter(server.worker_of(one.id) for one in talkers) == {0: 2, 1: 2}
        for one in talkers:
            await one.is_echoed()
        assert not await is_ready(http)
        for _ in range(3):
            assert await refusal(http) == (
                503,
                "All 4 conversations of this server are taken. Please try again in a moment.",
            )
        counted = await series(http)
        assert (counted["voicepipe_sessions_total"], counted["voicepipe_active_sessions"]) == (4, 4)
        assert counted['voicepipe_sessions_refused_total{reason="full"}'] == 3
        assert counted["voicepipe_workers"] == 2
        await talkers[2].client.socket.close()
        await server.until(lambda: len(server.lines("session.ended")) == 1)
        async with asyncio.timeout(_WITHIN_S):
            while not await is_ready(http):
                pass
        again = await stack.enter_async_context(talking(http))
        assert server.worker_of(again.id) == server.worker_of(talkers[2].id)

    with serving(tmp_path) as server:
        run(test, server.url)


def test_a_killed_worker_is_replaced_and_the_other_one_goes_on(tmp_path: Path) -> None:
    """Its own sessions break; counters do not go back, and its slots are there again."""

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        talkers = await asyncio.gather(*(stack.enter_async_context(talking(http)) for _ in range(2)))
        gone, stays = sorted(talkers, key=lambda one: server.worker_of(one.id))
        before = await series(http)
        os.kill(server.pids()[0], signal.SIGKILL)
        while len(server.lines("worker.ready")) < 3:
            await stays.is_echoed()
        lost, *_ = server.lines("worker.lost")
        assert (lost["worker"], lost["exit_code"], lost["sessions"]) == (0, -signal.SIGKILL, 1)
        assert (await gone.client.end())[0] in (None, 1006)
        after = await series(http)
        growing = [name for name in before if name.split("{")[0].endswith(("_total", "_count", "_bucket", "_sum"))]
        assert [name for name in growing if after[name] < before[name]] == []
        assert (after["voicepipe_sessions_total"], after["voicepipe_active_sessions"]) == (2, 1)
        again = await asyncio.gather(*(stack.enter_async_context(talking(http)) for _ in range(3)))
        assert Counter(server.worker_of(one.id) for one in again) == {0: 2, 1: 1}
        await stays.is_echoed()

    with serving(tmp_path) as server:
        run(test, server.url)


def test_a_worker_that_hangs_is_replaced_and_new_clients_go_to_the_other_one(tmp_path: Path) -> None:
    """It lives, and its event loop stands still."""

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        hangs = server.pids()[0]
        os.kill(hangs, signal.SIGSTOP)
        await server.until(lambda: server.lines("worker.late"))
        talker = await stack.enter_async_context(talking(http))
        assert server.worker_of(talker.id) == 1
        await server.until(lambda: len(server.lines("worker.ready")) == 3)
        hung, lost = server.lines("worker.hung")[0], server.lines("worker.lost")[0]
        assert (hung["worker"], hung["pid"], lost["exit_code"]) == (0, hangs, -signal.SIGKILL)
        await talker.is_echoed()

    with serving(tmp_path, "--hung-worker-s", "4") as server:
        run(test, server.url)


def test_workers_are_replaced_at_sighup_while_a_conversation_goes_on(tmp_path: Path) -> None:
    """The old one ends with its session. New code and new settings are used from then on; broken ones are not."""
    pipeline = tmp_path / "mine.py"
    pipeline.write_text(ECHO.read_text())
    settings = tmp_path / "voicepipe.toml"

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        old, stays = server.pids(), await stack.enter_async_context(talking(http))
        watching = asyncio.create_task(always_there(http))

        pipeline.write_text("broken(")
        server.process.send_signal(signal.SIGHUP)
        await server.until(lambda: len(server.lines("worker.not_ready")) == 2)
        await stays.is_echoed()
        assert server.pids() == old

        pipeline.write_text(ECHO.read_text() + "\nprint('new code', file=__import__('sys').stderr)\n")
        settings.write_text("session_events = true\n")
        server.process.send_signal(signal.SIGHUP)
        await server.until(lambda: len(server.lines("worker.ready")) == 4)
        assert "new code" in (tmp_path / "log").read_text()
        await stays.is_echoed()
        lane = server.worker_of(stays.id)
        await server.until(lambda: is_gone(old[1 - lane]))
        assert not is_gone(old[lane])

        talkers = await asyncio.gather(*(stack.enter_async_context(talking(http)) for _ in range(3)))
        assert Counter(server.worker_of(one.id) for one in talkers) == {lane: 1, 1 - lane: 2}
        assert (await refusal(http))[0] == 503  # with the old session there are four
        async with http.get("/v1/pipeline", headers=KEY) as answer:
            assert answer.status == 200  # the new setting
        await stays.client.socket.close()
        await server.until(lambda: is_gone(old[lane]))
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    with serving(tmp_path, pipeline=pipeline) as server:
        run(test, server.url)


def test_a_file_that_changes_is_used_from_the_next_conversation_on(tmp_path: Path) -> None:
    """With one worker. The conversation that is on stays with the old code; a broken file changes nothing, and nor does
    one that never ends its import, as where it asks a server that is away."""
    pipeline = tmp_path / "mine.py"
    pipeline.write_text(ECHO.read_text())

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        old, stays = server.pids(), await stack.enter_async_context(talking(http))
        watching = asyncio.create_task(always_there(http))
        pipeline.write_text("broken(")
        await server.until(lambda: server.lines("worker.not_ready"))
        await stays.is_echoed()
        assert server.pids() == old
        pipeline.write_text("import time\nopen('began', 'w').close()\ntime.sleep(600)\n")
        await server.until((tmp_path / "began").exists)

        (tmp_path / "part.py").write_text("print('new code', file=__import__('sys').stderr)\n")
        pipeline.write_text("import part\n" + ECHO.read_text())
        await server.until(lambda: server.pids() != old)
        assert "new code" in (tmp_path / "log").read_text()
        await (await stack.enter_async_context(talking(http))).is_echoed()
        await stays.is_echoed()
        await stays.client.socket.close()
        await server.until(lambda: is_gone(old[0]))
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        changed = [file for line in server.lines("server.changed") for file in line["files"]]
        assert {Path(file).name for file in changed} == {"mine.py", "part.py"}
        assert not server.lines("worker.lost")

    with serving(tmp_path, "--workers", "1", "--reload", pipeline=pipeline) as server:
        run(test, server.url)


async def always_there(http: aiohttp.ClientSession) -> None:
    """Fails when the port is closed, or a request gets no answer."""
    while True:
        async with http.get("/v1/health/live") as answer:
            assert answer.status == 200
        await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


def test_a_request_reaches_the_worker_of_its_session(tmp_path: Path) -> None:
    """A lost connection is taken up, a session is watched, and a call is hung up, whichever worker has it."""

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        for _ in range(3):
            async with talking(http, "?resumable=true") as lost:
                lost.client.vanish()
            again = {"session_id": lost.id, "last_event_id": lost.created["event_id"]}
            token = f"voicepipe-resume.{lost.created['resume']['token']}"
            socket = await stack.enter_async_context(
                http.ws_connect("/v1/realtime", params=again, headers=KEY, protocols=("realtime", token))
            )
            assert (await Client(socket).event("session.resumed"))["session"]["id"] == lost.id
            async with http.get(f"/v1/sessions/{lost.id}/events", headers=KEY) as answer:
                assert answer.status == 200
        for _ in range(2):
            async with calling(server.url, key="sk-right") as caller:
                async with http.post(f"{caller.location}/hangup", headers=KEY) as answer:
                    assert answer.status == 200
                await caller.closed.wait()

    with serving(tmp_path, "--session-events", "true") as server:
        run(test, server.url)


def test_workers_share_keys_limits_and_consents(tmp_path: Path) -> None:
    """An ephemeral key opens sessions at each, a key's sessions are counted at all, a consent is good for one."""

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        async with http.post(
            "/v1/realtime/client_secrets", headers=KEY, json={"session": {"type": "realtime", "instructions": "Hi"}}
        ) as answer:
            secret = {"Authorization": f"Bearer {(await answer.json())['value']}"}
        talkers = await asyncio.gather(*(stack.enter_async_context(talking(http, headers=secret)) for _ in range(3)))
        assert Counter(server.worker_of(one.id) for one in talkers).keys() == {0, 1}
        assert [one.created["session"]["instructions"] for one in talkers] == ["Hi"] * 3
        for headers in (secret, KEY):
            status, why = await refusal(http, **headers)
            assert (status, why) == (429, "This API key holds 3 sessions already, and may not hold more at once.")

        async with http.get("/v1/voice-donation", headers=KEY) as answer:
            consent = await answer.json()
        codes = await asyncio.gather(*(given(http, consent["id"]) for _ in range(4)))
        assert sorted(codes) == [200, 400, 400, 400]

    folder = tmp_path / "donations"
    options = ("--max-sessions-per-key", "3", "--donations-dir", str(folder), "--donation-min-bytes", "1")
    with serving(tmp_path, *options) as server:
        run(test, server.url)
    assert len(list(folder.glob("*.wav"))) == 1


async def given(http: aiohttp.ClientSession, consent: str) -> int:
    form = aiohttp.FormData()
    form.add_field("file", b"RIFF", filename="voice.wav")
    form.add_field("metadata", json.dumps({"verification_id": consent}))
    async with http.post("/v1/voice-donation", headers=KEY, data=form) as answer:
        return answer.status


def test_at_sigterm_sessions_are_told_and_new_ones_refused_with_a_reason(tmp_path: Path) -> None:
    """As by a server of one process."""

    async def test(http: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        talkers = await asyncio.gather(*(stack.enter_async_context(talking(http)) for _ in range(2)))
        server.stop()
        for one in talkers:
            assert (await one.client.end())[0] == 1001

    with serving(tmp_path) as server:
        run(test, server.url)


@pytest.mark.parametrize(
    ("text", "says"),
    [("1 / 0\n", "mine.py:1: ZeroDivisionError: division by zero"), ("import os; os._exit(3)\n", "exit code 3")],
)
def test_a_server_that_cannot_start_says_why(tmp_path: Path, text: str, says: str) -> None:
    """Once, whatever the number of workers, and all of them end."""
    path = tmp_path / "mine.py"
    path.write_text(text)
    command = [sys.executable, "-m", "voicepipe", "serve", str(path), "--port", "0", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * _WITHIN_S, check=False)
    assert done.returncode in (1, 2)
    assert done.stderr.count("voicepipe serve: ") == 1
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_each_wait_for_the_end_of_a_worker_gets_its_exit_code() -> None:
    """The loss of a worker is told while the server ends and waits for all of them."""

    async def codes() -> list[int | None]:
        ours, theirs = socket.socketpair()
        process = multiprocessing.get_context("forkserver").Process(target=os._exit, args=(3,))
        process.start()
        worker = Worker(1, 0, process, ours, lambda *_: None, lambda *_: None)
        with theirs:
            return await asyncio.gather(*(worker.exit_code() for _ in range(4)), worker.ended(_WITHIN_S))

    for _ in range(10):
        assert asyncio.run(codes()) == [3, 3, 3, 3, None]


def test_a_terminal_that_is_closed_ends_the_server(tmp_path: Path) -> None:
    """Its SIGHUP is no wish for a restart."""
    command = [sys.executable, "-m", "voicepipe", "serve", str(ECHO), "--workers", "2", "--port", "0"]
    own_terminal = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    terminal, its_side = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", own_terminal, *command],
        stdin=its_side,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        os.close(its_side)
        assert process.stdout is not None
        assert any("Ctrl-C stops it" in line for line in process.stdout)
        os.close(terminal)
        assert process.wait(_WITHIN_S) == 0
