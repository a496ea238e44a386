"""`socket_stage`: the boundary graph → service socket, as a stage.

A `ServiceProtocol` decides what is sent and what answers mean. It is a pure state machine without a socket, and bounds
what waits (sound: the oldest is dropped and `Overflowed` is emitted; text is never dropped: the turn fails). This
module does the I/O: it opens sockets, moves bytes, and notices when a service stalls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

import structlog
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.rx import Clock, LoopScheduler, scheduler_of
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.services.errors import ConnectionLost, ServiceError, ServiceStalled
from voicepipe.services.observer import ServiceObserver
from voicepipe.services.protocol import Connect, Emit, ServiceProtocol
from voicepipe.services.socket import Closed, ServiceSocket
from voicepipe.stage import Stage

__all__ = ["socket_stage"]

A = TypeVar("A")
B = TypeVar("B")

log = structlog.get_logger()


def socket_stage(
    exchange: Callable[[Clock], ServiceProtocol[A, B]], connect: Connect[B], *, observer: ServiceObserver, name: str
) -> Stage[A, B]:
    """Run an `exchange` with a service over the sockets that `connect` opens, in a task named `name`.

    The first socket is opened at subscription. A connection that is lost, stalls (`overdue_at`) or violates the
    protocol is replaced if the exchange allows it. While the exchange is `stale`, the next connection is opened beside
    the current one, and replaces it if the exchange is still stale. Items wait in the exchange while there is no
    connection. Completes when the exchange is done. Disposing ends the task and closes its socket within a tenth of a
    second.

    .. marbles::

        source         a-b---|
        socket_stage   --A-B-|
    """

    def stage(source: Observable[A]) -> Observable[B]:
        def subscribe(observer_: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
            session = scheduler_of(scheduler)
            line = _Line(observer_, exchange(session.clock), connect, session, observer)
            task = session.spawn(line.run(), name)
            subscription = source.subscribe(line.put, line.source_failed, line.finish, scheduler=scheduler)

            def stop() -> None:
                task.cancel()

            return CompositeDisposable(subscription, Disposable(stop))

        return LoopObservable(subscribe)

    return stage


class _Line(Generic[A, B]):
    """One subscription: an exchange and its current connection."""

    def __init__(
        self,
        out: abc.ObserverBase[B],
        exchange: ServiceProtocol[A, B],
        connect: Connect[B],
        scheduler: LoopScheduler,
        observer: ServiceObserver,
    ) -> None:
        self._out, self._exchange, self._connect = out, exchange, connect
        self._scheduler, self._observer = scheduler, observer
        self._wake = asyncio.Event()
        self._watchdog: asyncio.TimerHandle | None = None
        self._spare: asyncio.Task[ServiceSocket] | None = None
        self._ended = False

    # ---- the graph's side -------------------------------------------------------------------------------------------

    def put(self, item: A) -> None:
        try:
            events = self._exchange.put(item)
        except Exception as error:
            self._fail(error)
            return
        self._emit(events)
        self._wake.set()

    def finish(self) -> None:
        self._emit(self._exchange.finish() or ())
        self._wake.set()

    def source_failed(self, error: Exception) -> None:
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._ended:
            self._ended = True
            self._wake.set()
            self._out.on_error(error)

    def _complete(self) -> None:
        if not self._ended:
            self._ended = True
            self._out.on_completed()

    def _emit(self, events: Iterable[B]) -> None:
        for event in events:
            self._emit_one(event)

    def _emit_one(self, event: B) -> None:
        if not self._ended:
            self._out.on_next(event)

    # ---- the service's side -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Use one connection after another until the exchange is done."""
        try:
            await self._until_done()
        except asyncio.CancelledError:
            self._exchange.cut()
            raise
        except Exception as error:
            self._fail(error)
        else:
            self._complete()
        finally:
            await self._drop_spare()

    async def _until_done(self) -> None:
        while not self._over:
            socket = await self._next_socket()
            if socket is None:
                return
            try:
                await self._converse(socket)
            except ServiceError as error:
                log.warning("service.lost", service=error.service, how=error.outcome)
                self._observer.failed(error)
                self._emit(self._exchange.lost(error))

    @property
    def _over(self) -> bool:
        return self._ended or self._exchange.done

    async def _next_socket(self) -> ServiceSocket | None:
        """Return the spare socket, or a new one; None if the exchange was done before."""
        opening = self._spare or self._open(self._emit_one)
        self._spare = None
        opening.add_done_callback(lambda _: self._wake.set())
        try:
            while not opening.done() and not self._over:
                self._wake.clear()
                await self._wake.wait()
        except BaseException:
            await _discard(opening)
            raise
        if opening.done() and not self._over:
            return opening.result()
        await _discard(opening)
        return None

    def _open(self, emit: Emit[B]) -> asyncio.Task[ServiceSocket]:
        async def open_one() -> ServiceSocket:
            return await self._connect(emit)

        return self._scheduler.spawn(open_one(), "opens a socket")

    async def _converse(self, socket: ServiceSocket) -> None:
        """Run until the exchange is done, a spare takes over, or the connection ends. Raises ServiceError."""
        began_s, silent = self._scheduler.clock(), _Silence(socket)
        self._observer.session_opened()
        self._exchange.opened()
        self._wake.set()
        writer = self._scheduler.spawn(self._write(socket, silent), "writes to a socket")
        try:
            await self._read(socket)
        except Closed:
            self._emit(self._exchange.closed())
        except ConnectionLost as error:
            if not self._over:
                raise silent.error or error from None
        finally:
            self._stop_watchdog()
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait((writer,))
            self._observer.session_closed(self._scheduler.clock() - began_s)
            await socket.close()

    async def _read(self, socket: ServiceSocket) -> None:
        while not self._over:
            message = await socket.receive()
            self._emit(self._exchange.received(message))
            self._wake.set()
            if self._renewed():
                return

    async def _write(self, socket: ServiceSocket, silent: _Silence) -> None:
        with suppress(ServiceError):  # the reader gets the error, too
            while not self._over:
                await self._wake.wait()
                self._wake.clear()
                while (message := self._exchange.outgoing()) is not None:
                    await socket.send(message)
                self._watch(silent)
        socket.abort()

    # ---- silence ----------------------------------------------------------------------------------------------------

    def _watch(self, silent: _Silence) -> None:
        """Set one timer, which is set again if it fires too early."""
        due_s = self._exchange.overdue_at
        if self._watchdog is None and due_s is not None:
            self._watchdog = self._scheduler.loop.call_at(due_s, self._look, silent)

    def _look(self, silent: _Silence) -> None:
        self._watchdog = None
        due_s = self._exchange.overdue_at
        if due_s is not None and due_s <= self._scheduler.clock() + 1e-3:
            silent.cut()
        else:
            self._watch(silent)

    def _stop_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    # ---- a fresh connection -----------------------------------------------------------------------------------------

    def _renewed(self) -> bool:
        """Return whether a spare connection is ready to take over. Opens one if it would help; emits nothing."""
        if not self._exchange.stale:
            return False
        if self._spare is not None and _failed(self._spare):
            self._spare = None
        if self._spare is None:
            self._spare = self._open(_ignore)
        return self._spare.done()

    async def _drop_spare(self) -> None:
        if self._spare is not None:
            await _discard(self._spare)
            self._spare = None


class _Silence:
    """The reason for which a socket was aborted, if it stalled."""

    def __init__(self, socket: ServiceSocket) -> None:
        self._socket = socket
        self.error: ServiceStalled | None = None

    def cut(self) -> None:
        self.error = ServiceStalled(self._socket.service)
        self._socket.abort()


def _ignore(_: object) -> None:
    """Ignore a failure to open a spare connection: the current one is still in use."""


def _failed(opening: asyncio.Task[ServiceSocket]) -> bool:
    return opening.done() and (opening.cancelled() or opening.exception() is not None)


async def _discard(opening: asyncio.Task[ServiceSocket]) -> None:
    """Close a socket that is no longer needed."""
    opening.cancel()
    await asyncio.wait((opening,))
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().close()
