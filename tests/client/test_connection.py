"""The client of the Realtime API, against a scripted server on real sockets in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
import structlog

from voicepipe.client import CannotConnect, ConversationLost, RealtimeConnection, connect, events
from voicepipe.client.presets import REALTIME
from voicepipe.realtime.ga import client_events
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import Fails, RealtimeServer, RealtimeSession

Use = Callable[[RealtimeConnection, RealtimeServer], Awaitable[Any]]


async def idle(session: RealtimeSession) -> None:
    """Says nothing."""
    del session


def talk(loop: VirtualLoop, use: Use, script: Any = idle, **options: Any) -> tuple[RealtimeServer, Any]:
    """Have a conversation with a server; return the server, and what `use` returned."""

    async def main() -> tuple[RealtimeServer, Any]:
        with_key = {"key": "sk-secret", "resumable": False, **options}
        async with (
            RealtimeServer(script, api_key="sk-secret") as server,
            connect(server.url, **with_key) as conversation,
        ):
            return server, await use(conversation, server)

    return loop.run(main())


async def drain(conversation: RealtimeConnection, seen: list[str] | None = None) -> None:
    """Read to the end."""
    async for event in conversation:
        (seen if seen is not None else []).append(event.type)


async def until(conversation: RealtimeConnection, kind: type[events.ServerEvent]) -> Any:
    """Return the next event of this type."""
    async for event in conversation:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the conversation ended before any {kind.__name__}")


def test_a_question_in_text_is_answered(virtual_loop: VirtualLoop) -> None:
    """The settings come first; the events of the answer are typed, and have the whole message in `raw`."""

    async def script(session: RealtimeSession) -> None:
        await session.expect("response.create")
        await session.reply("It is noon.", 0.3)

    async def use(conversation: RealtimeConnection, _: RealtimeServer) -> list[Any]:
        await conversation.say("What time is it?")
        await conversation.respond(instructions="Be brief.")
        seen: list[Any] = []
        async for event in conversation:
            seen.append(event)
            if isinstance(event, events.ResponseDone):
                return seen
        raise AssertionError

    server, seen = talk(virtual_loop, use, script, model="gpt-realtime", session={"instructions": "Hm."})
    assert "".join(event.delta for event in seen if isinstance(event, events.TranscriptDelta)) == "It is noon."
    assert sum(len(event.data) for event in seen if isinstance(event, events.AudioDelta)) == 0.3 * 24_000 * 2
    assert isinstance(seen[0], events.SessionCreated)
    assert seen[-1].raw["response"]["conversation_id"] == "conv_1"
    (session,) = server.sessions
    assert session.visit.query == {"model": "gpt-realtime"}
    assert session.visit.headers["Authorization"] == "Bearer sk-secret"
    assert session.received[0] == {"type": "session.update", "session": {"type": "realtime", "instructions": "Hm."}}
    assert session.received[-1] == {"type": "response.create", "response": {"instructions": "Be brief."}}
    assert session.closed == 1000


def test_sound_is_sent_as_pcm16(virtual_loop: VirtualLoop) -> None:
    """Samples, and bytes as they are."""

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> bytes:
        await conversation.send_audio(np.full(240, 0.5, np.float32))
        await conversation.send_audio(b"\x00\x40" * 240)
        await conversation.send(client_events.BufferCommit(type="input_audio_buffer.commit"))
        await server.sessions[0].expect("input_audio_buffer.commit")
        return bytes(server.sessions[0].heard)

    _, heard = talk(virtual_loop, use)
    assert np.abs(np.frombuffer(heard, "<i2") - 16_384).max() <= 1
    assert len(heard) == 960


def test_an_unknown_event_is_passed_on(virtual_loop: VirtualLoop) -> None:
    """With its type and the whole message: servers add types."""

    async def script(session: RealtimeSession) -> None:
        await session.send("response.smell.delta", delta="lilac")

    async def use(conversation: RealtimeConnection, _: RealtimeServer) -> Any:
        async for event in conversation:
            if event.type == "response.smell.delta":
                return event
        raise AssertionError

    _, event = talk(virtual_loop, use, script)
    assert event.raw["delta"] == "lilac"


@pytest.mark.parametrize(
    ("code", "message"),
    [(1011, "the server failed: no model"), (1009, "a second at most: no model"), (4000, "with code 4000: no model")],
)
def test_an_end_out_of_order_is_raised(virtual_loop: VirtualLoop, code: int, message: str) -> None:
    """With the server's reason, after all events before it; again at each further reading and sending."""

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> None:
        await until(conversation, events.SessionUpdated)
        await server.sessions[0].close(code, "no model")
        seen: list[str] = []
        with pytest.raises(ConversationLost, match=message) as raised:
            await drain(conversation, seen)
        assert raised.value.code == code
        assert seen == []
        with pytest.raises(ConversationLost, match=message):
            await anext(conversation)
        with pytest.raises(ConversationLost, match=message):
            await conversation.say("Hello?")

    talk(virtual_loop, use)


