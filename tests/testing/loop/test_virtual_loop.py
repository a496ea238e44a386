"""The event loop on which waiting takes no time, with real code and real sockets on it."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import ClientSession, web

from voicepipe.boundary.workers import Workers
from voicepipe.testing import Deadlock, VirtualLoop


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Answers every message 80 ms later."""
    socket = web.WebSocketResponse(heartbeat=20)
    await socket.prepare(request)
    async for message in socket:
        await asyncio.sleep(0.08)
        await socket.send_str(message.data.upper())
    return socket


async def converse(for_s: float) -> list[float]:
    """Talk to a real server over a real WebSocket, and tell when the answers came."""
    loop, answers = asyncio.get_running_loop(), []
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with ClientSession() as session, session.ws_connect(url, heartbeat=20) as socket:
            while loop.time() < for_s:
                await socket.send_str("hello")
                assert (await socket.receive()).data == "HELLO"
                answers.append(loop.time())
                await asyncio.sleep(0.02)
    finally:
        await runner.cleanup()
    return answers


def test_sleeping_takes_no_real_time(virtual_loop):
    """An hour of sleep is over at once, and the clock has moved by exactly an hour."""
    began = time.perf_counter()
    virtual_loop.run(asyncio.sleep(3600))
    assert virtual_loop.time() == 3600
    assert time.perf_counter() - began < 60  # a fraction of a millisecond, unless it really slept


def test_a_minute_of_websocket_conversation(virtual_loop):
    """A minute between an aiohttp server and client over real sockets takes a fraction of a second."""
    began = time.perf_counter()
    answers = virtual_loop.run(converse(60))
    assert len(answers) == 600
    assert answers[:3] == [0.08, 0.18, 0.28]
    assert answers[-1] == 59.98
    assert time.perf_counter() - began < 30  # 0.05 s on an idle machine; a real minute would be 60


def test_conversations_are_the_same_in_every_run():
    """Events in sockets, and their times, do not depend on the kernel."""
    outcomes = set()
    for _ in range(20):
        with VirtualLoop() as loop:
            outcomes.add(tuple(loop.run(converse(1))))
    assert len(outcomes) == 1


def test_many_clients_at_once(virtual_loop):
    """Connections that are opened at one instant are all served at that instant."""

    async def main() -> list[str]:
        async def handle(reader, writer):
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask(number: int) -> str:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"client %d\n" % number)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer.decode().strip()

        async with server:
            return await asyncio.gather(*map(ask, range(30)))

    assert virtual_loop.run(main()) == [f"CLIENT {number}" for number in range(30)]
    assert virtual_loop.time() == 0


def test_a_reader_that_pauses_lets_time_pass(virtual_loop):
    """Bytes that nobody wants to read yet do not hold the clock."""

    async def main() -> int:
        async def handle(reader, writer):
            await asyncio.sleep(10)
            total = 0
            while data := await reader.read(1 << 20):
                total += len(data)
            received.set_result(total)
            writer.close()

        received = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=1024)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(bytes(20_000_000))
        writer.write_eof()
        async with server:
            total = await received
            await reader.read()
            writer.close()
            await writer.wait_closed()
        return total

    assert virtual_loop.run(main()) == 20_000_000
    assert virtual_loop.time() == 10


def test_times_are_exact(virtual_loop):
    """A thousand steps of 20 ms are 20 s, without the drift of added floats."""

    async def main() -> None:
        for _ in range(1000):
            await asyncio.sleep(0.02)

    virtual_loop.run(main())
    assert virtual_loop.time() == 20


def test_timers_of_one_instant_keep_their_order(virtual_loop):
    """Equal timers run in the order in which they were set, which asyncio's own heap does not promise."""
    ran: list[int] = []
    for number in range(50):
        virtual_loop.call_at(0.1 + 0.2 if number % 2 else 0.3, ran.append, number)
    virtual_loop.run(asyncio.sleep(1))
    assert ran == list(range(50))


def test_a_cancelled_timer_does_not_run(virtual_loop):
    """A timer that is cancelled is no reason for the clock to move."""
    virtual_loop.call_later(5, pytest.fail).cancel()
    assert virtual_loop.run(asyncio.sleep(1, "done")) == "done"
    assert virtual_loop.time() == 1


def test_executor_work_takes_no_virtual_time(virtual_loop):
    """While a function runs in an executor the clock stands, whatever timers there are."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        ticking = loop.call_later(0.001, pytest.fail)
        await loop.run_in_executor(None, time.sleep, 0.05)
        ticking.cancel()
        return loop.time()

    assert virtual_loop.run(main()) == 0


def test_a_thread_of_ones_own_is_waited_for(virtual_loop):
    """Between `work_started` and `work_finished` the clock stands for whatever thread is at work."""

    async def main() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        result = loop.create_future()

        def work() -> None:
            time.sleep(0.05)
            loop.call_soon_threadsafe(result.set_result, "done")
            loop.work_finished()

        loop.work_started()
        threading.Thread(target=work).start()
        answer = await asyncio.wait_for(result, 0.01)
        return answer, loop.time()

    assert virtual_loop.run(main()) == ("done", 0)


def test_work_that_posts_nothing_lets_the_clock_go_on(virtual_loop):
    """`work_finished` alone, from a thread, wakes the loop."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.work_started()
        threading.Timer(0.02, loop.work_finished).start()
        await asyncio.sleep(1)

    virtual_loop.run(main())
    assert virtual_loop.time() == 1


