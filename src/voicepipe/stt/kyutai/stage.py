"""Kyutai's speech to text as a stage: moshi-server over a WebSocket. The I/O half of `session`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import reactivex
from reactivex import Observable

from voicepipe.boundary.pending import PendingWork
from voicepipe.events import (
    Audio,
    Event,
    Overflowed,
    Pause,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    Warned,
    WordRecognised,
)
from voicepipe.services import (
    AttemptFailed,
    Backoff,
    Closed,
    ConnectionLost,
    Emit,
    FailureReason,
    Finder,
    Instance,
    ProtocolViolation,
    ServiceSocket,
    ServiceUnavailable,
    WebSocketEndpoint,
    socket_stage,
)
from voicepipe.stage import Stage, stage_factory
from voicepipe.stt.kyutai.protocol import KEY_HEADER, PATH, Ready, decode
from voicepipe.stt.kyutai.sent_sound import SentSound
from voicepipe.stt.kyutai.session import KyutaiSttSession, SttOptions

__all__ = ["ReconnectPolicy", "SttOptions", "kyutai"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectPolicy:
    """The replacement of a lost recogniser: `pauses` between the searches, for `give_up_after_s` at most.

    A connection that breaks within `settled_after_s` does not end the search: a server that always breaks is given up.
    """

    pauses: Backoff
    give_up_after_s: float
    settled_after_s: float


@stage_factory(gives=(SpeechStarted, SpeechStopped, Pause, WordRecognised, Transcribed, Overflowed, Warned))
def kyutai(
    finder: Finder, *, api_key: str, options: SttOptions, reconnect: ReconnectPolicy, backlog: PendingWork | None = None
) -> Stage[Audio | Event, Event]:
    """Recognise words and the bounds of speech in `Audio` of any rate; `FlushRequested` ends a pause.

    - `WordRecognised` is emitted when the recogniser is sure of the word; its `stop_s` is how far it has heard by then.
      The server's later word end is kept for what must be sent again.
    - `Pause` is emitted with each step (80 ms), with an averaged score, after the first 12 of a connection; none during
      a flush, and 0 with the first word of a message. In a pause its `at_s` is the last loud moment. `SpeechStarted`
      and `SpeechStopped` are emitted at the score's edges; their times are from the sound's energy.
    - `FlushRequested` pushes silence for the model's delay; `Transcribed` is emitted when the model's clock has
      passed it.
    - A connection that breaks, stalls or violates the protocol is replaced: `Warned` is emitted, and the sound since
      the last word is sent again. When more sound waits than the buffer holds, the oldest is dropped: `Overflowed`.
    - An old connection is replaced in a pause, by one that was opened before: this ends drift.
    - When the source completes, the last words are awaited.
    - `backlog` counts a flush, and being behind by `behind_s`.

    Fails with ServiceUnavailable if no recogniser is available at the start, or none in time after a loss. Disposing
    closes the connection.

    .. marbles::

        in       aaaaaaaaaaaaa-F             a: 80 ms of Audio, sent fast   F: FlushRequested, at the pause   T: Transcribed
        kyutai   ------(pw)------P-v---T     p: SpeechStarted, Pause(0)   w, v: WordRecognised   P: SpeechStopped, Pause(0.95)
    """  # noqa: E501
    endpoint = WebSocketEndpoint(finder.service, finder.address, PATH, {}, {KEY_HEADER: api_key})

    def stage(source: Observable[Audio | Event]) -> Observable[Event]:
        def listen(_: object) -> Observable[Event]:
            observer = SentSound(finder.observer)
            return source.pipe(
                socket_stage(
                    lambda clock: KyutaiSttSession(clock, options, finder.service, observer, backlog),
                    _Connecting(finder, lambda instance: _connect(endpoint, instance), reconnect),
                    observer=observer,
                    name="STT",
                )
            )

        return reactivex.defer(listen)

    return stage


class _Connecting:
    """Require the first connection at once; wait for a later one."""

    def __init__(
        self, finder: Finder, enter: Callable[[Instance], Awaitable[ServiceSocket]], reconnecting: ReconnectPolicy
    ) -> None:
        self._finder, self._connect, self._reconnecting = finder, enter, reconnecting
        self._connected_s: float | None = None
        self._give_up_s = 0.0
        self._pauses = iter(reconnecting.pauses)

    async def __call__(self, emit: Emit[Event]) -> ServiceSocket:
        clock = asyncio.get_running_loop().time
        if self._connected_s is None:
            socket = await self._finder.find(self._connect)
        else:
            if clock() - self._connected_s >= self._reconnecting.settled_after_s:
                self._give_up_s = 0.0
            socket = await self._again(emit)
        self._connected_s = clock()
        return socket

    async def _again(self, emit: Emit[Event]) -> ServiceSocket:
        if not self._give_up_s:  # a search begins now
            self._give_up_s = asyncio.get_running_loop().time() + self._reconnecting.give_up_after_s
            self._pauses = iter(self._reconnecting.pauses)
        else:
            await self._pause(AttemptFailed(None, FailureReason.BROKEN, "it took us, and broke"))
        told = False
        while True:
            try:
                return await self._finder.find(self._connect)
            except ServiceUnavailable as error:
                if not told:
                    emit(Warned(f"{error.user_message} Trying again; what you say meanwhile is kept."))
                told = True
                await self._pause(*error.missed)

    async def _pause(self, *missed: AttemptFailed) -> None:
        """Pause before the next search. Raises ServiceUnavailable when the limit is reached."""
        pause_s = next(self._pauses)
        if asyncio.get_running_loop().time() + pause_s > self._give_up_s:
            raise ServiceUnavailable(self._finder.service, missed)
        await asyncio.sleep(pause_s)


async def _connect(endpoint: WebSocketEndpoint, instance: Instance) -> ServiceSocket:
    """Return a socket to an instance that accepts it. Raises AtCapacity, ConnectionLost, ProtocolViolation."""
    socket = await endpoint.open(instance)
    try:
        await _be_welcome(socket)
    except BaseException:
        await socket.close()
        raise
    return socket


async def _be_welcome(socket: ServiceSocket) -> None:
    try:
        first = decode(await socket.receive(), service=socket.service)
    except Closed:
        raise ConnectionLost(socket.service, "it said goodbye") from None
    if not isinstance(first, Ready):
        raise ProtocolViolation(socket.service, "something else than Ready")
