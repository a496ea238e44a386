"""The newsroom: what it takes from a source, how long it waits, and what it says when there is nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from voicepipe.characters.news import Headlines, NewsError, Source, headlines_in
from voicepipe.characters.prompts import Characters

HEADLINES = ["It rains - The Drop", "Cats vote - Daily Purr"]
NONE = "You have no news today"


def articles(*titles: object) -> dict[str, Any]:
    return {"status": "ok", "articles": [{"title": title} for title in titles]}


# ---- what an answer says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("titles", "headlines"),
    [
        (HEADLINES, ("It rains", "Cats vote")),
        (["One - two - Paper", None, "", "[Removed]", 7, "x" * 161], ("One - two",)),
        (["Two\nlines\x07 and {braces}"], ("Two lines and (braces)",)),
        ([f"Number {number}" for number in range(50)], tuple(f"Number {number}" for number in range(8))),
    ],
)
def test_headlines_are_lines_of_plain_text(titles, headlines):
    """Others have written them, and they go into a prompt: short, printable, without our placeholders."""
    assert headlines_in(200, json.dumps(articles(*titles)).encode(), most=8) == headlines


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b'{"status": "error", "message": "Your API key is invalid."}', "401: Your API key is invalid."),
        (500, b"<html>", "500, with what is no list of articles"),
        (200, b"[]", "200, with what is no list of articles"),
        (200, b'{"articles": ' + b"[" * 100_000, "200, with what is no list of articles"),
        (200, b'{"articles": 7}', "200, with what is no list of articles"),
        (200, b'{"articles": []}', "a list without a headline"),
    ],
)
def test_an_answer_without_headlines_is_an_error(status, body, told):
    """That says what came."""
    with pytest.raises(NewsError) as error:
        headlines_in(status, body, most=8)
    assert str(error.value) == told


# ---- a source on loopback --------------------------------------------------------------------------------------------


class Paper:
    """Answers in `takes_s`, and notes how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], str | None]] = []
        self.status, self.answer, self.takes_s = 200, articles(*HEADLINES), 0.1

    async def headlines(self, request: web.Request) -> web.Response:
        self.asked.append((dict(request.query), request.headers.get("X-Api-Key")))
        await asyncio.sleep(self.takes_s)
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def run(virtual_loop, paper):
    """`run(story, **times)`: a coroutine of the headlines, which come from `paper`; it begins a second later."""

    @asynccontextmanager
    async def headlines(*, key: str | None = "secret", timeout_s=5.0, **times):
        app = web.Application()
        app.router.add_get("/v2/top-headlines", paper.headlines)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2/top-headlines"
        source = key and Source(url=url, key=key, query={"country": "us"}, most=8, timeout_s=timeout_s)
        async with aiohttp.ClientSession() as http:
            times = {"every_s": 3600, "retry_s": 60, **times}
            latest = Headlines(source or None, Characters.load(), lambda: http, choose=lambda items: items[0], **times)
            latest.start()
            try:
                yield latest
            finally:
                await latest.close()
        await runner.cleanup()

    def play(story: Callable[[Headlines], Awaitable[Any]], **times) -> Any:
        async def main() -> Any:
            async with headlines(**times) as latest:
                await asyncio.sleep(1)
                return await story(latest)

        return virtual_loop.run(main())

    return play


async def prompt(latest: Headlines) -> str:
    return latest.render("Read this. {headlines} Thanks.")


def test_headlines_take_their_place_in_a_prompt(run, paper):
    """The source is asked with the key in a header, which no log of addresses shows."""
    assert run(prompt) == (
        "Read this. These are the headlines of today: It rains; Cats vote. Talk about one at a time. Thanks."
    )
    assert paper.asked == [({"country": "us", "pageSize": "8"}, "secret")]


def test_a_source_elsewhere_is_asked_through_the_proxy_of_the_environment(virtual_loop, paper, monkeypatch):
    """Its own name is not resolved here."""

    async def main() -> tuple[str, ...]:
        app = web.Application()
        app.router.add_get("/v2/top-headlines", paper.headlines)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{runner.addresses[0][1]}")
        url = "http://news.example/v2/top-headlines"
        source = Source(url=url, key="secret", query={"country": "us"}, most=8, timeout_s=5.0)
        async with aiohttp.ClientSession() as http:
            fetched = await source.fetch(http)
        await runner.cleanup()
        return fetched

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert virtual_loop.run(main()) == ("It rains", "Cats vote")


def test_without_a_key_nothing_is_fetched(run, paper):
    """The bot says that it has no news, and has something else to talk about."""
    said = run(prompt, key=None)
    assert said.startswith(f"Read this. {NONE}")
    assert "what makes a good day" in said
    assert paper.asked == []


def test_the_news_is_fetched_at_the_start_and_again_and_again(run, paper):
    """However many prompts ask for it."""

    async def story(latest):
        assert len({await prompt(latest) for _ in range(5)}) == 1
        await asyncio.sleep(598)
        assert len(paper.asked) == 1
        paper.answer = articles("It snows - The Daily")
        await asyncio.sleep(2)
        assert "It snows" in await prompt(latest)

    run(story, every_s=600)
    assert len(paper.asked) == 2


def test_a_prompt_does_not_wait_for_a_slow_source(run, paper):
    """The answer serves the prompts after it."""
    paper.takes_s = 3

    async def story(latest):
        assert NONE in await prompt(latest)
        await asyncio.sleep(2.1)
        assert "It rains" in await prompt(latest)

    run(story)
    assert len(paper.asked) == 1


def test_a_source_that_hangs_is_given_up(run, paper):
    """And asked again a minute later."""
    paper.takes_s = 1000

    async def story(latest):
        await asyncio.sleep(10)
        assert NONE in await prompt(latest)
        assert len(paper.asked) == 1
        paper.takes_s = 0
        await asyncio.sleep(60)
        assert "It rains" in await prompt(latest)

    run(story)


def test_a_source_that_fails_leaves_the_headlines_as_they_are(run, paper):
    """They are asked for again after a minute, not after an hour."""

    async def story(latest):
        paper.status, paper.answer = 429, {"message": "too many requests"}
        await asyncio.sleep(600)
        assert "It rains" in await prompt(latest)
        assert len(paper.asked) == 2
        paper.status, paper.answer = 200, articles("It snows - The Daily")
        await asyncio.sleep(60)
        assert "It snows" in await prompt(latest)

    run(story, every_s=600)
    assert len(paper.asked) == 3


def test_a_source_that_is_not_there(virtual_loop):
    """Nobody listens: an error that names no key."""

    async def main() -> None:
        source = Source(url="http://127.0.0.1:9/x", key="secret", query={}, most=8, timeout_s=5)
        async with aiohttp.ClientSession() as http:
            with pytest.raises(NewsError, match="cannot be reached") as error:
                await source.fetch(http)
        assert "secret" not in f"{error.value} {source}"

    virtual_loop.run(main())


def test_a_prompt_without_a_place_for_news_is_left_alone(run):
    """As it is."""

    async def story(latest):
        return latest.render("Be brief.")

    assert run(story) == "Be brief."