def test_an_end_in_order_ends_the_iteration(virtual_loop: VirtualLoop) -> None:
    """When the server hangs up, and when this side closes."""

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> list[str]:
        await server.sessions[0].send("test.last")
        await server.sessions[0].close()
        return [event.type async for event in conversation]

    async def leave(conversation: RealtimeConnection, _: RealtimeServer) -> list[str]:
        await until(conversation, events.SessionUpdated)
        await conversation.close()
        return [event.type async for event in conversation]

    assert talk(virtual_loop, use)[1][-1] == "test.last"
    assert talk(virtual_loop, leave)[1] == []


@pytest.mark.parametrize("text", ["no JSON", '{"type": 1}', '{"type": "response.created", "response": {}}'])
def test_what_is_no_event_ends_the_conversation(virtual_loop: VirtualLoop, text: str) -> None:
    """The error repeats it, or names the field that is missing."""

    async def script(session: RealtimeSession) -> None:
        await session._socket.send_str(text)

    async def use(conversation: RealtimeConnection, _: RealtimeServer) -> None:
        with pytest.raises(ConversationLost, match=r"no event of the Realtime API|response.created: 'response.id'"):
            await drain(conversation)

    talk(virtual_loop, use, script)


def test_headers_of_the_program_are_sent_with_the_key(virtual_loop: VirtualLoop) -> None:
    """And the parameters of the address."""

    async def main() -> None:
        async with RealtimeServer(idle, api_key="sk-one") as server:
            async with connect(f"{server.url}?lang=fr", key="sk-one", headers={"X-Shop": "7"}):
                pass
            (visit,) = server.visits
            assert (visit.headers["X-Shop"], visit.query["lang"]) == ("7", "fr")

    virtual_loop.run(main())


def test_a_refusal_says_why_and_never_the_key(virtual_loop: VirtualLoop) -> None:
    """A wrong key, and a full server; nothing of the key is logged."""

    async def main() -> None:
        async with RealtimeServer(idle, api_key="sk-secret") as server:
            with pytest.raises(CannotConnect, match="told to answer 401") as raised:
                async with connect(server.url, key="sk-wrong-key"):
                    pass
            assert raised.value.status == 401
            await server.fail(Fails.FULL)
            with pytest.raises(CannotConnect, match="told to answer"):
                async with connect(server.url, key="sk-secret"):
                    pass
        with pytest.raises(CannotConnect, match="no server answers"):
            async with connect(server.url, key="sk-secret"):
                pass

    with structlog.testing.capture_logs() as logs:
        virtual_loop.run(main())
    assert "sk-" not in str(logs)


# ---- a connection that breaks ----------------------------------------------------------------------------------------


def test_a_new_session_knows_the_conversation(virtual_loop: VirtualLoop) -> None:
    """Settings, what was said by both, calls and results, in their order; of a cut reply what was heard."""

    async def script(session: RealtimeSession) -> None:
        if session.visit.query or len(server_of[0].sessions) > 1:
            return
        item = await session.user_starts()
        await session.user_stops(item)
        reply = await session.reply("It is noon and sunny.", 1.0)
        await session.transcribe(item, "What time is it?")
        await session.send("test.reply", item_id=reply)

    server_of: list[RealtimeServer] = []

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> list[Any]:
        server_of.append(server)
        async for event in conversation:
            if event.type == "test.reply":
                await conversation.truncate(event.raw["item_id"], 300, heard_text="It is")
                break
        await conversation.update(instructions="Be kind.")
        await conversation.say("And now?")
        await server.sessions[0].expect("conversation.item.create")
        server.cut(server.sessions[0].visit)
        lost = await until(conversation, events.Disconnected)
        back = await until(conversation, events.Reconnected)
        await conversation.respond()
        await server.sessions[1].expect("response.create")
        return [lost, back]

    async def main() -> tuple[RealtimeServer, list[Any]]:
        async with RealtimeServer(script) as server:
            server_of.append(server)
            async with connect(server.url, resumable=False, session={"instructions": "Hm."}) as conversation:
                return server, await use(conversation, server)

    server, (lost, back) = virtual_loop.run(main())
    assert lost.reason == "the connection broke"
    assert not back.resumed
    update, *items, asked = server.sessions[1].received
    assert update["session"] == {"type": "realtime", "instructions": "Be kind."}
    said = [(item["item"]["role"], item["item"]["content"][0]) for item in items]
    assert said == [
        ("user", {"type": "input_text", "text": "What time is it?"}),
        ("assistant", {"type": "output_text", "text": "It is"}),
        ("user", {"type": "input_text", "text": "And now?"}),
    ]
    assert asked["type"] == "response.create"


