"""The next reply's connection, opened before it is needed, so that a reply does not wait for a handshake."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.events import Event
from voicepipe.rx import LoopScheduler, scheduler_of
from voicepipe.services import ServiceError, ServiceSocket
from voicepipe.stage import Stage

__all__ = ["PrewarmedConnection"]

K = TypeVar("K")


class PrewarmedConnection(Generic[K]):
    """One session's prewarmed connection. `key()` names its voice: it is called when a connection is opened, and again
    when it is taken; a connection for another voice is closed.

    A connection is kept for up to `max_age_s`, because it takes a place at the service. If its server closes it, it is
    dropped. If it cannot be opened, the reply opens its own, and reports the error.
    """

    def __init__(
        self, open_socket: Callable[[K], Awaitable[ServiceSocket]], *, key: Callable[[], K], max_age_s: float
    ) -> None:
        self._open, self._key, self._max_age_s = open_socket, key, max_age_s
        self._slot: _Slot[K] | None = None

    def prepare(self, needed: Callable[[Event], bool]) -> Stage[Event, Event]:
        """Pass everything; an event for which `needed` is true opens a connection, if there is none.

        Put it where the user's turn is heard. Disposing the subscription closes the connection.

        .. marbles::

            heard      -w--w---|     w: a word
            prepare    -w--w---|     a connection is opened at the first
        """

        def stage(source: Observable[Event]) -> Observable[Event]:
            def subscribe(
                observer: abc.ObserverBase[Event], scheduler: abc.SchedulerBase | None = None
            ) -> abc.DisposableBase:
                session = scheduler_of(scheduler)

                def on_next(event: Event) -> None:
                    if needed(event):
                        self._fill(session)
                    observer.on_next(event)

                subscription = source.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)
                return CompositeDisposable(subscription, Disposable(self._empty))

            return Observable(subscribe)

        return stage

    async def take(self) -> ServiceSocket | None:
        """Return the prewarmed connection, and forget it; None if there is no usable one.

        A connection that is being opened is awaited: it began earlier than a new one would.
        """
        slot, self._slot = self._slot, None
        if slot is None:
            return None
        if slot.key != self._key():
            slot.task.cancel()
            return None
        slot.taken = True
        try:
            socket = await asyncio.shield(slot.ready)
        except BaseException:
            await slot.give_up()
            raise
        await slot.stop_watching()
        if socket is not None and not socket.usable:
            await socket.close()
            return None
        return socket

    def _fill(self, scheduler: LoopScheduler) -> None:
        if self._slot is None:
            self._slot = slot = _Slot(self._key(), scheduler.loop.create_future())
            slot.task = scheduler.spawn(self._keep(slot), "keeps a connection")

    def _empty(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            slot.task.cancel()

    async def _keep(self, slot: _Slot[K]) -> None:
        try:
            with suppress(ServiceError):
                socket = await self._open(slot.key)
                slot.ready.set_result(socket)
                await slot.watch(socket, self._max_age_s)
        finally:
            if self._slot is slot:
                self._slot = None
            await slot.close()


class _Slot(Generic[K]):
    """A connection from its opening until it is taken or closed."""

    task: asyncio.Task[None]

    def __init__(self, key: K, ready: asyncio.Future[ServiceSocket | None]) -> None:
        self.key, self.ready, self.taken = key, ready, False

    async def watch(self, socket: ServiceSocket, max_age_s: float) -> None:
        """Wait until it is too old, or its server has closed it; end at once when it is taken."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max_age_s):
                if not self.taken:
                    await socket.watch()

    async def stop_watching(self) -> None:
        """Stop watching: only one task may receive at a time."""
        self.task.cancel()
        await asyncio.wait((self.task,))

    async def give_up(self) -> None:
        """Cancel the opening: the caller has gone."""
        self.taken = False
        await self.stop_watching()
        await self.close()

    async def close(self) -> None:
        """Close it, unless it was taken."""
        if not self.ready.done():
            self.ready.set_result(None)
        socket = self.ready.result()
        if socket is not None and not self.taken:
            await socket.close()
