"""Headlines for the newsreader: fetched at the start and every hour, never invented."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import structlog

from voicepipe.characters.prompts import HEADLINES, Characters, Choose
from voicepipe.installation.proxies import proxy_for

__all__ = ["Headlines", "NewsError", "Source", "headlines_in"]

log = structlog.get_logger()

# The limit of a response: a hundred articles take 200 kB.
_MAX_BODY_BYTES = 1_000_000
# The most characters of a headline; a longer one is dropped.
_LONGEST = 160


class NewsError(Exception):
    """The source returned no headlines. The message says why, and contains no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of headlines: a URL that answers as newsapi.org does. `most` is the number of headlines to take."""

    url: str
    key: str = field(repr=False)
    query: Mapping[str, str]
    most: int
    timeout_s: float

    async def fetch(self, http: aiohttp.ClientSession) -> tuple[str, ...]:
        """Return the latest headlines, one at least. Raises NewsError."""
        query, headers = {**self.query, "pageSize": str(self.most)}, {"X-Api-Key": self.key}
        try:
            asking = http.get(self.url, params=query, headers=headers, proxy=proxy_for(self.url))
            async with asyncio.timeout(self.timeout_s), asking as answer:
                body = await answer.content.read(_MAX_BODY_BYTES)
                while not answer.content.at_eof() and len(body) < _MAX_BODY_BYTES:
                    body += await answer.content.read(_MAX_BODY_BYTES)
        except TimeoutError:
            raise NewsError(f"no answer within {self.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NewsError(f"cannot be reached: {error}") from error
        return headlines_in(answer.status, body, most=self.most)


def headlines_in(status: int, body: bytes, *, most: int) -> tuple[str, ...]:
    """Return the titles in a response of newsapi.org without the paper's name at the end. Raises NewsError.

    >>> headlines_in(200, b'{"articles": [{"title": "It rains - The Daily Drop"}, {"title": null}]}', most=8)
    ('It rains',)
    """
    try:
        answer: Any = json.loads(body)
        if status != 200:
            raise NewsError(f"{status}: {str(answer.get('message', answer))[:_LONGEST]}")
        articles = cast("list[dict[str, Any]]", answer["articles"])
        titles = [_line(article.get("title")) for article in articles]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise NewsError(f"{status}, with what is no list of articles") from None
    found = tuple(title for title in titles if title)[:most]
    if not found:
        raise NewsError("a list without a headline")
    return found


def _line(title: object) -> str:
    """Return one line of plain text: it goes into a prompt, and comes from a third party."""
    if not isinstance(title, str) or title == "[Removed]":
        return ""
    line = " ".join("".join(char if char.isprintable() else " " for char in title).split())
    line = line.rpartition(" - ")[0] or line
    return line.replace("{", "(").replace("}", ")") if len(line) <= _LONGEST else ""


class Headlines:
    """Put the latest headlines into prompts. Without a source, or before it has answered, the prompt says that there
    are none.

    They are fetched when it is started, and again and again until it is closed: a prompt never waits. A fetch that
    fails is logged, and leaves the headlines as they are.

    Args:
        source: Where headlines come from; None: nowhere.
        characters: Word what a prompt says about the news.
        http: Returns the process's client session.
        every_s: The time from a fetch to the next.
        retry_s: The time from a failed fetch to the next.
        choose: Chooses a subject where there are no headlines.
    """

    def __init__(
        self,
        source: Source | None,
        characters: Characters,
        http: Callable[[], aiohttp.ClientSession],
        *,
        every_s: float,
        retry_s: float,
        choose: Choose = random.choice,
    ) -> None:
        self._source, self._characters, self._http = source, characters, http
        self._every_s, self._retry_s, self._choose = every_s, retry_s, choose
        self._latest: tuple[str, ...] = ()
        self._fetching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start fetching, on the running loop."""
        if self._source is not None:
            self._fetching = asyncio.create_task(self._fetch(self._source), name="headlines")

    def render(self, prompt: str) -> str:
        """Return the prompt with the headlines, or with another subject, in the place of its placeholder."""
        if HEADLINES not in prompt:
            return prompt
        return prompt.replace(HEADLINES, self._characters.news(self._latest, choose=self._choose))

    async def close(self) -> None:
        """Stop fetching."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self, source: Source) -> None:
        while True:
            try:
                self._latest = await source.fetch(self._http())
                wait_s = self._every_s
            except NewsError as error:
                log.warning("news.failed", reason=str(error))
                wait_s = self._retry_s
            await asyncio.sleep(wait_s)
