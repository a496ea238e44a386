"""Language model servers of this machine, on loopback: what answers is found, and nothing else."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from voicepipe.engine.local_servers import TIMEOUT_S, LocalServer, Search, command_for, find_local_servers
from voicepipe.testing import Marbles
from voicepipe.testing.servers import Fails, LlmServer

SERVE = [".venv/bin/voicepipe", "serve", "my bot.py"]


def find(marbles: Marbles, *ports: int, besides: int | None = None) -> list[LocalServer]:
    return marbles.run(find_local_servers(dict.fromkeys(ports, "LM Studio"), besides=besides))


@pytest.fixture
def llm(marbles: Marbles) -> Iterator[LlmServer]:
    server = LlmServer(models=["nomic-embed-text", "qwen2.5:3b", "llama3.2"])
    marbles.run(server.start())
    yield server
    marbles.run(server.stop())


@pytest.fixture
def closed() -> int:
    """A port at which nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port


def test_a_server_is_found_with_its_chat_models(marbles: Marbles, llm: LlmServer, closed: int) -> None:
    """Models of embeddings cannot answer; a port at which nobody listens is no error."""
    url = f"http://127.0.0.1:{llm.port}"
    assert find(marbles, closed, llm.port) == [LocalServer("LM Studio", url, ("qwen2.5:3b", "llama3.2"))]
    assert llm.requests == []


def test_our_own_port_is_not_asked(marbles: Marbles, llm: LlmServer) -> None:
    """The server that is about to listen there is no language model."""
    assert find(marbles, llm.port, besides=llm.port) == []
    assert llm.visits == []


def test_a_server_that_refuses_is_left_out(marbles: Marbles, llm: LlmServer) -> None:
    """One that fails now is of no use to talk with."""
    marbles.run(llm.fail(Fails.BROKEN))
    assert find(marbles, llm.port) == []


def test_a_server_that_says_nothing_costs_the_limit_and_no_more(marbles: Marbles) -> None:
    """It accepts the connection; all ports are asked side by side."""

    async def search() -> float:
        over = asyncio.Event()

        async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await over.wait()
            writer.close()

        silent = [await asyncio.start_server(hang, "127.0.0.1", 0) for _ in range(4)]
        ports = {server.sockets[0].getsockname()[1]: "vLLM" for server in silent}
        began_s = asyncio.get_running_loop().time()
        assert await find_local_servers(ports) == []
        took_s = asyncio.get_running_loop().time() - began_s
        over.set()
        for server in silent:
            server.close()
            await server.wait_closed()
        return took_s

    assert marbles.run(search()) == pytest.approx(TIMEOUT_S, abs=0.01)


def test_the_command_is_the_one_that_was_typed() -> None:
    """With the model where there are several, quoted for a shell."""
    one, two = (
        LocalServer("Ollama", "http://127.0.0.1:11434", ("a",)),
        LocalServer("x", "http://127.0.0.1:1", ("a", "b")),
    )
    assert command_for(one, SERVE) == ".venv/bin/voicepipe serve 'my bot.py' --llm http://127.0.0.1:11434"
    assert command_for(two, SERVE).endswith(" --llm http://127.0.0.1:1 --llm-model a")


# ---- what other servers say, in a thread of the search's own ---------------------------------------------------------


class Answers(ThreadingHTTPServer):
    """Answers every GET with `body`."""

    body: bytes = b""
    status = 200


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[Answers]:
    with Answers(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def models_of(owner: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": owner}]}).encode()


@pytest.mark.parametrize(
    ("owner", "name"), [("library", "Ollama"), ("llamacpp", "llama.cpp"), ("vllm", "vLLM"), ("somebody", "LM Studio")]
)
def test_a_server_says_itself_what_it_is(other: Answers, owner: str, name: str) -> None:
    """By the owner of its models; else the port counts."""
    other.body = models_of(owner)
    assert [one.name for one in Search(ports={other.server_port: "LM Studio"}).found()] == [name]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"data": 7}'),
        (200, b'{"data": [7, {"id": 3}]}'),
        (200, b'{"data": []}'),
        (200, b"[" * 100_000),
        (404, models_of("library")),
        (302, models_of("library")),
    ],
)
def test_what_is_no_language_model_is_left_out(other: Answers, status: int, body: bytes) -> None:
    """A page, another API, a server without models, a redirect to elsewhere."""
    other.status, other.body = status, body
    assert Search(ports={other.server_port: "vLLM"}).found() == []
