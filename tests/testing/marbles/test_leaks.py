"""Objects that a test leaves behind are found and named, each kind of them."""

import asyncio
import threading
import time

import pytest
import reactivex
from aiohttp import web

from voicepipe.testing import Leaked, LeakWatch, Marbles, VirtualLoop


@pytest.fixture
def loop():
    """A virtual loop of one's own, which nobody but the test checks."""
    with VirtualLoop() as loop:
        yield loop


def start(loop, *coroutines) -> list[asyncio.Task]:
    """Tasks that have taken their first step."""
    tasks = [loop.create_task(coroutine, name=coroutine.__name__) for coroutine in coroutines]
    loop.settle()
    return tasks


def test_nothing(loop):
    """A test that cleans up has no message."""
    watch = LeakWatch(loop)
    loop.run(asyncio.sleep(1))
    assert watch.leaks() == []
    watch.check()


def test_a_task(loop):
    """A task that still runs, with what it awaits; its own sleep is not reported apart."""
    watch = LeakWatch(loop)
    start(loop, asyncio.sleep(10))
    (leak,) = watch.leaks()
    assert leak.startswith("a task that still runs\n  sleep: sleep")
    assert "awaits <Future pending" in leak


def test_a_cancelled_task_gets_to_clean_up(loop):
    """A task that needs no time is run to its end before anything is called a leak."""
    watch = LeakWatch(loop)
    start(loop, asyncio.sleep(10))[0].cancel()
    assert watch.leaks() == []


def test_a_failed_task(loop):
    """An exception that nobody looked at."""

    async def broken() -> None:
        raise ValueError("broken")

    watch = LeakWatch(loop)
    (task,) = start(loop, broken())
    (leak,) = watch.leaks()
    assert leak.startswith("a task failed, and its exception was not retrieved: broken")
    assert "ValueError: broken" in leak
    assert task.done()


def test_an_exception_in_a_callback(loop, caplog):
    """An exception that asyncio would only have logged."""
    watch = LeakWatch(loop)
    loop.call_soon(lambda: 1 / 0)
    (leak,) = watch.leaks()
    assert "an exception that the loop swallowed: Exception in callback" in leak
    assert "ZeroDivisionError" in leak
    caplog.clear()


def test_a_timer(loop):
    """A timer that is still set, with its time and its function."""
    watch = LeakWatch(loop)
    loop.call_later(1.5, print)
    assert watch.leaks() == ["a timer, due at 1.5 s (it is 0 s): builtins.print"]


def test_a_timer_of_an_operator():
    """For a timer of Rx, the action is named, not the scheduler that runs it."""
    marbles = Marbles()
    watch = LeakWatch(marbles.loop)
    reactivex.timer(1).subscribe(scheduler=marbles.scheduler)
    (leak,) = watch.leaks()
    assert "reactivex.observable.timer" in leak
    marbles.loop.close()


def test_a_timer_of_something_closed(loop):
    """A heartbeat of a WebSocket that is closed does nothing, and is no leak."""

    class Socket:
        closed = True

        def beat(self) -> None:
            pass

    watch = LeakWatch(loop)
    loop.call_later(1, Socket().beat)
    assert watch.leaks() == []


@pytest.mark.parametrize("kind", ["hot", "cold"])
def test_a_subscription(kind):
    """A subscription to a hot or cold observable that nobody disposed."""
    marbles = Marbles()
    watch = LeakWatch(marbles.loop, marbles.sources)
    subscription = getattr(marbles, kind)("-a").subscribe()
    (leak, *_) = watch.leaks()
    assert leak == f"a subscription, since 0 ms, to the {kind} observable '-a'"
    subscription.dispose()
    assert watch.leaks() == []
    marbles.loop.close()


def test_a_server(loop):
    """A server that still listens, and a connection that is still open."""

    async def main() -> tuple[web.AppRunner, asyncio.StreamWriter]:
        runner = web.AppRunner(web.Application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, writer = await asyncio.open_connection(*runner.addresses[0])
        return runner, writer

    async def clean_up() -> None:
        writer.close()
        await writer.wait_closed()
        await runner.cleanup()

    watch = LeakWatch(loop)
    runner, writer = loop.run(main())
    leaks = watch.leaks()
    loop.run(clean_up())
    assert any(leak.startswith("a connection between ports") for leak in leaks)
    assert any(leak.startswith("a server at port") for leak in leaks)
    assert watch.leaks() == []


def test_a_thread(loop):
    """A thread that was started since and still runs; one that is about to end is given a moment."""
    watch, release = LeakWatch(loop), threading.Event()
    stuck = threading.Thread(target=release.wait, name="stuck", daemon=True)
    stuck.start()
    threading.Thread(target=time.sleep, args=(0.02,)).start()
    assert watch.leaks() == ["a thread that still runs: stuck (daemon)"]
    release.set()
    stuck.join()


def test_threads_of_the_executor_are_no_leak(loop):
    """The loop's own executor is shut down first."""
    watch = LeakWatch(loop)
    loop.run(_in_executor())
    assert watch.leaks() == []


async def _in_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0)


def test_the_message_names_each_leak(loop):
    """`check` raises one error about all of them."""
    watch = LeakWatch(loop)
    loop.call_later(1, print)
    loop.call_later(2, print)
    with pytest.raises(Leaked, match=r"(?s)the test has left behind\na timer, due at 1 s.*\na timer, due at 2 s"):
        watch.check()
