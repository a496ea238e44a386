"""A model is loaded before it is needed: over real sockets, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from fake_llm import options_for

from voicepipe.conversation import Conversation
from voicepipe.engine.http import Http
from voicepipe.llm.openai.client import OpenAiLlm
from voicepipe.llm.openai.warmth import KeepWarm
from voicepipe.testing import Marbles
from voicepipe.testing.servers import Fails, LlmServer


class Bench:
    """A server that takes 5 s to load its model, and what keeps it warm for a minute."""

    def __init__(self, marbles: Marbles, server: LlmServer, http: Http) -> None:
        self.run, self.server = marbles.loop.run, server
        options = options_for(server.url, max_tokens=50, first_text_s=20, next_text_s=1)
        self.llm = OpenAiLlm(options, http.session)
        self.warmth = KeepWarm(self.llm, after_s=60)


@pytest.fixture
def bench(marbles: Marbles) -> Iterator[Bench]:
    """The client session is closed at the end, and then the service: what is left would be a leak."""
    server, http = LlmServer(load_s=5.0), Http(keep_alive_s=300, resolve_every_s=10)
    marbles.loop.run(server.start())
    bench = Bench(marbles, server, http)
    yield bench
    marbles.loop.run(bench.warmth.close())
    marbles.loop.run(http.close())
    marbles.loop.run(server.stop())


def test_one_token_loads_the_model(bench: Bench) -> None:
    """However many sessions open meanwhile."""

    async def main() -> None:
        bench.warmth.start()
        await asyncio.sleep(1)
        bench.warmth.session_opens()
        bench.warmth.session_opens()
        await asyncio.sleep(6)

    bench.run(main())
    assert bench.server.loaded
    assert [request["max_tokens"] for request in bench.server.requests] == [1]


def test_a_model_that_answered_lately_is_left_alone(bench: Bench) -> None:
    """A conversation keeps it warm, too."""

    async def main() -> list[int]:
        counts = list[int]()
        bench.warmth.start()
        for pause_s in (10, 40, 70):
            await asyncio.sleep(pause_s)
            bench.warmth.session_opens()
            await asyncio.sleep(1)
            counts.append(len(bench.server.requests))
        await asyncio.sleep(50)
        await bench.llm.request(Conversation().user_said("Hi."))
        await asyncio.sleep(50)
        bench.warmth.session_opens()
        await asyncio.sleep(1)
        return [*counts, len(bench.server.requests)]

    assert bench.run(main()) == [1, 1, 2, 3]


def test_without_a_start_nothing_is_requested(bench: Bench) -> None:
    """An engine that is built for a check warms nothing."""

    async def main() -> None:
        bench.warmth.session_opens()
        await asyncio.sleep(1)

    bench.run(main())
    assert bench.server.requests == []


def test_closing_stops_the_request(bench: Bench) -> None:
    """The model is not loaded then."""

    async def main() -> None:
        bench.warmth.start()
        await asyncio.sleep(1)
        await bench.warmth.close()
        await asyncio.sleep(10)

    bench.run(main())
    assert not bench.server.loaded


def test_a_model_that_cannot_be_warmed_is_tried_again_with_the_next_session(bench: Bench) -> None:
    """And nothing else fails."""

    async def main() -> None:
        await bench.server.fail(Fails.BROKEN, for_s=5)
        bench.warmth.start()
        await asyncio.sleep(6)
        bench.warmth.session_opens()
        await asyncio.sleep(6)

    bench.run(main())
    assert bench.server.loaded
