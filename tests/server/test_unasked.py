"""Speaking unasked over a real socket: a client sees a response that it has not asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import Audio, HangUpRequested, ReplyAudio, ReplyText, SettingsChanged, SpeechRequested, WordSpoken
from voicepipe.presets import ENDPOINTING, INTERRUPTION, PLAYBACK
from voicepipe.rx import transduce

WORD = Audio(np.full(2400, 0.1, np.float32), 24_000)


def tts(_: Conversation) -> Any:
    """A word of 100 ms for each that is to be said."""

    def machine(_: object) -> Any:
        ends = itertools.count(1)

        def speak(event: Any) -> Iterator[Any]:
            yield event
            if isinstance(event, ReplyText):
                end_s = next(ends) / 10
                yield ReplyAudio(WORD)
                yield WordSpoken(event.delta.strip(), end_s - 0.1, end_s)

        return speak

    return transduce(machine)


def alarm(session: Session) -> Observable[Event]:
    """Rings two seconds after the client's settings have come, and hangs up."""
    received = session.received.pipe(ops.decode(session.codec), rx_ops.share())
    turns = received.pipe(ops.detect_turns(ENDPOINTING))
    settings = received.pipe(rx_ops.filter(lambda event: isinstance(event, SettingsChanged)), rx_ops.take(1))
    wanted = [SpeechRequested("Your tea is ready."), HangUpRequested(reason="the alarm has rung")]
    rings = settings.pipe(rx_ops.delay(2), rx_ops.flat_map(lambda _: reactivex.from_iterable(wanted)))

    def llm(_: Conversation) -> Observable[str | Event]:
        return reactivex.just("Hi!")

    spoken = merge(turns, rings).pipe(ops.respond(ops.replying(llm, tts, PLAYBACK), INTERRUPTION))
    return merge(received, spoken).pipe(ops.encode(session.codec))


HANDSHAKES: dict[str, Any] = {"ga": {}, "beta": {"headers": {"OpenAI-Beta": "realtime=v1"}}}


@pytest.mark.parametrize("dialect", HANDSHAKES)
async def test_a_client_is_told_a_text_and_hung_up_on(serve: Any, dialect: str) -> None:
    """With a whole response, and then a close that says why."""
    async with serve(alarm) as served, served.connect(protocols=(), **HANDSHAKES[dialect]) as client:
        began = await client.event("response.created")
        assert began["response"]["status"] == "in_progress"
        done = await client.event("response.done")
        (item,) = done["response"]["output"]
        assert (done["response"]["status"], item["content"][0]["transcript"]) == ("completed", "Your tea is ready.")
        assert await client.end() == (1000, "the alarm has rung")
