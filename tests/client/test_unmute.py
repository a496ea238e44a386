"""The WebSocket client: addresses, settings, refusals."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from voicepipe.client.socket import CannotConnect, websocket_url
from voicepipe.client.unmute import ClientConnection, connect, settings
from voicepipe.testing import VirtualLoop


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/v1/realtime"),
        ("http://localhost:8000/", "ws://localhost:8000/v1/realtime"),
        ("https://example.com", "wss://example.com/v1/realtime"),
        ("localhost:9000", "ws://localhost:9000/v1/realtime"),
        ("wss://example.com/a/v1/realtime?model=x", "wss://example.com/a/v1/realtime?model=x"),
        ("http://[::1]:81", "ws://[::1]:81/v1/realtime"),
    ],
)
def test_an_address_gets_the_scheme_and_the_path_of_a_conversation(given: str, meant: str):
    """HTTP becomes WebSocket, a bare host is taken as one, and a path of its own is kept."""
    assert websocket_url(given) == meant


@pytest.mark.parametrize("given", ["ftp://example.com", "http://", "", "ws://host:port"])
def test_what_is_no_address_is_told(given: str):
    """The message repeats what was given, and shows what an address looks like."""
    with pytest.raises(CannotConnect, match="is no address") as raised:
        websocket_url(given)
    assert repr(given) in str(raised.value)


@pytest.mark.parametrize(
    ("instructions", "sent"),
    [
        ("quiz_show", {"type": "quiz_show", "language": "en"}),
        ("Be brief.", {"type": "constant", "text": "Be brief.", "language": "en"}),
        ("", None),
        (None, None),
    ],
)
def test_instructions_are_a_character_of_the_servers_or_a_text(instructions: str | None, sent: object):
    """A known name stands for the server's own instructions; nothing leaves the bot silent."""
    message = settings(instructions, "marius")
    assert message["type"] == "session.update"
    wanted = {} if sent is None else {"instructions": sent}  # null would mean the default character
    assert message["session"] == {**wanted, "voice": "marius", "allow_recording": False}


@pytest.mark.parametrize(
    ("recording", "sent"),
    [
        ("off", {"allow_recording": False}),
        ("events", {"allow_recording": True}),
        ("sound", {"allow_recording": True, "allow_sound_recording": True}),
    ],
)
def test_a_client_says_what_may_be_recorded(recording: Any, sent: dict[str, bool]):
    """Unless it says so, nothing may."""
    assert settings(None, None, recording)["session"] == {"voice": None, **sent}


def test_the_settings_are_sent_first_and_the_subprotocol_is_offered(virtual_loop: VirtualLoop, bot: Any):
    """`realtime` is offered, and `session.update` comes before any sound."""

    async def main() -> None:
        async with connect(bot.url, instructions="news") as connection:
            await connection.send_audio(np.zeros(960, np.float32))

    virtual_loop.run(main())
    assert bot.protocols == ["realtime"]
    assert [message["type"] for message in bot.messages] == ["session.update", "input_audio_buffer.append"]
    assert bot.messages[0]["session"]["instructions"]["type"] == "news"


def test_sound_comes_over_as_opus(virtual_loop: VirtualLoop, bot: Any):
    """A tone of 0.4 s, sent in frames of 20 ms, is heard by the server as loud as it was."""
    tone = (0.5 * np.sin(np.arange(9600) * 0.1)).astype(np.float32)

    async def main() -> None:
        async with connect(bot.url) as connection:
            for start in range(0, len(tone), 480):
                await connection.send_audio(tone[start : start + 480])

    virtual_loop.run(main())
    heard = np.concatenate(bot.heard)
    assert 0 <= len(tone) - len(heard) <= 960
    assert np.std(heard[4800:]) == pytest.approx(np.std(tone), rel=0.1)


def test_what_is_no_event_becomes_a_warning(virtual_loop: VirtualLoop, bot: Any):
    """A server that sends something else is not followed into an exception."""

    async def script(bot: Any) -> None:
        for text in ("{", "[1]", json.dumps({"type": "response.audio.done"})):
            await bot._socket.send_str(text)
        await bot.close(1011, "broken")

    async def main() -> tuple[list[Any], ClientConnection]:
        async with connect(bot.url) as connection:
            return [message async for message in connection], connection

    bot.script = script
    messages, connection = virtual_loop.run(main())
    assert [message["type"] for message in messages] == ["error", "error", "response.audio.done"]
    assert "'{'" in messages[0]["error"]["message"]
    assert (connection.close_code, connection.close_reason) == (1011, "broken")


def refused(loop: VirtualLoop, url: str) -> CannotConnect:
    async def main() -> None:
        async with connect(url):
            pass

    with pytest.raises(CannotConnect) as raised:
        loop.run(main())
    return raised.value


def test_an_address_without_a_server_is_unreachable(virtual_loop: VirtualLoop):
    """A port at which no program listens; the command adds how to start one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refused(virtual_loop, f"ws://127.0.0.1:{taken.getsockname()[1]}")
    assert re.fullmatch(r"no server answers at ws://127\.0\.0\.1:\d+/v1/realtime \(Connection refused\)", str(error))
    assert error.unreachable
    assert error.status is None


def test_a_full_server_is_quoted(virtual_loop: VirtualLoop, bot: Any):
    """The reason stands in the body of a 503, which a WebSocket client does not get to see by itself."""
    bot.refuse = lambda: web.json_response({"detail": "All 2 conversations are taken."}, status=503)
    error = refused(virtual_loop, bot.url)
    assert error.status == 503
    assert "refuses: All 2 conversations are taken." in str(error)


@pytest.mark.parametrize(
    ("status", "says"), [(503, "no room for another conversation now; try again in 7 s"), (401, "HTTP 401")]
)
def test_a_refusal_without_a_reason_is_told_by_its_status(virtual_loop: VirtualLoop, bot: Any, status: int, says: str):
    """A proxy's page is no reason."""
    bot.refuse = lambda: web.Response(text="<html>", status=status, headers={"Retry-After": "7"})
    error = refused(virtual_loop, bot.url)
    assert error.status == status
    assert says in str(error)


def test_a_wrong_path_is_told(virtual_loop: VirtualLoop, bot: Any):
    """404 is a mistake in the address rather than a refusal, unless the server says more."""
    assert "no conversations at that path; they are at /v1/realtime" in str(
        refused(virtual_loop, f"{bot.url}/elsewhere")
    )
    reason = {"detail": "There is no pipeline of this name here."}
    bot.refuse = lambda: web.json_response(reason, status=404)
    assert "refuses: There is no pipeline of this name here." in str(refused(virtual_loop, bot.url))


def test_a_server_that_does_not_answer_is_given_up(virtual_loop: VirtualLoop):
    """Somebody listens and says nothing: after 10 s of the loop's time that is the answer."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        error = refused(virtual_loop, f"ws://127.0.0.1:{mute.getsockname()[1]}")
    assert "did not answer within 10 s" in str(error)
    assert virtual_loop.time() == 10