def test_work_that_never_comes_back():
    """The real time that thread work may take is bounded."""
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool, VirtualLoop(patience_s=0.05) as loop:

        async def main() -> None:
            await asyncio.get_running_loop().run_in_executor(pool, release.wait)

        with pytest.raises(Deadlock, match=r"has not come back in 0\.05 s"):
            loop.run(main())
        release.set()


def test_a_deadlock_is_reported_at_once(virtual_loop):
    """A future that nobody will ever resolve is an error, after which every task is cancelled."""

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    began = time.perf_counter()
    with pytest.raises(Deadlock, match="Nothing can happen any more"):
        virtual_loop.run(main())
    assert time.perf_counter() - began < 10  # at once, and not after some time-out
    assert not asyncio.all_tasks(virtual_loop)


def test_a_deadlock_in_front_of_a_silent_server(virtual_loop):
    """A client that waits for a server which says nothing is a deadlock, too: no byte is on its way."""

    async def main() -> None:
        async def handle(reader, writer):
            await reader.read()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                await reader.readline()
            finally:
                writer.close()

    with pytest.raises(Deadlock):
        virtual_loop.run(main())


def test_a_task_that_spins(virtual_loop):
    """A task that polls by `sleep(0)` for what needs time to pass would never end; it is reported."""

    async def main() -> None:
        while virtual_loop.time() == 0:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(Deadlock, match="keeps itself ready"):
        virtual_loop.run(main())


def test_a_task_that_spins_until_a_socket_speaks(virtual_loop):
    """Sockets are read although callbacks are always ready."""

    async def main() -> bytes:
        got: list[bytes] = []

        async def handle(reader, writer):
            got.append(await reader.read(5))
            writer.close()

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello")
            while not got:  # noqa: ASYNC110
                await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()
        return got[0]

    assert virtual_loop.run(main()) == b"hello"


def test_the_horizon():
    """A run in which only a ticker goes on ends at the horizon."""
    with VirtualLoop(horizon_s=10) as loop:

        async def tick() -> None:
            while True:  # noqa: ASYNC110
                await asyncio.sleep(1)

        with pytest.raises(Deadlock, match="10 s of virtual time have passed"):
            loop.run(tick())


def test_idle_waits_until_nothing_happens(virtual_loop):
    """`idle` is done when the last timer has run, or at its limit."""

    async def main() -> list[tuple[bool, float]]:
        seen = []
        virtual_loop.call_later(3, lambda: None)
        seen.append((await virtual_loop.idle(until_s=2), virtual_loop.time()))
        seen.append((await virtual_loop.idle(), virtual_loop.time()))
        return seen

    assert virtual_loop.run(main()) == [(False, 2), (True, 3)]


def test_room_to_write_comes_in_no_time(virtual_loop):
    """The kernel puts off telling the sender that its bytes have been read; meanwhile the clock stands still."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        writer.transport.set_write_buffer_limits(high=0)
        while await reader.read(1_000):
            for _ in range(500):
                writer.write(bytes(250))
                await writer.drain()
        writer.close()

    async def main() -> float:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=2**15)
        for _ in range(30):
            writer.write(b"?")
            await reader.readexactly(500 * 250)
        writer.close()
        await writer.wait_closed()
        server.close()
        return virtual_loop.time()

    assert virtual_loop.run(main()) == 0


def test_settle_lets_no_time_pass(virtual_loop):
    """`settle` runs what is ready and leaves timers alone."""
    ran: list[str] = []
    timer = virtual_loop.call_later(1, ran.append, "timer")
    virtual_loop.call_soon(ran.append, "soon")
    virtual_loop.settle()
    timer.cancel()
    assert ran == ["soon"]
    assert virtual_loop.time() == 0


def test_closing_cancels_what_still_runs():
    """A task gets to clean up when the loop is closed."""
    cleaned = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            cleaned.append(True)

    async def start() -> asyncio.Task[None]:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        return task

    with VirtualLoop() as loop:
        loop.run(start())
    assert cleaned == [True]


def test_asyncio_runner_takes_it():
    """It is an event loop like any other: `asyncio.Runner` runs it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(asyncio.sleep(100, "done")) == "done"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_exception_comes_out(error):
    """`run` raises the exception of the main coroutine."""

    async def main() -> None:
        raise error

    with VirtualLoop() as loop, pytest.raises(type(error)):
        loop.run(main())


def test_voicepipes_own_workers_are_waited_for(virtual_loop):
    """The worker pool tells the loop of its work, so that a model takes no virtual time."""
    workers = Workers(1, "test")

    async def main() -> tuple[int | None, float]:
        result = virtual_loop.create_future()
        workers.submit(lambda _: time.sleep(0.05) or 42, result.set_result)
        outcome = await asyncio.wait_for(result, 0.001)
        return outcome.value, virtual_loop.time()

    try:
        assert virtual_loop.run(main()) == (42, 0)
    finally:
        workers.close(1)