def test_what_is_sent_meanwhile_waits_and_old_sound_is_counted(virtual_loop: VirtualLoop) -> None:
    """Of 8 s of sound 5 are kept; a message is sent once, when the server is back."""

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> float:
        await until(conversation, events.SessionUpdated)
        await server.fail(Fails.DOWN, for_s=3)
        await until(conversation, events.Disconnected)
        for _ in range(8):
            await conversation.send_audio(np.zeros(24_000, np.float32))
        saying = asyncio.create_task(conversation.say("Are you there?"))
        await until(conversation, events.Reconnected)
        await saying
        await conversation.respond()
        await server.sessions[1].expect("response.create")
        return conversation.lost_ms

    server, lost_ms = talk(virtual_loop, use)
    assert lost_ms == 3000
    assert len(server.sessions[1].heard) == 5 * 48_000
    assert [one["type"] for one in server.sessions[1].received] == [
        "session.update", "conversation.item.create", "response.create",
    ]  # fmt: skip


def test_a_server_that_stays_away_ends_the_conversation(virtual_loop: VirtualLoop) -> None:
    """After `back_within_s`, with the last reason; what waits to be sent is told, too."""

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> float:
        loop = asyncio.get_running_loop()
        await server.fail(Fails.DOWN)
        await until(conversation, events.Disconnected)
        saying = asyncio.create_task(conversation.say("Are you there?"))
        with pytest.raises(ConversationLost, match=r"no connection for 180 s; the last attempt: no server answers"):
            await drain(conversation)
        with pytest.raises(ConversationLost):
            await saying
        return loop.time()

    assert talk(virtual_loop, use)[1] == pytest.approx(180, abs=9)


def test_a_refused_return_ends_at_once(virtual_loop: VirtualLoop) -> None:
    """A key that is no longer valid will not be valid in a minute."""

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> None:
        await until(conversation, events.SessionUpdated)
        server.api_key = "sk-another"
        server.cut(server.sessions[0].visit)
        with pytest.raises(ConversationLost, match=r"cannot go on: .*told to answer 401"):
            await drain(conversation)

    talk(virtual_loop, use)


def test_a_session_that_has_expired_goes_on_in_another(virtual_loop: VirtualLoop) -> None:
    """The servers limit its length: OpenAI's to an hour."""

    async def script(session: RealtimeSession) -> None:
        if session.visit.notes:
            return
        error = {"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes are over."}
        await session.send("error", error=error)
        await session.close(1001)

    async def use(conversation: RealtimeConnection, server: RealtimeServer) -> str:
        lost = await until(conversation, events.Disconnected)
        server.script = idle
        await until(conversation, events.Reconnected)
        return lost.reason

    assert talk(virtual_loop, use, script)[1] == "the session has lasted as long as it may"


def test_a_reader_that_waits_makes_the_server_wait(virtual_loop: VirtualLoop) -> None:
    """No more than `waiting_events` wait here; each is read in the end, in order."""

    async def script(session: RealtimeSession) -> None:
        for number in range(1000):
            await session.send("test.number", number=number, filler="x" * 2000)

    async def use(conversation: RealtimeConnection, _: RealtimeServer) -> list[int]:
        await asyncio.sleep(5)
        assert conversation._events.qsize() == REALTIME.waiting_events
        numbers: list[int] = []
        async for event in conversation:
            if event.type == "test.number":
                numbers.append(event.raw["number"])
            if len(numbers) == 1000:
                return numbers
        raise AssertionError

    assert talk(virtual_loop, use, script)[1] == list(range(1000))


def test_cancelling_leaves_nothing_behind(virtual_loop: VirtualLoop) -> None:
    """Neither a task nor a connection, wherever it is cancelled."""

    async def main() -> None:
        async with RealtimeServer(idle) as server:
            for after_s in (0.0, 0.001, 0.01, 1.0):

                async def stay() -> None:
                    async with connect(server.url) as conversation:
                        await drain(conversation)

                staying = asyncio.create_task(stay())
                await asyncio.sleep(after_s)
                staying.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await staying
            await asyncio.sleep(1)
            assert not server.open
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert "reads a conversation" not in names

    virtual_loop.run(main())
