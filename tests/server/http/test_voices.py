"""`/v1/voices`, with a cloning service on loopback."""

from __future__ import annotations

import asyncio
import gzip
import uuid
import zlib
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
import ormsgpack
import pytest
import reactivex
from aiohttp import web
from scraped import Scraped
from served import Engine, Served, refused

from voicepipe.engine.health_checks import KINDS
from voicepipe.metrics.registry import Metrics
from voicepipe.server import ServerSettings, make_app
from voicepipe.server.http.runner import Runner
from voicepipe.voices.store import MemoryVoices, VoiceStore, VoiceStoreDown

ORIGIN = "https://talk.example"
EMBEDDING = ormsgpack.packb({"type": "Voice", "embeddings": [0.5, -0.25], "shape": [1, 2]})
RECORDING = bytes(range(256)) * 400


class Cloner:
    """Notes what it was sent, and answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.status, self.body, self.takes_s = 200, EMBEDDING, 0.0
        self.headers: dict[str, str] = {}

    async def voice(self, request: web.Request) -> web.Response:
        self.heard.append(await request.read())
        await asyncio.sleep(self.takes_s)
        return web.Response(status=self.status, body=self.body, headers=self.headers)


class Down(VoiceStore):
    """A store that has gone, until it is back."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] | None = None

    async def put(self, name, embedding):
        if self.kept is None:
            raise VoiceStoreDown("gone")
        self.kept[name] = embedding

    async def get(self, name):
        return None

    async def close(self):
        raise AssertionError("the store is its owner's to close")


@asynccontextmanager
async def listening(app):
    runner = Runner(app, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def server(cloner=None, *, store=None, metrics=None, kinds=KINDS, **settings):
    """A server, and the cloning service that it knows."""
    theirs = web.Application(client_max_size=100_000_000)
    if cloner is not None:
        theirs.router.add_post("/api/voice", cloner.voice)
    async with listening(theirs) as service:
        if cloner is not None:
            settings["voice_cloning_url"] = f"ws://127.0.0.1:{service.addresses[0][1]}"
        settings = ServerSettings(cors_origins=(ORIGIN,), **settings)
        engine = Engine()
        engine.kinds = kinds
        app = make_app(lambda _: reactivex.never(), engine, settings, metrics=metrics, voices=store)
        async with listening(app) as ours, aiohttp.ClientSession(headers={"Origin": ORIGIN}) as http:
            yield Served(http, ours, engine)


def form(data=RECORDING, name="file"):
    body = aiohttp.FormData()
    body.add_field(name, BytesIO(data), filename="me.wav", content_type="audio/wav")
    return body


async def post(served, body, **headers):
    async with served.http.post(f"{served.url}/v1/voices", data=body, headers=headers) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        body = await answer.json()
        return answer.status, body if answer.status == 200 else {"detail": refused(answer.status, body)}


async def test_the_voices_of_the_synthesiser_that_is_used():
    """The embedded one has one; where there is a service, it has its own."""
    async with server() as served, served.http.get(f"{served.url}/v1/voices") as answer:
        assert [voice["name"] for voice in await answer.json()] == ["Robin"]
    async with server(tts_url="ws://tts:8089") as served, served.http.get(f"{served.url}/v1/voices") as answer:
        assert len(await answer.json()) > 3


async def test_a_pipeline_without_tts_offers_no_voice():
    """No stage would speak with it."""
    async with server(kinds=("stt", "llm")) as served, served.http.get(f"{served.url}/v1/voices") as answer:
        assert await answer.json() == []


async def test_a_voice_is_cloned_and_kept():
    """The service gets the file's bytes; what it answers is kept as it came, under the name that the client is told."""
    cloner, metrics = Cloner(), Metrics()
    store = MemoryVoices(kept_s=3600, most=10, clock=lambda: 0)
    async with server(cloner, store=store, metrics=metrics) as served:
        status, body = await post(served, form())
        assert status == 200
        uuid.UUID(body["name"].removeprefix("custom:"))
        assert cloner.heard == [RECORDING]
        assert await store.get(body["name"]) == EMBEDDING
    assert Scraped.of(metrics)['voice_clonings_total{outcome="cloned"}'] == 1


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, b"", "The voice cloning service answered with 500."),
        (200, b"\xc1", "The voice cloning service answered with something other than an embedding."),
        (200, b"<html>", "The voice cloning service answered with something other than an embedding."),
        (200, EMBEDDING * 100_000, "The voice cloning service answered with more than 65536 bytes."),
    ],
)
async def test_a_cloning_service_that_fails_is_a_bad_gateway(logs, status, body, told):
    """In a sentence that says how; nothing is kept."""
    cloner, store = Cloner(), MemoryVoices(kept_s=1, most=1, clock=lambda: 0)
    cloner.status, cloner.body = status, body
    async with server(cloner, store=store, voice_embedding_max_bytes=65_536) as served:
        assert await post(served, form()) == (502, {"detail": told})
    assert len(store) == 0
    assert [line["event"] for line in logs] == ["voice.not_cloned"]


