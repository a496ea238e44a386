"""A session outlives its WebSocket: its client takes it up again, and the conversation goes on."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import reactivex
from served import refused

from tests.server.test_realtime import ASK, RealtimeClient, Scripted, update, write
from voicepipe.loader import load_pipeline
from voicepipe.server.session.resumption import EventLog, ResumableTransport

RESUMABLE = "/v1/realtime?resumable=true"


def silent(_):
    return reactivex.never()


class Away:
    """A session as its client remembers it."""

    def __init__(self, created: dict[str, Any]) -> None:
        self.id, self.token, self.last = created["session"]["id"], created["resume"]["token"], created["event_id"]

    def path(self, **other: str) -> str:
        query = {"session_id": self.id, "last_event_id": self.last, **other}
        return "/v1/realtime?" + "&".join(f"{name}={text}" for name, text in query.items())

    def protocols(self) -> tuple[str, ...]:
        return ("realtime", f"voicepipe-resume.{self.token}")


@asynccontextmanager
async def connected(served: Any, path: str, protocols: tuple[str, ...] = (), **headers: str) -> Any:
    from served import Client

    async with served.http.ws_connect(f"{served.url}{path}", protocols=protocols, headers=headers) as socket:
        yield Client(socket)


async def begun(client: Any) -> Away:
    return Away(await client.event("session.created"))


async def refusal(served: Any, away: Away, **options: Any) -> str:
    """The reason, and that it has the code of its kind."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers |= {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Protocol": ", ".join(away.protocols())}
    async with served.http.get(f"{served.url}{away.path()}", headers=headers | options) as answer:
        assert answer.status == 404
        body = await answer.json()
        assert body["error"]["code"] == "session_not_resumable"
        return refused(404, body)


async def test_a_reply_goes_on_and_what_was_written_meanwhile_follows(serve, virtual_loop):
    """The client is away for 2 of 6 s: it gets all words, no sound that was played meanwhile, and then the rest."""
    async with serve(load_pipeline(None), Scripted(words=30)) as served:
        async with connected(served, RESUMABLE) as client:
            caller = RealtimeClient(client)
            away = Away(await caller.until("session.created"))
            await caller.send(update(), write("Hello."), ASK)
            for _ in range(3):
                away.last = (await caller.until("response.output_audio_transcript.delta"))["event_id"]
            client.vanish()
        left_at = virtual_loop.time()
        await asyncio.sleep(2)
        async with connected(served, away.path(), away.protocols()) as client:
            again = RealtimeClient(client)
            assert (await again.until("session.resumed"))["session"]["id"] == away.id
            done = await again.until("response.done")
            assert done["response"]["output"][0]["content"][0]["transcript"] == " ".join(["La"] * 30)
            heard = [*caller.heard, *again.heard]
            words = [event["delta"] for event in heard if event["type"].endswith("transcript.delta")]
            assert len(words) == 30
            sound = sum(
                len(base64.b64decode(event["delta"])) for event in again.heard if "audio.delta" in event["type"]
            )
            assert sound / 48_000 == pytest.approx(virtual_loop.time() - left_at - 2, abs=0.5)  # and what was ahead
            await again.send(write("And now?"), ASK)
            await again.until("response.done")
        await served.empty()
    assert [message["content"] for message in served.engine.asked[-1] if message["role"] == "user"] == [
        "Hello.",
        "And now?",
    ]


async def test_a_sentence_that_was_begun_is_ended_on_the_next_connection(serve):
    """The client's sound goes on as after a gap."""
    async with serve(load_pipeline(None), Scripted(words=1)) as served:
        async with connected(served, RESUMABLE) as client:
            away = await begun(client)
            await RealtimeClient(client).speak(speech_s=0.5, silence_s=0)
            client.vanish()
        async with connected(served, away.path(), away.protocols()) as client:
            caller = RealtimeClient(client)
            microphone = caller.speaking(speech_s=0.3, silence_s=1)
            await caller.until("response.done")
            await microphone
            assert caller.kinds().count("conversation.item.input_audio_transcription.completed") == 1


