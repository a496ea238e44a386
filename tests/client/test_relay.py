"""Another server of conversations as one stage: a scripted server on real sockets, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pytest
from reactivex import Observable

from voicepipe import operators as ops
from voicepipe.audio import Pcm16
from voicepipe.client import relay
from voicepipe.conversation import Function, FunctionCall, Generation, ItemId
from voicepipe.events import (
    AudioReceived,
    ConversationEnded,
    Event,
    FunctionCalled,
    FunctionReturned,
    InputCommitted,
    ItemCreated,
    Overflowed,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    SpeechEncoded,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    TurnTaking,
    Warned,
    WordSpoken,
)
from voicepipe.realtime.ga.dialect import Ga
from voicepipe.services import ServiceError
from voicepipe.session import Session, SessionRunner, Stages
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import Fails, RealtimeServer, RealtimeSession

E = TypeVar("E", bound=Event)
FRAME = AudioReceived(bytes(960))


@dataclass
class Talk:
    """One session of a relaying pipeline: what it emitted, and when."""

    loop: VirtualLoop
    events: list[tuple[float, Event]] = field(default_factory=list)
    sessions: list[RealtimeSession] = field(default_factory=list)
    ended: Exception | None = None

    def run(
        self,
        script: Callable[[RealtimeSession], Awaitable[object]],
        until_s: float,
        *functions: Any,
        client: Callable[[SessionRunner, RealtimeServer], Awaitable[object]] | None = None,
        **options: Any,
    ) -> None:
        """Speak for so long; `client` does what the pipeline's client does beside that."""
        self.loop.run(self._talk(script, until_s, functions, client, {"resumable": False, **options}))

    async def _talk(self, script: Any, until_s: float, functions: Any, client: Any, options: Any) -> None:
        async with RealtimeServer(script) as server:

            def pipeline(session: Session) -> Observable[Event]:
                led = relay(server.url, *functions, **options)
                return session.received.pipe(ops.decode(session.codec), led, ops.encode(session.codec))

            nothing: dict[str, Any] = dict.fromkeys(("vad", "end_of_turn", "stt", "llm", "tts"))
            runner = SessionRunner(
                pipeline, session_id="s", codec=Pcm16(), stages=Stages(**nothing), emit=self._emitted
            )
            self.sessions, acting = server.sessions, asyncio.ensure_future(self._act(client, runner, server))
            while self.loop.time() < until_s and not runner.ended.done():
                runner.receive(FRAME)
                await asyncio.sleep(0.02)
            self.ended = runner.ended.result() if runner.ended.done() else None
            await runner.close(2)
            acting.cancel()
            await asyncio.wait([acting])
            if not acting.cancelled() and (error := acting.exception()):
                raise error
            assert not runner.scheduler.tasks

    async def _act(self, client: Any, runner: SessionRunner, server: RealtimeServer) -> None:
        if client is not None:
            await client(runner, server)

    def _emitted(self, event: Event) -> None:
        self.events.append((self.loop.time(), event))

    def of(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def times(self, kind: type[Event]) -> list[float]:
        return [at_s for at_s, event in self.events if isinstance(event, kind)]

    def kinds(self, *kinds: type[Event]) -> list[str]:
        return [type(event).__name__ for _, event in self.events if isinstance(event, kinds)]


@pytest.fixture
def talk(virtual_loop: VirtualLoop) -> Talk:
    return Talk(virtual_loop)


async def one_answer(session: RealtimeSession) -> None:
    """Answers a question as OpenAI does: fast, with the transcript of the question behind the start of the answer."""
    await asyncio.sleep(1)
    item = await session.user_starts(200)
    await asyncio.sleep(1)
    await session.user_stops(item, 900)
    await session.reply("It is noon and the sun shines.", 2.0)
    await session.transcribe(item, "What time is it?")


def test_a_question_is_answered_at_the_pace_of_speech(talk: Talk) -> None:
    """Two seconds of sound take two seconds, though they come at once; each word comes when it is heard."""
    talk.run(one_answer, 6)
    assert talk.kinds(TurnStarted, TurnConfirmed, TurnEnded, ReplyStarted, ReplyEnded) == [
        "TurnStarted", "TurnConfirmed", "TurnEnded", "ReplyStarted", "TurnEnded", "ReplyEnded",
    ]  # fmt: skip
    assert talk.of(TurnStarted)[0].at_s == 0.2
    assert [turn.text for turn in talk.of(TurnEnded)] == ["", "What time is it?"]
    (ended,) = talk.of(ReplyEnded)
    assert [(one.role, one.text) for one in ended.conversation.messages] == [
        ("user", "What time is it?"),
        ("assistant", "It is noon and the sun shines."),
    ]
    began_s = talk.times(ReplyStarted)[0]
    assert talk.times(ReplyEnded)[0] == pytest.approx(began_s + 2, abs=0.05)
    assert sum(event.duration_ms for event in talk.of(SpeechEncoded)) == pytest.approx(2000)
    words = talk.times(WordSpoken)
    assert words == sorted(words)
    assert words[-1] - words[0] == pytest.approx(1.6, abs=0.3)


def test_the_users_sound_and_the_settings_reach_the_server(talk: Talk) -> None:
    """PCM16 at 24 kHz, from the first frame on; captions are asked for."""
    talk.run(one_answer, 3, session={"instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}})
    (session,) = talk.sessions
    assert len(session.heard) == pytest.approx(3 * 48_000, abs=4 * 960)
    assert session.settings["instructions"] == "Be brief."
    assert session.settings["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin"}
    assert session.settings["audio"]["input"]["transcription"] == {"model": "gpt-4o-mini-transcribe"}


async def interrupted(session: RealtimeSession) -> None:
    """The user speaks over a reply of three seconds, 1 s behind its start."""
    await session.reply("One two three four five six seven eight nine ten.", 3.0)
    await asyncio.sleep(1)
    item = await session.user_starts(1000)
    await asyncio.sleep(0.5)
    await session.user_stops(item, 1400)
    await session.transcribe(item, "Stop!")


def test_a_barge_in_cuts_the_reply_and_tells_what_was_heard(talk: Talk) -> None:
    """In the moment of `speech_started`; the server is told the milliseconds, and no sound comes any more."""
    talk.run(interrupted, 4)
    (cut,) = talk.of(ReplyInterrupted)
    assert cut.heard_text
    assert "One two three four five six seven eight nine ten.".startswith(cut.heard_text)
    assert talk.times(ReplyInterrupted) == talk.times(TurnConfirmed)
    assert max(talk.times(SpeechEncoded)) <= talk.times(ReplyInterrupted)[0]
    (truncated,) = [one for one in talk.sessions[0].received if one["type"] == "conversation.item.truncate"]
    assert truncated["audio_end_ms"] == pytest.approx(1000, abs=30)
    assert not talk.of(ReplyEnded)
    assert [one.text for one in talk.of(TurnEnded)] == ["", "Stop!"]


def test_a_server_that_does_not_interrupt_is_heard_out(talk: Talk) -> None:
    """Its settings say so: the reply goes on over the user's voice."""
    detection = {"type": "server_vad", "interrupt_response": False}
    talk.run(interrupted, 5, session={"audio": {"input": {"turn_detection": detection}}})
    assert not talk.of(ReplyInterrupted)
    assert len(talk.of(ReplyEnded)) == 1


def test_a_clients_messages_tell_the_turn_in_order(talk: Talk) -> None:
    """As a client of the GA form gets them: the transcript comes behind the item, the reply does not wait for it."""
    talk.run(one_answer, 6)
    dialect, told = Ga(), []
    for _, event in talk.events:
        told += [message["type"] for message in dialect.encode(event)]
    seen = [kind for kind in dict.fromkeys(told) if "delta" not in kind]
    assert seen[:6] == [
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
        "conversation.item.added", "conversation.item.done", "response.created",
    ]  # fmt: skip
    assert "conversation.item.input_audio_transcription.completed" in seen
    assert seen[-2:] == ["response.done", "rate_limits.updated"]
    assert told.count("input_audio_buffer.committed") == 1


# ---- functions -------------------------------------------------------------------------------------------------------


def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


async def slow_weather(city: str) -> str:
    """The weather in a city."""
    await asyncio.sleep(1)
    return f"sunny in {city}"


async def asks_for_the_weather(session: RealtimeSession) -> None:
    """Calls a function, and answers with what it gives."""
    await session.expect("session.update")
    await session.call(session.settings["tools"][0]["name"], '{"city": "Paris"}')
    result = await session.expect("conversation.item.create")
    await session.expect("response.create")
    await session.reply(f"It is {result['item']['output']}.", 0.5)


@pytest.mark.parametrize("function", [weather, slow_weather])
def test_a_function_of_the_pipeline_is_run_and_the_reply_goes_on(talk: Talk, function: Any) -> None:
    """One reply, whether the result is there before or after the end of the response that called it."""
    talk.run(asks_for_the_weather, 5, function)
    (called,) = talk.of(FunctionCalled)
    assert called.server_side
    assert [one.output for one in talk.of(FunctionReturned)] == ["sunny in Paris"]
    assert len(talk.of(ReplyStarted)) == 1
    assert [one.text for one in talk.of(ReplyEnded)] == ["It is sunny in Paris."]


def test_a_function_goes_on_after_a_barge_in(talk: Talk) -> None:
    """Its result is told to the server, which answers the user's turn first."""

    async def script(session: RealtimeSession) -> None:
        await session.call("slow_weather", '{"city": "Paris"}')
        item = await session.user_starts(100)
        await session.user_stops(item, 300)

    talk.run(script, 3, slow_weather)
    assert len(talk.of(ReplyInterrupted)) == 1
    assert len(talk.of(FunctionReturned)) == 1
    kinds = [one["type"] for one in talk.sessions[0].received]
    assert "conversation.item.create" in kinds
    assert "response.create" not in kinds


def test_a_function_of_the_client_is_the_clients(talk: Talk) -> None:
    """It is offered beside the pipeline's own, its call leaves the graph, and its result is passed on."""

    async def script(session: RealtimeSession) -> None:
        await session.expect("session.update")
        while len(session.settings.get("tools", ())) < 2:
            await session.expect("session.update")
        await session.call("lamp", "{}")
        result = await session.expect("conversation.item.create")
        await session.expect("response.create")
        await session.reply(result["item"]["output"], 0.2)

    async def client(runner: SessionRunner, _: RealtimeServer) -> None:
        lamp = Function("lamp", "Switch the lamp on.", {"type": "object", "properties": {}})
        runner.receive(SettingsChanged(generation=Generation((lamp,)), turns=TurnTaking()))
        await asyncio.sleep(1)
        (called,) = talk.of(FunctionCalled)
        assert not called.server_side
        runner.receive(ItemCreated(ItemId("result"), "tool", "It is on.", call=FunctionCall(called.call.id, "")))
        runner.receive(ReplyRequested(ItemId("wanted")))

    talk.run(script, 4, weather, client=client)
    assert [one["name"] for one in talk.sessions[0].settings["tools"]] == ["weather", "lamp"]
    assert [one.item for one in talk.of(ReplyStarted)] == ["reply1", "wanted"]
    assert talk.of(ReplyEnded)[-1].text == "It is on."


# ---- the client's requests -------------------------------------------------------------------------------------------


def test_the_clients_requests_are_passed_on(talk: Talk) -> None:
    """Settings, where the pipeline's own win; items; commits; a reply, and its end."""

    async def client(runner: SessionRunner, _: RealtimeServer) -> None:
        await asyncio.sleep(0.5)
        runner.receive(SettingsChanged("Be rude.", turns=TurnTaking(by="client"), aloud=False))
        runner.receive(ItemCreated(ItemId("hello"), "user", "Hello!"))
        runner.receive(InputCommitted(ItemId("spoken")))
        runner.receive(ReplyRequested(ItemId("wanted"), system_prompt="In French."))
        runner.receive(ReplyCancelled())

    async def script(session: RealtimeSession) -> None:
        await session.expect("input_audio_buffer.commit")
        await session.send("input_audio_buffer.committed", item_id="item_77", previous_item_id=None)
        await session.transcribe("item_77", "What I said.")

    talk.run(script, 2, client=client, session={"instructions": "Be kind."})
    update, item, commit, reply, cancel = talk.sessions[0].received[1:]
    assert update["session"] == {
        "type": "realtime",
        "instructions": "Be kind.",
        "output_modalities": ["text"],
        "audio": {"input": {"turn_detection": None}},
    }
    text = [{"type": "input_text", "text": "Hello!"}]
    assert item["item"] == {"id": "hello", "type": "message", "role": "user", "content": text}
    assert commit["type"] == "input_audio_buffer.commit"
    assert reply["response"] == {"instructions": "In French."}
    assert cancel["type"] == "response.cancel"
    assert talk.of(TurnEnded) == [TurnEnded("What I said.", talk.of(TurnEnded)[0].at_s, ItemId("spoken"), True)]


def test_a_client_that_does_not_lead_is_greeted(talk: Talk) -> None:
    """As a pipeline's own model would: Unmute's clients wait for it."""

    async def client(runner: SessionRunner, _: RealtimeServer) -> None:
        runner.receive(SettingsChanged("You are a shop."))
        runner.receive(SettingsChanged("You are a shoe shop."))

    async def script(session: RealtimeSession) -> None:
        await session.expect("response.create")
        await session.reply("Hello!", 0.3)

    talk.run(script, 2, client=client)
    assert [one.text for one in talk.of(ReplyEnded)] == ["Hello!"]
    assert [one["type"] for one in talk.sessions[0].received].count("response.create") == 1


def test_a_response_waits_for_the_one_that_is_being_heard(talk: Talk) -> None:
    """A fast server begins the next one before the first has been played: neither is lost, and they do not overlap."""

    async def script(session: RealtimeSession) -> None:
        await session.reply("One.", 1.0)
        await session.reply("Two.", 1.0)

    talk.run(script, 4)
    assert [one.text for one in talk.of(ReplyEnded)] == ["One.", "Two."]
    first, second = talk.times(ReplyEnded)
    assert second - first == pytest.approx(1.0, abs=0.05)


# ---- failures --------------------------------------------------------------------------------------------------------


def test_a_response_that_fails_ends_the_turn_alone(talk: Talk) -> None:
    """With the server's words for the operator, and a sentence for the user."""

    async def script(session: RealtimeSession) -> None:
        response, item = await session.begin()
        await session.end(response, item, "failed", type="failed", error={"message": "The model is overloaded."})
        await session.reply("Now it works.", 0.2)

    talk.run(script, 2)
    (failed,) = talk.of(StageFailed)
    assert isinstance(failed.error, ServiceError)
    assert failed.error.user_message == "The realtime server could not answer."
    assert failed.error.detail == "The model is overloaded."
    assert failed.silent
    assert not failed.fatal
    assert [one.text for one in talk.of(ReplyEnded)] == ["", "Now it works."]


async def lies(session: RealtimeSession, sound: str, count: int) -> None:
    """Sends sound that is none, or that has no end, and then answers."""
    response, _ = await session.begin()
    for _ in range(count):
        await session.send("response.output_audio.delta", response_id=response, delta=sound)
    await session.reply("Now it works.", 0.2)


@pytest.mark.parametrize(
    ("sound", "count", "outcome"),
    [
        ("A", 1, "sent sound that cannot be read"),
        ("AAAA" * 1_000_000, 11, "sent sound without an end"),
    ],
    ids=["no base64", "no end"],
)
def test_sound_that_lies_ends_the_reply_alone(talk: Talk, sound: str, count: int, outcome: str) -> None:
    """Eleven pieces of a minute are more than is ever ahead: they would fill the memory."""
    talk.run(lambda session: lies(session, sound, count), 3)
    (failed,) = talk.of(StageFailed)
    assert isinstance(failed.error, ServiceError)
    assert failed.error.outcome == outcome
    assert [one.text for one in talk.of(ReplyEnded)] == ["", "Now it works."]
    assert talk.ended is None


def test_a_function_call_without_a_name_or_with_none_as_arguments_is_told(talk: Talk) -> None:
    """It would never be answered; the conversation goes on."""

    async def script(session: RealtimeSession) -> None:
        for call in ({}, {"call_id": "c", "name": "weather", "arguments": None}):
            response, _ = await session.begin()
            await session.end(response, {"type": "function_call", **call})
        await session.reply("Now it works.", 0.2)

    talk.run(script, 3, weather)
    assert len(talk.of(Warned)) == 2
    assert talk.of(ReplyEnded)[-1].text == "Now it works."


def test_a_time_that_is_no_number_ends_the_session_with_its_reason(talk: Talk) -> None:
    """Nothing behind the stage could write it as JSON."""

    async def script(session: RealtimeSession) -> None:
        await session.send("input_audio_buffer.speech_started", audio_start_ms=float("nan"), item_id="i")

    talk.run(script, 3)
    assert "no event of the Realtime API" in str(talk.ended)
    assert not talk.of(TurnStarted)


def test_a_lost_connection_is_told_and_a_question_is_asked_again(talk: Talk) -> None:
    """The new session knows the question; the answer that was lost before its first word comes then."""

    async def script(session: RealtimeSession) -> None:
        if len(talk.sessions) == 1:
            item = await session.user_starts(100)
            await session.user_stops(item, 300)
            await session.transcribe(item, "What time is it?")
            await session.begin()
            return
        await session.expect("response.create")
        await session.reply("It is noon.", 0.3)

    async def client(_: SessionRunner, server: RealtimeServer) -> None:
        await asyncio.sleep(1)
        await server.fail(Fails.DOWN, for_s=1)

    talk.run(script, 6, client=client)
    assert [one.service_lost for one in talk.of(Warned)] == [True]
    (failed,) = talk.of(StageFailed)
    assert not failed.fatal
    assert [one.text for one in talk.of(ReplyEnded)] == ["", "It is noon."]
    told = talk.sessions[1].received
    assert told[1]["item"]["content"] == [{"type": "input_text", "text": "What time is it?"}]
    assert len([one for one in told if one["type"] == "response.create"]) == 1


def test_a_server_that_is_not_there_ends_the_session(talk: Talk) -> None:
    """With a fatal failure that names it; what the user said meanwhile is counted."""

    async def client(_: SessionRunner, server: RealtimeServer) -> None:
        await asyncio.sleep(1)
        await server.fail(Fails.DOWN)

    talk.run(one_answer, 400, client=client)
    (failed,) = [one for one in talk.of(StageFailed) if one.fatal]
    assert isinstance(talk.ended, ServiceError)
    assert failed.error.args[0].startswith("The realtime server ended the conversation (no connection for 180 s")
    assert sum(one.lost_ms for one in talk.of(Overflowed)) > 100_000


def test_a_server_that_hangs_up_ends_the_conversation(talk: Talk) -> None:
    """In order."""

    async def script(session: RealtimeSession) -> None:
        await session.reply("Bye!", 0.1)
        await asyncio.sleep(1)
        await session.close()

    talk.run(script, 5)
    assert [one.reason for one in talk.of(ConversationEnded)] == ["the realtime server hung up"]
    assert talk.ended is None


def test_leaving_closes_the_connection_in_order(talk: Talk) -> None:
    """In the middle of a reply, too: nothing stays behind."""
    talk.run(interrupted, 0.5)
    assert talk.sessions[0].closed == 1000
    assert np.isclose(talk.loop.time(), 0.5, atol=0.3)
