"""Kyutai's text to speech as a stage: moshi-server over a WebSocket. The I/O half of `session`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import reactivex
from reactivex import Observable

from voicepipe.events import (
    Event,
    ReplyAudio,
    ReplyText,
    SynthesisEnded,
    SynthesisStarted,
    Warned,
    WordRecognised,
    WordSpoken,
)
from voicepipe.rx import Clock
from voicepipe.services import (
    Backoff,
    Closed,
    ConnectionLost,
    Emit,
    Finder,
    Instance,
    ProtocolViolation,
    ServiceProtocol,
    ServiceSocket,
    WebSocketEndpoint,
    socket_stage,
)
from voicepipe.stage import Stage, stage_factory
from voicepipe.tts.kyutai.prewarm import PrewarmedConnection
from voicepipe.tts.kyutai.protocol import KEY_HEADER, PATH, STRAYS, Options, Ready, VoiceChoice, decode
from voicepipe.tts.kyutai.session import KyutaiTtsSession, TtsOptions

__all__ = ["LOOKING", "DiscoveryOptions", "Options", "Speaker", "TtsOptions", "VoiceChoice", "kyutai"]

LOOKING = "Looking for the resources, expect some latency."
"""The warning for the user while no synthesiser is available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryOptions:
    """The number of searches for a synthesiser, and the pauses between."""

    searches: int
    pauses: Backoff


class Speaker:
    """One session's access to the synthesiser. `voice` is that of replies which name none.

    `prepare()` stands behind the recogniser: the user's first word opens the connection of the next reply, in the voice
    of the last one, which is kept for up to `ahead_s`. `api_key` None: the server requires none.
    """

    def __init__(
        self,
        finder: Finder,
        *,
        voice: VoiceChoice,
        options: Options,
        api_key: str | None,
        discovery: DiscoveryOptions,
        ahead_s: float,
    ) -> None:
        self.finder = finder
        self.voice, self._options, self._discovery = voice, options, discovery
        self._last = voice
        self._headers = {KEY_HEADER: api_key} if api_key is not None else {}
        self._ahead = PrewarmedConnection(self._open_one, key=lambda: self._last, max_age_s=ahead_s)

    def prepare(self) -> Stage[Event, Event]:
        """Pass everything; a `WordRecognised` opens the next reply's connection, if there is none."""
        return self._ahead.prepare(lambda event: isinstance(event, WordRecognised))

    async def choose(self, name: str, emit: Emit[Event]) -> VoiceChoice:
        """Return what the synthesiser is told for the name of a voice, and emit `Warned` where there is none."""
        del emit
        return name or self.voice

    async def connect(self, voice: str, emit: Emit[Event]) -> ServiceSocket:
        """Return the prewarmed connection, or a new one; emit `Warned` if that takes more than one search.

        Raises ServiceUnavailable.
        """
        self._last = await self.choose(voice, emit)
        if (socket := await self._ahead.take()) is not None:
            return socket
        return await self.finder.find_with_retry(
            self._endpoint(self._last),
            searches=self._discovery.searches,
            pauses=self._discovery.pauses,
            delayed=lambda: emit(Warned(LOOKING)),
        )

    async def _open_one(self, voice: VoiceChoice) -> ServiceSocket:
        return await self.finder.find(self._endpoint(voice))

    def _endpoint(self, voice: VoiceChoice) -> _VoiceEndpoint:
        finder = self.finder
        return _VoiceEndpoint(
            WebSocketEndpoint(finder.service, finder.address, PATH, self._options.query(voice), self._headers), voice
        )


@stage_factory(gives=(SynthesisStarted, SynthesisEnded, WordSpoken, ReplyAudio, Warned), passes=True)
def kyutai(speaker: Speaker, *, voice: str, options: TtsOptions) -> Stage[ReplyText, ReplyAudio | Event]:
    """Pass the reply's words; emit their sound as it is made, each word's times before its sound.

    `SynthesisStarted` comes with the first word, `SynthesisEnded` with the last sound. Words are sent one by one,
    without markup; a reply with nothing to say opens no connection. The sound is made faster than it is heard, and
    `WordSpoken` comes ahead of it: `pace` releases both on the playback clock.

    A connection that breaks, stalls, violates the protocol or ends early is replaced if nothing has been said yet
    (`Warned`); later it fails the turn with a ServiceError. Fails with ServiceUnavailable if no synthesiser is
    available, with BoundaryFull if too many words wait. Disposing closes the connection.

    Args:
        speaker: The session's access to the synthesiser.
        voice: The name of the reply's voice; empty: that of `speaker`.
        options: How many words may wait, and how often and after how long a connection is replaced.

    .. marbles::

        words    a--b--|           "Well," " no."
        kyutai   (as)-wbw-(e|)     s: SynthesisStarted   w: WordSpoken, ReplyAudio   e: SynthesisEnded
    """
    finder = speaker.finder

    def tts_session(clock: Clock) -> ServiceProtocol[ReplyText, ReplyAudio | Event]:
        return KyutaiTtsSession(clock, options, finder.service, finder.observer)

    def stage(source: Observable[ReplyText]) -> Observable[ReplyAudio | Event]:
        def speak(_: object) -> Observable[ReplyAudio | Event]:
            return source.pipe(
                socket_stage(tts_session, partial(speaker.connect, voice), observer=finder.observer, name="TTS")
            )

        return reactivex.defer(speak)

    return stage


@dataclass(frozen=True, slots=True)
class _VoiceEndpoint:
    """Open a socket and wait for `Ready`; send a cloned voice right behind it."""

    endpoint: WebSocketEndpoint
    voice: VoiceChoice

    async def __call__(self, instance: Instance) -> ServiceSocket:
        socket = await self.endpoint.open(instance)
        try:
            await _be_welcome(socket)
            if isinstance(self.voice, bytes):
                await socket.send(self.voice)
        except BaseException:
            await socket.close()
            raise
        return socket


async def _be_welcome(socket: ServiceSocket) -> None:
    """Wait for `Ready`, and skip packets of another client. Raises AtCapacity, ConnectionLost, ProtocolViolation."""
    try:
        for _ in range(STRAYS + 1):
            if isinstance(decode(await socket.receive(), service=socket.service), Ready):
                return
    except Closed:
        raise ConnectionLost(socket.service, "it said goodbye") from None
    raise ProtocolViolation(socket.service, f"{STRAYS} packets for another client")
