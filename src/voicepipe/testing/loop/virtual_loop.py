"""`VirtualLoop`: an asyncio event loop on which waiting takes no time.

Real code runs on it, with real sockets: an aiohttp server, its client and the WebSocket between them. Only the clock
is not real. When no callback is ready and nothing is on its way, the clock jumps to the next timer::

    with VirtualLoop() as loop:
        loop.run(asyncio.sleep(3600))     # returns at once
        assert loop.time() == 3600

The rules, in their order, whenever no callback is ready:

1. What is readable is read, in the order of the descriptors. Data that one socket of this process has sent to another
is waited for in real time (`voicepipe.testing.loop.loopback`), so that the order of events does not depend on the
kernel.
2. Work in threads takes no virtual time: the loop waits for it, in real time. It knows of `run_in_executor`, and of
threads that call `work_started` and `work_finished`.
3. The clock jumps to the next timer. Timers of one instant run in the order in which they were set.
4. With no timer left nothing can happen any more: `Deadlock`, at once, with a list of what each task waits for.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, cast

from voicepipe.testing.loop.deadlock import Deadlock
from voicepipe.testing.loop.loopback import Loopback
from voicepipe.testing.loop.selector import Poller, Ready, Timer
from voicepipe.testing.loop.shuffle import Shuffle

__all__ = ["VirtualLoop"]

T = TypeVar("T")

GRACE_S = 0.05
"""Real time to wait for a socket or pipe to another process before a deadlock is declared."""
ARRIVAL_S = 1.0
"""Real time after which data sent within this process counts as lost: another reader has read it."""
POLL_EVERY = 50
"""Rounds with ready callbacks after which the sockets are polled all the same: a loop of `sleep(0)` waits for them."""
SPINS = 100_000
"""Rounds at one instant without any data that count as spinning."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0.0 and is exact to the microsecond.

    Args:
        patience_s: The real time that one piece of work in a thread may take; then `Deadlock` is raised.
        horizon_s: The virtual time that one run may take; then `Deadlock` is raised.
        shuffle: Draws the order of the timers of one instant, which otherwise is that in which they were set.

    `swallowed` holds what reached the loop's exception handler.
    """

    def __init__(self, *, patience_s: float = 10.0, horizon_s: float = 3600.0, shuffle: Shuffle | None = None) -> None:
        self._shuffle = shuffle
        self.patience_s = patience_s
        self.horizon_s = horizon_s
        self.swallowed: list[dict[str, Any]] = []
        self._failed: list[asyncio.Task[Any]] = []
        self._now_us = 0
        self._end_s = horizon_s
        self._numbers = itertools.count()
        self._work, self._work_lock = 0, threading.Lock()
        self._connecting = 0
        self._spins = 0
        self._settling = False
        self._abandoned = False
        self._idlers: list[tuple[float, asyncio.Future[bool]]] = []
        self._loopback = Loopback()
        self._woken = False
        self._poller = Poller(self._wait)
        super().__init__(self._poller)

    # ---- running ----------------------------------------------------------------------------------------------------

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result. After a `Deadlock` every task has been cancelled."""
        __tracebackhide__ = True
        task = self.create_task(main, name="main")
        try:
            return self.run_until_complete(task)
        except Deadlock as deadlock:
            self.abandon()
            raise deadlock.with_traceback(None) from None

    def run_forever(self) -> None:
        self._end_s = self.time() + self.horizon_s
        self._spins = 0
        super().run_forever()

    def settle(self) -> None:
        """Run what needs no time to pass: callbacks, and data on its way in sockets and threads."""
        self._settling = True
        try:
            self.run_forever()
        finally:
            self._settling = False

    def idle(self, until_s: float = float("inf")) -> asyncio.Future[bool]:
        """Return a future: True when nothing can happen any more, False when the clock has reached `until_s`.

        While it is awaited, the loop raises no `Deadlock`.
        """
        future: asyncio.Future[bool] = self.create_future()
        self._idlers.append((until_s, future))
        return future

    def connections(self) -> list[str]:
        """Return the open TCP connections and listeners, as text."""
        return self._loopback.describe()

    def failed_tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that ended in an exception which was not retrieved."""
        return [task for task in self._failed if _unseen(task)]

    def abandon(self) -> None:
        """Cancel every task and let it clean up as far as that needs no time; close connections and listeners, and
        forget all timers. Errors on the way are not reported."""
        self._abandoned = True
        try:
            for task in asyncio.all_tasks(self):
                task.cancel()
                task.add_done_callback(_retrieve)
            self.settle()
            self._disconnect()
            self.settle()
        except Deadlock:
            pass  # the thread does not end; nothing waits for it any more
        finally:
            for timer in self.timers():
                timer.cancel()
            self._abandoned = False

    def _disconnect(self) -> None:
        for transport in list(self._transports.values()):  # pyright: ignore
            if transport._loop is not None:  # pyright: ignore — a closed one stays listed while its data is unread
                transport.abort()  # pyright: ignore
        for listener in self._loopback.listeners:
            self.remove_reader(listener.fileno())
            listener.close()

    def close(self) -> None:
        """`abandon` what still runs, and close asynchronous generators and executors. Safe to call twice."""
        if not self.is_closed():
            try:
                self.abandon()
                self.run_until_complete(self.shutdown_asyncgens())
                self.run_until_complete(self.shutdown_default_executor())
            finally:
                super().close()

    def __enter__(self) -> VirtualLoop:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ---- time -------------------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._now_us / 1e6

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at a time, as in asyncio, exact to the microsecond; timers of one instant keep their order."""
        when = round(when, 6)
        rank = 0.0 if self._shuffle is None else self._shuffle.rank(when, callback, args)
        timer = Timer(when, next(self._numbers), callback, args, self, context, rank)
        heapq.heappush(self._scheduled, timer)  # pyright: ignore
        timer._scheduled = True  # so that asyncio counts its cancellation  # pyright: ignore
        return timer

    def stall(self, seconds: float) -> None:
        """Behave as during a blocking call of that length: time passes, and nothing else runs."""
        self._now_us += round(seconds * 1e6)

    def timers(self) -> list[asyncio.TimerHandle]:
        """Return the pending timers, the next one first."""
        handles = cast("list[asyncio.TimerHandle]", self._scheduled)  # pyright: ignore
        return sorted(handle for handle in handles if not handle.cancelled())

    # ---- threads ----------------------------------------------------------------------------------------------------

    def work_started(self) -> None:
        """Note that a thread has work for this loop: the clock stands still until `work_finished`. From any thread."""
        with self._work_lock:
            self._work += 1

    def work_finished(self) -> None:
        """Note the end of one piece of thread work. Call it after the result was posted, or in the posted callback."""
        with self._work_lock:
            self._work -= 1
        if not self.is_closed():
            self.call_soon_threadsafe(_nothing)  # the loop may be waiting for just this

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.work_started()
        future.add_done_callback(lambda _: self.work_finished())
        return future

    async def shutdown_default_executor(self, *timeout: float) -> None:
        self.work_started()
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self.work_finished()

    # ---- what a round waits for -------------------------------------------------------------------------------------

    def _wait(self, timeout: float | None) -> Ready:
        """Run the selector's `select`. None: no timer; 0: callbacks are ready; else the time to the next timer."""
        __tracebackhide__ = True
        if timeout is not None and timeout <= 0:
            return self._pass_by()
        self._spins = 0
        working = self._work > 0  # read before the sockets: the result may come in between
        if ready := self._arrived():
            return ready
        if working:
            return self._await_threads()
        if self._settling:
            self.stop()
            return []
        return self._jump(float("inf") if timeout is None else self.time() + timeout)

    @property
    def _is_alone(self) -> bool:
        """Return whether only the loop's own pipe is watched, and nothing was written to it: a poll would take as long
        as all else in a round that jumps."""
        busy = self._woken or self._connecting or self._ready  # pyright: ignore
        return not busy and len(self._poller.get_map()) <= 1 and not getattr(self, "_signal_handlers", None)

    def _write_to_self(self) -> None:
        self._woken = True
        super()._write_to_self()  # pyright: ignore
        self._woken = True  # again: the loop may have polled before the byte was there

    def _pass_by(self) -> Ready:
        self._spins += 1
        if self._spins >= SPINS and not self._work:
            raise self._deadlock(f"{SPINS} rounds at one instant: a callback or a task keeps itself ready.")
        return [] if self._spins % POLL_EVERY else self._poller.poll(0)

    def _arrived(self) -> Ready:
        """Return what can be read and written, once all data on its way has arrived."""
        if self._is_alone:
            return []
        self._woken = False
        ready = self._poller.poll(0)
        awaited = self._loopback.awaited(self._poller.is_read)
        blocked = self._loopback.acknowledged(self._poller.is_written)
        deadline = None
        while self._connecting or awaited or (blocked and not ready):
            if awaited <= {key.fd for key, _ in ready} and (ready or not (self._connecting or blocked)):
                break
            deadline = deadline or time.monotonic() + ARRIVAL_S
            if (left := deadline - time.monotonic()) <= 0:
                self._loopback.forget(awaited)
                break
            ready = self._poller.poll(min(left, 0.001) if ready else left)
        return ready

    def _await_threads(self) -> Ready:
        if ready := self._poller.poll(self.patience_s):
            return ready
        raise self._deadlock(f"Work in a thread has not come back in {self.patience_s:g} s of real time.")

    def _jump(self, when_s: float) -> Ready:
        """Jump to the next timer, but not past the horizon or the limit of a `settled` future."""
        limit_s = float("inf")
        if self._idlers:
            limit_s = min((until for until, future in self._idlers if not future.done()), default=limit_s)
        if when_s == float("inf"):
            return self._stuck()
        if when_s > limit_s:
            self._now_us = round(limit_s * 1e6)
            self._finish_idlers(timed_out=True)
        elif when_s > self._end_s:
            raise self._deadlock(f"{self.horizon_s:g} s of virtual time have passed, and only timers go on.")
        else:
            self._now_us = round(when_s * 1e6)
        return []

    def _stuck(self) -> Ready:
        if ready := self._poller.poll(GRACE_S if self._leads_out() else 0):
            return ready
        if not self._finish_idlers(timed_out=False):
            raise self._deadlock("Nothing can happen any more: no timer, no thread at work, nothing in a socket.")
        return []

    def _leads_out(self) -> bool:
        """Return whether a descriptor with its other end outside this process is watched: data may still come."""
        numbers = (key.fd for key in self._poller.get_map().values())
        return any(number != self._own_pipe and not self._loopback.knows(number) for number in numbers)

    def _finish_idlers(self, *, timed_out: bool) -> bool:
        now, waiting = self.time(), [(until, future) for until, future in self._idlers if not future.done()]
        finished = [future for until, future in waiting if not timed_out or until <= now]
        for future in finished:
            future.set_result(not timed_out)
        self._idlers = [(until, future) for until, future in waiting if not future.done()]
        return bool(finished)

    def _deadlock(self, why: str) -> Deadlock:
        return Deadlock(f"{why} At {self.time():g} s of virtual time, pending:", asyncio.all_tasks(self))

    @property
    def _own_pipe(self) -> int:
        return self._ssock.fileno()  # pyright: ignore

    # ---- what asyncio calls -----------------------------------------------------------------------------------------

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._abandoned:
            return
        self.swallowed.append(context)
        super().call_exception_handler(context)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **options)
        task.add_done_callback(self._note_failure)
        return task

    def _note_failure(self, task: asyncio.Task[Any]) -> None:
        if _unseen(task):
            self._failed.append(task)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        self._connecting += 1
        try:
            await super().sock_connect(sock, address)
        finally:
            self._connecting -= 1
        self._loopback.connected(sock)

    def _start_serving(self, protocol_factory: Any, sock: Any, *args: Any, **options: Any) -> None:
        self._loopback.listen(sock)
        super()._start_serving(protocol_factory, sock, *args, **options)  # pyright: ignore

    def _make_socket_transport(self, sock: Any, *args: Any, **options: Any) -> Any:
        return super()._make_socket_transport(self._loopback.adopt(sock), *args, **options)  # pyright: ignore

    def _make_ssl_transport(self, rawsock: Any, *args: Any, **options: Any) -> Any:
        return super()._make_ssl_transport(self._loopback.adopt(rawsock), *args, **options)  # pyright: ignore


def _nothing() -> None:
    """Wake the loop."""


def _unseen(task: asyncio.Task[Any]) -> bool:
    """Return asyncio's mark of an exception that would be logged when the task is collected."""
    return bool(getattr(task, "_log_traceback", False))


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from reporting the exception of a task that was abandoned."""
    if not task.cancelled():
        task.exception()
