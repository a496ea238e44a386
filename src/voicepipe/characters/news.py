"""Headlines for the newsreader: fetched rarely, never invented, and a prompt waits for them only briefly."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import structlog

from voicepipe._cached import SingleFlightCache
from voicepipe.characters.prompts import HEADLINES, Characters, Choose

__all__ = ["Headlines", "NewsError", "Source", "asks_for_news", "headlines_in"]

log = structlog.get_logger()

_MAX_BODY_BYTES = 1_000_000
"""The limit of a response: a hundred articles take 200 kB."""
_LONGEST = 160
"""The most characters of a headline; a longer one is dropped."""


class NewsError(Exception):
    """The source returned no headlines. The message says why, and contains no key."""


def asks_for_news(prompt: str | None) -> bool:
    """Return whether a prompt contains the placeholder of the headlines.

    >>> asks_for_news("You are a radio host. {headlines}"), asks_for_news(None)
    (True, False)
    """
    return prompt is not None and HEADLINES in prompt


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
            async with asyncio.timeout(self.timeout_s), http.get(self.url, params=query, headers=headers) as answer:
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
    except (ValueError, KeyError, AttributeError, TypeError):
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
    """Put headlines into prompts. Without a source, or while it fails, the prompt says that there are none.

    Fetched headlines are used for `kept_s`; a failed fetch is not repeated for `retry_s`. A prompt waits up to
    `wait_s`; headlines that come later serve the next one. `http` returns the process's client session. Must be closed.
    """

    def __init__(
        self,
        source: Source | None,
        characters: Characters,
        http: Callable[[], aiohttp.ClientSession],
        *,
        wait_s: float,
        kept_s: float,
        retry_s: float,
        clock: Callable[[], float],
        choose: Choose = random.choice,
    ) -> None:
        self._source, self._characters, self._http = source, characters, http
        self._wait_s, self._choose = wait_s, choose
        self._recent: SingleFlightCache[tuple[str, ...]] = SingleFlightCache(
            self._fetch, fresh_s=lambda headlines: kept_s if headlines else retry_s, clock=clock
        )

    async def render(self, prompt: str) -> str:
        """Return the prompt with the headlines, or with another subject; waits up to `wait_s`."""
        headlines: tuple[str, ...] = ()
        if self._source is not None and asks_for_news(prompt):
            try:
                async with asyncio.timeout(self._wait_s):
                    headlines = await self._recent()
            except TimeoutError:
                log.warning("news.late", wait_s=self._wait_s)
        return prompt.replace(HEADLINES, self._characters.news(headlines, choose=self._choose))

    async def close(self) -> None:
        """Cancel the running fetch."""
        await self._recent.close()

    async def _fetch(self) -> tuple[str, ...]:
        """Return the headlines; an empty tuple if the source fails."""
        assert self._source is not None
        try:
            return await self._source.fetch(self._http())
        except NewsError as error:
            log.warning("news.failed", reason=str(error))
            return ()