async def test_a_client_may_come_back_before_its_loss_is_known(serve):
    """The connection before is cut, and no event is sent twice."""
    async with serve(load_pipeline(None), Scripted(words=2)) as served, connected(served, RESUMABLE) as old:
        away = await begun(old)
        async with connected(served, away.path(), away.protocols()) as client:
            caller = RealtimeClient(client)
            await caller.send(write("Hello."), ASK)
            await caller.until("response.done")
            assert caller.kinds()[0] == "session.resumed"
            names = [event["event_id"] for event in caller.heard]
            assert len(set(names)) == len(names)
        assert (await old.end())[0] != 1000


async def test_a_client_that_stays_away_is_let_go_in_time(serve, logs, virtual_loop):
    """Its session counts until then."""
    engine = Scripted(words=1)
    engine.max_sessions = 1
    async with serve(silent, engine, session_resume_s=20) as served:
        async with connected(served, RESUMABLE) as client:
            away = await begun(client)
            client.vanish()
        lost_at = virtual_loop.time()
        await asyncio.sleep(19)
        async with served.http.get(f"{served.url}/v1/health/ready") as answer:
            assert (await answer.json())["error"]["code"] == "full"
        await served.empty()
        assert virtual_loop.time() - lost_at == pytest.approx(20, abs=0.1)
        assert "is over" in await refusal(served, away)
    (end,) = [line for line in logs if line["event"] == "session.ended"]
    assert end["reason"] == "the client left"


@pytest.mark.parametrize("wrong", ["token", "id", "key"])
async def test_no_other_client_can_take_a_session_up(serve, wrong):
    """It needs the id, the token and the same key; what is wrong is not told."""
    keys = ["sk-one", "sk-two"]
    one, other = ({"Authorization": f"Bearer {key}"} for key in keys)
    async with serve(silent, api_keys=keys) as served:
        async with connected(served, RESUMABLE, **one) as client:
            away = await begun(client)
            client.vanish()
        stolen = Away({"session": {"id": away.id}, "resume": {"token": away.token}, "event_id": away.last})
        if wrong == "token":
            stolen.token = away.token[:-1]
        elif wrong == "id":
            stolen.id = "sess_other"
        reason = await refusal(served, stolen, **(other if wrong == "key" else one))
        assert reason == await refusal(served, stolen, **(other if wrong == "key" else one))
        async with connected(served, away.path(), away.protocols(), **one) as client:
            await client.event("session.resumed")


async def test_a_page_is_told_by_an_event_that_its_session_is_over(serve):
    async with serve(silent) as served:
        away = Away({"session": {"id": "sess_gone"}, "resume": {"token": "x"}, "event_id": "event_1"})
        origin = {"Origin": served.url}
        async with connected(served, away.path(), away.protocols(), **origin) as client:
            assert (await client.error())["code"] == "session_not_resumable"
            assert (await client.end())[0] == 1008


async def test_a_client_that_says_goodbye_is_not_waited_for(serve, virtual_loop):
    async with serve(silent) as served:
        async with connected(served, RESUMABLE) as client:
            await begun(client)
        left_at = virtual_loop.time()
        await served.empty()
        assert virtual_loop.time() - left_at < 1


async def test_one_that_has_missed_more_than_is_held_begins_anew(serve):
    """Its session ends at once: it would wait in vain."""
    async with serve(load_pipeline(None), Scripted(words=400), session_resume_bytes=10_000) as served:
        async with connected(served, RESUMABLE) as client:
            away = await begun(client)
            await client.send(update(), write("Hello."), ASK)
            await client.event("response.created")
            client.vanish()
        await asyncio.sleep(10)
        origin = {"Origin": served.url}
        async with connected(served, away.path(), away.protocols(), **origin) as client:
            assert (await client.error())["code"] == "session_not_resumable"
        await served.empty()


