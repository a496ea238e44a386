"""A session for unit tests: with a client, settings and stages of the test's own, and a record of what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.audio import Codec, Pcm16
from voicepipe.conversation import ClientInfo
from voicepipe.events import Audio, ClientMessage, Event, SettingsChanged, SpeechProbability
from voicepipe.operators import EndOfTurn, text_only
from voicepipe.session import Llm, Pipeline, Session, SessionRunner, Stages, Tts
from voicepipe.stage import Stage
from voicepipe.testing.player.transcript import At

__all__ = ["OpenSession", "open_session", "session", "stages"]

E = TypeVar("E")

GRACE_S = 1.0
"""The longest time, in seconds, that a closed session's tasks may take to clean up."""


def stages(
    *,
    vad: Stage[Audio, SpeechProbability] | None = None,
    end_of_turn: EndOfTurn | None = None,
    stt: Stage[Audio | Event, Event] | None = None,
    llm: Llm | None = None,
    tts: Tts | None = None,
) -> Stages:
    """Return a session's stages, of which a test needs few: those left out take everything, and give nothing.

    Args:
        vad: The VAD. Left out, there is none.
        end_of_turn: The end-of-turn model.
        stt: The recogniser.
        llm: The language model.
        tts: Makes the synthesiser of a reply.
    """
    return Stages(vad, end_of_turn or _no_answer, stt or _silent, llm or _no_answer, tts or (lambda _: _silent))


# The parameters `stages` below hide its name.
_STAGES = stages


def session(
    received: Observable[ClientMessage] | Iterable[ClientMessage] = (),
    *,
    client: ClientInfo | None = None,
    settings: SettingsChanged | None = None,
    stages: Stages | None = None,
    codec: Codec | None = None,
    session_id: str = "test",
) -> Session:
    """Return the argument of a pipeline, for a test that applies the pipeline itself, such as a marble test::

        marbles.expect(pipeline(session(marbles.hot("--s|", s=sound))), "--e|", e=encoded)

    Args:
        received: What the client sends: an observable, or messages that are all there at the subscription.
        client: What is known of the client; None: nothing.
        settings: The client's settings, which it sends first; None: none.
        stages: The stages, such as `voicepipe.testing.stages(llm=…)`; None: all of them give nothing.
        codec: The session's codec; None: PCM16 at 24 kHz.
        session_id: The session's id.
    """
    used = stages or _STAGES()
    messages = received if isinstance(received, Observable) else reactivex.from_iterable(received)
    return Session(
        session_id,
        messages if settings is None else messages.pipe(rx_ops.start_with(settings)),
        codec or Pcm16(),
        vad=used.vad,
        end_of_turn=used.end_of_turn,
        stt=used.stt,
        llm=used.llm,
        tts=lambda conversation: text_only(used.tts(conversation)),
        client=client or ClientInfo(),
        speculations=used.speculations,
    )


class OpenSession:
    """A pipeline at work for one client. `sent` is what the client was sent, each event with its time in seconds."""

    def __init__(self, runner: SessionRunner, sent: list[At]) -> None:
        self._runner, self.sent = runner, sent

    def receive(self, *messages: ClientMessage) -> None:
        """Let the client send messages, now."""
        for message in messages:
            self._runner.receive(message)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind that were sent."""
        return [event for _, event in self.sent if isinstance(event, kind)]

    def times(self, kind: type[Any]) -> list[float]:
        """Return when they were sent, in seconds since the session began, to the millisecond."""
        return [round(at_s, 3) for at_s, event in self.sent if isinstance(event, kind)]

    @property
    def ended(self) -> bool:
        """Return whether the pipeline has completed, or failed."""
        return self._runner.ended.done()


@asynccontextmanager
async def open_session(
    pipeline: Pipeline,
    *,
    client: ClientInfo | None = None,
    settings: SettingsChanged | None = None,
    stages: Stages | None = None,
    codec: Codec | None = None,
    session_id: str = "test",
) -> AsyncGenerator[OpenSession]:
    """Run a pipeline for a client, as a server does, on the running loop: a virtual one, or asyncio's own.

    At the end of the block the session is closed, and its tasks are cancelled.

    Args:
        pipeline: The pipeline.
        client: What is known of the client; None: nothing.
        settings: The client's settings, which it sends first; None: none.
        stages: The stages, such as `voicepipe.testing.stages(llm=…)`; None: all of them give nothing.
        codec: The session's codec; None: PCM16 at 24 kHz.
        session_id: The session's id.
    """
    loop = asyncio.get_running_loop()
    began_s, sent = loop.time(), list[At]()
    runner = SessionRunner(
        pipeline,
        session_id=session_id,
        codec=codec or Pcm16(),
        stages=stages or _STAGES(),
        emit=lambda event: sent.append(At(loop.time() - began_s, event)),
        client=client,
    )
    opened = OpenSession(runner, sent)
    try:
        if settings is not None:
            opened.receive(settings)
        yield opened
    finally:
        await runner.close(grace_s=GRACE_S)


def _silent(source: Observable[Any]) -> Observable[Any]:
    """Take everything and give nothing."""
    return source.pipe(rx_ops.ignore_elements())


def _no_answer(_: Any) -> Observable[Any]:
    return reactivex.empty()