async def test_a_cloning_service_cannot_lead_elsewhere():
    """A recording is sent to the address that the operator has set, and to no other."""
    cloner, other = Cloner(), Cloner()
    aside = web.Application()
    aside.router.add_post("/api/voice", other.voice)
    async with listening(aside) as elsewhere:
        cloner.status = 307
        cloner.headers = {"Location": f"http://127.0.0.1:{elsewhere.addresses[0][1]}/api/voice"}
        async with server(cloner) as served:
            told = {"detail": "The voice cloning service answered with 307."}
            assert await post(served, form()) == (502, told)
    assert other.heard == []


async def test_a_form_that_makes_no_progress_is_given_up(virtual_loop):
    """After 10 s without a byte, however slow it was before."""
    async with server(Cloner()) as served:
        reader, writer = await asyncio.open_connection(served.host, served.port)
        writer.write(
            b"POST /v1/voices HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nOrigin: " + ORIGIN.encode() + b"\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        )
        for _ in range(3):
            await asyncio.sleep(8)
            writer.write(b"y" * 1000)
        assert b" 408 " in await reader.readline()
        assert 34 <= virtual_loop.time() < 45
        writer.close()
        await writer.wait_closed()


async def test_a_cloning_service_that_hangs_is_not_waited_for(virtual_loop):
    """For longer than the settings say."""
    cloner = Cloner()
    cloner.takes_s = 100
    async with server(cloner, voice_cloning_s=20) as served:
        status, body = await post(served, form())
        assert (status, body) == (502, {"detail": "The voice cloning service did not answer within 20 s."})
        assert 20 <= virtual_loop.time() < 20.1


async def test_a_cloning_service_that_is_not_there():
    """Nobody listens at its address."""
    async with listening(web.Application()) as runner:
        port = runner.addresses[0][1]
    async with server(voice_cloning_url=f"http://127.0.0.1:{port}") as served:
        assert await post(served, form()) == (502, {"detail": "The voice cloning service cannot be reached."})


async def test_a_server_without_a_cloning_service_says_so():
    """501, whatever is sent."""
    async with server() as served:
        status, body = await post(served, form())
        assert (status, body["detail"].partition(":")[0]) == (501, "This server clones no voices")


async def test_a_store_that_is_down_is_unavailable_and_comes_back():
    """503 with the reason; when it is back, so are we."""
    store, metrics = Down(), Metrics()
    async with server(Cloner(), store=store, metrics=metrics) as served:
        status, body = await post(served, form())
        assert (status, body) == (503, {"detail": "The voice cannot be kept: the store of voices is down."})
        store.kept = {}
        status, body = await post(served, form())
        assert (status, list(store.kept)) == (200, [body["name"]])
    assert Scraped.of(metrics).seen("voice_clonings_total") == {'{outcome="not_kept"}': 1, '{outcome="cloned"}': 1}


# ---- what is sent ----------------------------------------------------------------------------------------------------


async def test_a_request_without_a_length_is_refused():
    """411, before anything is read: it could be endless."""

    async def endless():
        yield b"x" * 1000

    async with server(Cloner()) as served:
        status, body = await post(served, endless(), **{"Content-Type": "multipart/form-data; boundary=x"})
        assert (status, "Content-Length" in body["detail"]) == (411, True)


async def test_a_file_that_is_too_long_is_refused():
    """413, by one byte."""
    cloner = Cloner()
    async with server(cloner) as served:
        assert await post(served, form(bytes(4 * 1024 * 1024 + 1))) == (
            413,
            {"detail": "file: is longer than 4194304 bytes"},
        )
    assert cloner.heard == []


async def test_a_request_that_is_much_too_long_is_not_read():
    """413 as soon as it says how long it is."""
    async with server(Cloner()) as served:
        reader, writer = await asyncio.open_connection(served.host, served.port)
        writer.write(
            b"POST /v1/voices HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        assert b" 413 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_a_file_of_just_the_limit_is_taken():
    """Four megabytes."""
    cloner = Cloner()
    async with server(cloner) as served:
        assert (await post(served, form(bytes(4 * 1024 * 1024))))[0] == 200
    assert [len(heard) for heard in cloner.heard] == [4 * 1024 * 1024]


def raw(text):
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"),
    [
        (b"hello", "audio/wav", 415, "Send a form: multipart/form-data."),
        (form(name="sound"), None, 400, "file: is missing"),
        (form(data=b""), None, 400, "file: is empty"),
        (b"hello", "multipart/form-data", 400, "The form cannot be read: it breaks off, or its parts do not fit."),
        (
            b"hello",
            "multipart/form-data; boundary=x",
            400,
            "The form cannot be read: it breaks off, or its parts do not fit.",
        ),
        (
            raw('--x\nContent-Disposition: form-data; name="file"; filename="a"\n\nabc'),
            "multipart/form-data; boundary=x",
            400,
            "The form cannot be read: it breaks off, or its parts do not fit.",
        ),
        (
            raw('--x\nContent-Disposition: form-data; name="file"\nContent-Transfer-Encoding: odd\n\na\n--x--\n'),
            "multipart/form-data; boundary=x",
            400,
            "The form cannot be read: it breaks off, or its parts do not fit.",
        ),
        (
            raw("--x\n" + "X-Header: y\n" * 1_000 + "\na\n--x--\n"),
            "multipart/form-data; boundary=x",
            400,
            "The form cannot be read: it breaks off, or its parts do not fit.",
        ),
        (
            raw(f'--x\nContent-Disposition: form-data; name="file"; x="{"y" * 20_000}"\n\na\n--x--\n')[:16_000],
            "multipart/form-data; boundary=x",
            400,
            "The form cannot be read: it breaks off, or its parts do not fit.",
        ),
        (
            raw('--x\nContent-Disposition: form-data; name="file"\n\na\n' * 2 + "--x--\n"),
            "multipart/form-data; boundary=x",
            400,
            "file: was sent twice",
        ),
        (
            raw('--x\nContent-Disposition: form-data; name="other"\n\na\n' * 3_000 + "--x--\n"),
            "multipart/form-data; boundary=x",
            400,
            "The form has too many parts beside file.",
        ),
    ],
)
async def test_what_is_no_form_with_a_file_is_named(body, kind, status, detail):
    """And the server goes on."""
    async with server(Cloner()) as served:
        headers = {} if kind is None else {"Content-Type": kind}
        assert await post(served, body, **headers) == (status, {"detail": detail})
        assert (await post(served, form()))[0] == 200


async def test_a_form_is_not_unpacked():
    """415: four megabytes could become four gigabytes."""
    cloner = Cloner()
    async with server(cloner) as served:
        body, kind = (
            raw('--x\nContent-Disposition: form-data; name="file"\n\na\n--x--\n'),
            "multipart/form-data; boundary=x",
        )
        for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            packed = {"Content-Type": kind, "Content-Encoding": coding}
            status, told = await post(served, pack(body), **packed)
            assert (status, "uncompressed" in told["detail"]) == (415, True)
        assert (await post(served, body, **{"Content-Type": kind, "Content-Encoding": "identity"}))[0] == 200
    assert cloner.heard == [b"a"]


@pytest.mark.parametrize(
    ("length", "settings", "status"), [(100, {}, 200), (90_000_000, {}, 413), (100, {"api_keys": ["sk-one"]}, 401)]
)
async def test_a_client_that_asks_first_whether_to_send_is_told_first(length, settings, status):
    """`Expect: 100-continue`, as curl has it: a refusal comes in the place of "go on", and nothing need be sent."""
    body = raw(f'--x\nContent-Disposition: form-data; name="file"\n\n{"a" * 39}\n--x--\n')
    async with server(Cloner(), **settings) as served:
        reader, writer = await asyncio.open_connection(served.host, served.port)
        head = f"POST /v1/voices HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: {length}\n"
        writer.write(raw(head + "Content-Type: multipart/form-data; boundary=x\n\n"))
        first = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        if status == 200:
            assert (first, len(body)) == (b"100", length)
            writer.write(body)
            first = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        assert int(first) == status
        writer.close()
        await writer.wait_closed()


async def test_an_upload_that_breaks_off_costs_nothing():
    """The client goes away in the middle of its file."""
    cloner = Cloner()
    async with server(cloner) as served:
        _, writer = await asyncio.open_connection(served.host, served.port)
        writer.write(
            b"POST /v1/voices HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            + raw('--x\nContent-Disposition: form-data; name="file"; filename="a"\n\nabc')
        )
        await writer.drain()
        await asyncio.sleep(1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(1)
        assert (await post(served, form()))[0] == 200
    assert len(cloner.heard) == 1
