"""Stage classes without models, as a user writes them for a host, and hosts of this process."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import reactivex
from aiohttp import web
from kyutai import RECONNECTING, STT, STT_OPTIONS, TONES
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    Pause,
    ReplyAudio,
    ReplyText,
    Samples,
    SynthesisEnded,
    SynthesisStarted,
    TokensCounted,
    Transcribed,
    WordRecognised,
    WordSpoken,
)
from voicepipe.host.app import StageHost
from voicepipe.host.hosted import HostedStage
from voicepipe.host.own import own_stage
from voicepipe.host.slots import Slots
from voicepipe.operators import listen
from voicepipe.rx import transduce
from voicepipe.services import Address, Finder, Instance
from voicepipe.stage import Stage
from voicepipe.stt.kyutai.stage import kyutai
from voicepipe.testing.servers import ByTone

__all__ = ["KEY", "EchoLlm", "Hosted", "ToneStt", "ToneTts", "hosting", "no_pauses", "serving_stage", "stt_of"]

KEY = "a-secret"
FRAME_S = 0.08


class ToneStt:
    """Hears tones, and notices pauses itself. The last word comes with the flush, as from a recogniser of clips."""

    notices_pauses = True
    name = "tones"

    def stt(self) -> Stage[Audio | Event, Event]:
        return transduce(lambda _: _ToneSession())


class _ToneSession:
    def __init__(self) -> None:
        self._hear, self._at_s, self._silent_s = ByTone(TONES).listen(), 0.0, 10.0
        self._word: WordRecognised | None = None

    def __call__(self, item: Audio | Event) -> Iterator[Event]:
        match item:
            case Audio(samples=samples):
                yield from self._frame(samples)
            case FlushRequested(at_s=at_s):
                yield from self._known()
                yield Transcribed(at_s)
            case _:
                pass

    def _frame(self, samples: Samples) -> Iterator[Event]:
        voiced, said = self._hear(samples, self._at_s)
        self._at_s += FRAME_S
        for one in said:
            if one.text is not None:
                yield from self._known()
                self._word = WordRecognised(one.text, one.at_s, one.at_s + 0.24)
        self._silent_s = 0.0 if voiced else self._silent_s + FRAME_S
        yield Pause(0.95 if self._silent_s >= 0.24 - 1e-6 else 0.0, self._at_s)

    def _known(self) -> Iterator[Event]:
        if self._word is not None:
            yield self._word
            self._word = None


class ToneTts:
    """Says 200 ms of a tone for each word, at 16 kHz."""

    WORD_S = 0.2

    def tts(self, voice: str) -> Stage[ReplyText, ReplyAudio | Event]:
        return transduce(lambda _: _ToneReply())


class _ToneReply:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, text: ReplyText) -> Iterator[ReplyAudio | Event]:
        yield text
        if text.delta.strip() == "break":
            raise RuntimeError("the voice broke")
        sound = np.full(round(ToneTts.WORD_S * 16_000), 0.25, np.float32)
        start_s, self._at_s = self._at_s, self._at_s + ToneTts.WORD_S
        yield SynthesisStarted(text.delta)
        yield WordSpoken(text.delta.strip(), start_s, self._at_s)
        yield ReplyAudio(Audio(sound, 16_000))
        yield SynthesisEnded(ToneTts.WORD_S)


class EchoLlm:
    """Says what the user said last, word by word."""

    name = "echo"

    def llm(self, conversation: Conversation) -> Observable[str | Event]:
        last = conversation.messages[-1].text
        if last == "break":
            return reactivex.throw(RuntimeError("the model broke"))
        return reactivex.of(*(f"{word} " for word in last.split()), TokensCounted(7, 3, 2))


def stt_of(*urls: str, key: str = KEY) -> Stage[Any, Event]:
    """The recogniser of a gateway that finds these hosts behind one name."""

    async def resolve(_: Address) -> list[Instance]:
        return [Instance(address.host, address.port) for address in map(Address.parse, urls)]

    finder = Finder(STT, Address.parse(urls[0]), resolve=resolve, tries=3, try_s=0.5, random=Random(1))
    return listen(kyutai(finder, api_key=key, options=STT_OPTIONS, reconnect=RECONNECTING), None, flush_at=0.6)


def no_pauses() -> Any:
    raise AssertionError("this stage needs no embedded model")


class Hosted:
    """A host of this process, and its port; it listens while the context is open."""

    def __init__(self, stage: HostedStage, capacity: int, key: str | None, attach_s: float) -> None:
        self.host = StageHost(stage, Slots(capacity, attach_s=attach_s), key=key)
        self.port = 0
        self.stopped = False
        self._runner = web.AppRunner(self.host.app(), handler_cancellation=True, shutdown_timeout=0.1, access_log=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def slots(self) -> Slots:
        return self.host.slots

    async def stop(self) -> None:
        """Stop as a process that is killed: all connections break at once."""
        self.stopped = True
        for connection in self._runner.server.connections if self._runner.server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()

    async def __aenter__(self) -> Hosted:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def serving_stage(stage: HostedStage, *, capacity: int = 4, key: str | None = KEY, attach_s: float = 3.0) -> Hosted:
    """A host of a stage that is loaded."""
    return Hosted(stage, capacity, key, attach_s)


def hosting(stage: type[Any], *, capacity: int = 4, key: str | None = KEY, attach_s: float = 3.0) -> Hosted:
    """A host of a stage class."""
    return serving_stage(own_stage(stage, no_pauses), capacity=capacity, key=key, attach_s=attach_s)
