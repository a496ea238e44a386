"""Kyutai's text to speech as a stage: moshi-server over a WebSocket. The thin I/O twin of `kyutai_mouth`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
"""What the user is told while no synthesiser takes us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryOptions:
    """How often a synthesiser is looked for, and the pauses between."""

    searches: int
    pauses: Backoff


class Speaker:
    """One session's way to the synthesiser, in the voice that `voice()` names when a connection is opened.

    `prepare()` goes behind the recogniser: the user's first word opens the connection of the reply to come, which is
    kept for `ahead_s` at most. `api_key` None: the server asks for none.
    """

    def __init__(
        self,
        finder: Finder,
        *,
        voice: Callable[[], VoiceChoice],
        options: Options,
        api_key: str | None,
        discovery: DiscoveryOptions,
        ahead_s: float,
    ) -> None:
        self.finder = finder
        self._voice, self._options, self._discovery = voice, options, discovery
        self._headers = {KEY_HEADER: api_key} if api_key is not None else {}
        self._ahead = PrewarmedConnection(self._open_one, key=voice, max_age_s=ahead_s)

    def prepare(self) -> Stage[Event, Event]:
        """Everything passes; a `WordRecognised` opens the next reply's connection, if there is none."""
        return self._ahead.prepare(lambda event: isinstance(event, WordRecognised))

    async def connect(self, emit: Emit[Event]) -> ServiceSocket:
        """The connection in store, or a new one; `Warned` when that takes more than one search.

        Raises ServiceUnavailable.
        """
        if (socket := await self._ahead.take()) is not None:
            return socket
        return await self.finder.find_with_retry(
            self._endpoint(self._voice()),
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
def kyutai(speaker: Speaker, *, options: TtsOptions) -> Stage[ReplyText, ReplyAudio | Event]:
    """The reply's words pass; their sound comes as it is made, each word's times before its sound.

    `SynthesisStarted` comes with the first word, `SynthesisEnded` with all the sound there is. Words are sent one by
    one, as they are said: without markup; a reply with nothing to say asks nobody. The sound is made faster than it is
    heard, and `WordSpoken` comes ahead of it: `pace` releases both on the playback clock.

    A connection that breaks, falls silent, talks nonsense or ends early is replaced while nothing has been said yet
    (`Warned`); later it fails the turn, with a ServiceError. Fails with ServiceUnavailable when no synthesiser takes
    us, with BoundaryFull when more words wait than may. Disposing closes the connection.

    .. marbles::

        words    a--b--|           "Well," " no."
        kyutai   (as)-wbw-(e|)     s: SynthesisStarted   w: WordSpoken, ReplyAudio   e: SynthesisEnded
    """
    finder = speaker.finder

    def tts_session(clock: Clock) -> ServiceProtocol[ReplyText, ReplyAudio | Event]:
        return KyutaiTtsSession(clock, options, finder.service, finder.observer)

    def stage(source: Observable[ReplyText]) -> Observable[ReplyAudio | Event]:
        def speak(_: object) -> Observable[ReplyAudio | Event]:
            return source.pipe(socket_stage(tts_session, speaker.connect, observer=finder.observer, name="TTS"))

        return reactivex.defer(speak)

    return stage


@dataclass(frozen=True, slots=True)
class _VoiceEndpoint:
    """Opens a socket and waits for `Ready`; a cloned voice goes in right behind it."""

    door: WebSocketEndpoint
    voice: VoiceChoice

    async def __call__(self, instance: Instance) -> ServiceSocket:
        socket = await self.door.open(instance)
        try:
            await _be_welcome(socket)
            if isinstance(self.voice, bytes):
                await socket.send(self.voice)
        except BaseException:
            await socket.close()
            raise
        return socket


async def _be_welcome(socket: ServiceSocket) -> None:
    """Until `Ready`, past what was meant for somebody else. Raises AtCapacity, ConnectionLost, ProtocolViolation."""
    try:
        for _ in range(STRAYS + 1):
            if isinstance(decode(await socket.receive(), service=socket.service), Ready):
                return
    except Closed:
        raise ConnectionLost(socket.service, "it said goodbye") from None
    raise ProtocolViolation(socket.service, f"{STRAYS} packets for somebody else")