async def test_of_too_many_that_are_away_the_first_one_ends(serve):
    async with serve(silent, sessions_waiting=1) as served:
        gone: list[Away] = []
        for _ in range(2):
            async with connected(served, RESUMABLE) as client:
                gone.append(await begun(client))
                client.vanish()
            await asyncio.sleep(0.1)
        assert "is over" in await refusal(served, gone[0])
        async with connected(served, gone[1].path(), gone[1].protocols()) as client:
            await client.event("session.resumed")


async def test_a_server_that_stops_waits_for_no_client(serve, virtual_loop):
    async with serve(silent) as served:
        async with connected(served, RESUMABLE) as client:
            await begun(client)
            client.vanish()
        await asyncio.sleep(0.1)
        began = virtual_loop.time()
    assert virtual_loop.time() - began < 5


@pytest.mark.parametrize(("path", "settings"), [("/v1/realtime", {}), (RESUMABLE, {"session_resume_s": 0})])
async def test_only_a_client_that_asks_is_waited_for_where_that_is_allowed(serve, path, settings, virtual_loop):
    async with serve(silent, **settings) as served:
        async with connected(served, path) as client:
            assert "resume" not in await client.event("session.created")
            client.vanish()
        left_at = virtual_loop.time()
        await served.empty()
        assert virtual_loop.time() - left_at < 1


async def test_a_line_that_takes_nothing_is_cut_and_the_client_comes_back(serve):
    """As in a tunnel: nothing is acknowledged, and no reset comes. What did not get through follows."""
    async with serve(load_pipeline(None), Scripted(words=200), write_deadline_s=1) as served:
        async with connected(served, RESUMABLE) as client:
            away = await begun(client)
            client.socket._response.connection.transport.pause_reading()
            await client.send(update(), write("Hello."), ASK)
            await asyncio.sleep(15)
            async with connected(served, away.path(), away.protocols()) as again:
                caller = RealtimeClient(again)
                await caller.until("response.done")
        words = [event["delta"] for event in caller.heard if event["type"].endswith("transcript.delta")]
        assert len(words) == 200


def test_the_log_holds_the_newest_within_its_bytes() -> None:
    """Each message once, whatever was drawn; sound takes the room of its id."""
    rng = np.random.default_rng(1)
    log = EventLog(500)
    sent: list[tuple[str, str]] = []
    for number in range(200):
        kind = "response.output_audio.delta" if rng.random() < 0.5 else "response.output_text.delta"
        sent.append((f"event_{number}", f'{{"type":"{kind}","event_id":"event_{number}","delta":"{"x" * 40}"}}'))
        log.add(sent[-1][1])
    assert log.after("event_0") is None
    told = log.after("event_197")
    assert told == [text for _, text in sent[198:] if "audio" not in text]
    held = [name for name, _ in sent if log.after(name) is not None]
    assert held == [name for name, _ in sent[-len(held) :]]
    assert 4 < len(held) < 40


class Line:
    """A connection of which the test decides when a message has been sent."""

    close_code, outlives_loss = None, False

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.is_cut, self.flows = False, asyncio.Event()

    async def send_str(self, data: str) -> None:
        await self.flows.wait()
        if self.is_cut:
            raise ConnectionError
        self.sent.append(data)

    def abort(self) -> None:
        self.is_cut = True
        self.flows.set()


async def test_of_two_connections_that_come_at_once_one_stays_and_the_other_is_cut():
    """Both have come while a message waited to be sent to the old one: neither has seen the other."""
    lines: Any = [Line() for _ in range(3)]
    old, first, second = lines
    line = ResumableTransport(old, "sess", kept_s=9, capacity_bytes=9_999, lost=lambda _: None)
    first.flows.set()
    second.flows.set()
    sending = asyncio.create_task(line.send_str('{"type":"t","event_id":"a"}'))
    await asyncio.sleep(0)
    attached = [asyncio.create_task(line.attach(one, "a")) for one in (first, second)]
    await asyncio.wait([attached[0], sending])
    await asyncio.sleep(0.01)
    assert [one.is_cut for one in lines] == [True, True, False]
    line.give_up()
    attached[1].cancel()
