"""A conversation on engines of every mixture, in virtual time: services on real sockets, the default pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import pytest

from voicepipe.engine.build import ComposedEngine, build_engine
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import (
    AudioReceived,
    Event,
    ReplyDelayed,
    ReplyEnded,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnEnded,
    TurnMeasured,
)
from voicepipe.loader import load_pipeline
from voicepipe.presets import FILLER
from voicepipe.realtime import sentence
from voicepipe.testing import VirtualLoop, open_session
from voicepipe.testing.servers import ByTime, Fails, LlmServer, SttServer, TtsServer

FRAME_S = 0.08
SAID = [("what", 4.0, 4.3), ("time", 4.3, 4.6), ("is", 4.6, 4.8), ("it", 4.8, 5.0)]
ANSWERS = {"Hello.": "Good morning.", "what time is it": "It is nine."}


class Services:
    """All three, and the settings that name them."""

    def __init__(self, stt: SttServer, tts: TtsServer, llm: LlmServer) -> None:
        self.stt, self.tts, self.llm = stt, tts, llm
        self.settings = EngineSettings(stt_url=stt.url, tts_url=tts.url, llm_url=llm.url)


@asynccontextmanager
async def services(*, speaks: bool = True, **llm: Any) -> AsyncIterator[Services]:
    async with AsyncExitStack() as stack:
        stt = await stack.enter_async_context(SttServer(ByTime(SAID if speaks else [])))
        tts = await stack.enter_async_context(TtsServer(api_key="public_token"))
        yield Services(stt, tts, await stack.enter_async_context(LlmServer(ANSWERS, **llm)))


async def talk(
    settings: EngineSettings,
    until_s: float = 10.0,
    voice: str | None = None,
    *,
    engine: ComposedEngine | None = None,
) -> list[Event]:
    """Return the events that a client of the default pipeline gets while it sends its microphone in real time."""
    engine = engine or build_engine(settings, max_sessions=None)
    told = SettingsChanged("Be brief.", voice=voice)
    async with open_session(load_pipeline(None), settings=told, stages=engine.stages()) as opened:
        for frame in microphone(until_s):
            opened.receive(AudioReceived(frame))
            await asyncio.sleep(FRAME_S)
            if opened.ended:
                break
    await engine.disconnect()
    engine.close()
    return [event for _, event in opened.sent if isinstance(event, Event)]


def microphone(until_s: float) -> Iterator[bytes]:
    samples = np.zeros(int(until_s * 24_000), "<i2")
    for _, start_s, stop_s in SAID:
        samples[int(start_s * 24_000) : int(stop_s * 24_000)] = 8_000
    size = int(FRAME_S * 24_000)
    return (samples[start : start + size].tobytes() for start in range(0, len(samples), size))


def of(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_a_conversation_needs_nothing_embedded(virtual_loop: VirtualLoop) -> None:
    """The bot opens, hears a question and answers it, with sound; afterwards no connection is open."""

    async def main() -> tuple[list[Event], list[dict[str, Any]]]:
        async with services() as here:
            events = await talk(here.settings)
            await asyncio.sleep(0.1)
            assert here.stt.open == here.tts.open == here.llm.open == []
            return events, here.llm.requests

    events, asked = virtual_loop.run(main())
    assert not of(events, StageFailed)
    assert [turn.text for turn in of(events, TurnEnded) if turn.text] == ["what time is it"]
    assert [reply.text for reply in of(events, ReplyEnded)] == ["Good morning.", "It is nine."]
    assert of(events, SpeechEncoded)
    assert [(request["model"], request["temperature"]) for request in asked] == [("fake", 0.7), ("fake", 0.3)]
    (measured,) = of(events, TurnMeasured)
    assert measured.total_ms < 1_200
    assert measured.parts_ms["first_token"] == pytest.approx(120, abs=1)  # of the second word: the first is whole then


def test_the_bot_speaks_with_the_voice_that_the_client_wants(virtual_loop: VirtualLoop) -> None:
    """From its first word."""

    async def main() -> list[str | None]:
        async with services() as here:
            await talk(here.settings, until_s=2, voice="there.wav")
            return [visit.query.get("voice") for visit in here.tts.visits]

    assert virtual_loop.run(main()) == ["there.wav"]


@pytest.mark.parametrize("mode", [mode for mode in Fails if mode is not Fails.ENDLESS])
def test_whatever_the_language_model_does_the_conversation_goes_on(virtual_loop: VirtualLoop, mode: Fails) -> None:
    """The opening fails, in time and with a reason, and does so once more; the next turn is answered."""

    async def main() -> list[Event]:
        async with services(dies_after=0) as here:
            settings = here.settings.model_copy(update={"llm_first_text_s": 1.0, "llm_next_text_s": 1.0})
            await here.llm.fail(mode, for_s=3.5)
            return await talk(settings)

    events = virtual_loop.run(main())
    (failed,) = of(events, StageFailed)
    assert (failed.stage, failed.fatal, failed.silent) == ("LLM", False, True)
    assert str(failed.error).startswith("The language model (LLM) at http://127.0.0.1:")
    assert [reply.text for reply in of(events, ReplyEnded)][-1] == "It is nine."


def test_a_language_model_that_never_stops_is_stopped(virtual_loop: VirtualLoop) -> None:
    """After as many pieces as an answer may have; what it said is spoken."""

    async def main() -> tuple[list[Event], list[Any]]:
        async with services(token_s=0.01) as here:
            await here.llm.fail(Fails.ENDLESS)
            settings = here.settings.model_copy(update={"llm_max_tokens": 5})
            events = await talk(settings, until_s=3.9)
            return events, here.llm.visits[-1].notes

    events, notes = virtual_loop.run(main())
    assert [reply.text for reply in of(events, ReplyEnded)] == ["Good morning. Good morning. Good"]
    assert notes[-1] == "cancelled"


# ---- a slow, a cold and an odd language model ------------------------------------------------------------------------


def spoken(events: list[Event]) -> list[str]:
    return [reply.text for reply in of(events, ReplyEnded)]


def test_a_model_that_reasons_for_long_is_spoken_for(virtual_loop: VirtualLoop) -> None:
    """By fillers, while its one request goes on; its answer follows in the same reply."""

    async def main() -> tuple[list[Event], int]:
        async with services(speaks=False, first_token_s=20.0) as here:
            events = await talk(here.settings, until_s=26)
            return events, len(here.llm.requests)

    events, asked = virtual_loop.run(main())
    assert not of(events, StageFailed)
    assert [delayed.after_s for delayed in of(events, ReplyDelayed)] == [2, 10, 18]
    assert spoken(events)[0] == " ".join([*FILLER.texts, "Good morning."])
    assert asked == 1


def test_the_setting_ends_a_model_that_takes_too_long(virtual_loop: VirtualLoop) -> None:
    """The user has heard fillers, and no answer: this is an error."""

    async def main() -> list[Event]:
        async with services(speaks=False, first_token_s=60.0) as here:
            settings = here.settings.model_copy(update={"llm_first_text_s": 7.0})
            return await talk(settings, until_s=12)

    (failed,) = of(virtual_loop.run(main()), StageFailed)
    assert (str(failed.error).rpartition(": ")[2], failed.silent) == ("no text within 7 s", True)


def test_a_cold_model_is_loaded_when_the_server_starts(virtual_loop: VirtualLoop) -> None:
    """Before anybody speaks; and it is left alone where it was used lately."""

    async def main() -> tuple[bool, list[Event], list[int | None]]:
        async with services(speaks=False, load_s=15.0) as here:
            engine = build_engine(here.settings, max_sessions=None)
            engine.warm()
            await asyncio.sleep(16)
            loaded = here.llm.loaded
            events = await talk(here.settings, engine=engine, until_s=4)
            return loaded, events, [request["max_tokens"] for request in here.llm.requests]

    loaded, events, asked = virtual_loop.run(main())
    assert loaded
    assert spoken(events) == ["Good morning."]
    assert asked == [1, 600]


def test_a_cold_model_is_loaded_when_a_session_opens(virtual_loop: VirtualLoop) -> None:
    """After a while without an answer; a user that is quick hears a filler, and the model is loaded once."""

    async def main() -> tuple[list[Event], list[int | None]]:
        async with services(speaks=False) as here:
            engine = build_engine(here.settings, max_sessions=None)
            engine.warm()
            await asyncio.sleep(300)
            here.llm.loaded, here.llm.load_s = False, 5.0
            events = await talk(here.settings, engine=engine, until_s=9)
            return events, [request["max_tokens"] for request in here.llm.requests]

    events, asked = virtual_loop.run(main())
    assert spoken(events) == [f"{FILLER.texts[0]} Good morning."]
    assert sorted(asked) == [1, 1, 600]


def test_a_model_that_cannot_be_warmed_does_not_stop_the_server(virtual_loop: VirtualLoop) -> None:
    """It is told in the log; clients are served all the same, and hear why."""

    async def main() -> list[Event]:
        async with services(speaks=False) as here:
            await here.llm.fail(Fails.BROKEN, for_s=10)
            engine = build_engine(here.settings, max_sessions=None)
            engine.warm()
            await asyncio.sleep(11)
            return await talk(here.settings, engine=engine, until_s=4)

    assert spoken(virtual_loop.run(main())) == ["Good morning."]


@pytest.mark.parametrize("quirk", ["empty", "only-spaces", "filtered-at-once", "error-in-choice", "only-reasoning"])
def test_a_reply_without_an_answer_is_never_silently_complete(virtual_loop: VirtualLoop, quirk: str) -> None:
    """Its failure says the reason, in a sentence for the user."""

    async def main() -> list[Event]:
        async with services(speaks=False, quirk=quirk) as here:
            return await talk(here.settings, until_s=7)

    (failed,) = of(virtual_loop.run(main()), StageFailed)
    assert sentence(failed).startswith("The language model (LLM) ")
    assert str(failed.error).partition("language model (LLM) at")[2]


def test_a_refusal_is_spoken(virtual_loop: VirtualLoop) -> None:
    """And the event has the reason."""

    async def main() -> list[Event]:
        async with services(speaks=False, quirk="refusal") as here:
            return await talk(here.settings, until_s=7)

    events = virtual_loop.run(main())
    assert spoken(events)[0] == "I cannot help with that."
    assert [failed.silent for failed in of(events, StageFailed)] == [False]
