"""The sound that an Unmute client is sent, page by page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from ogg_opus import Page, pages

__all__ = ["Sound"]

PAGE_MS = 40
AHEAD_S = 0.5
"""The largest lead of the bot's voice over its playback, in seconds: 320 ms of the default pipeline, frame, page."""


class Sound:
    """One stream of Ogg-Opus: pages of 40 ms in a row, but for what a cut reply has left unplayed.

    A reply that was played to its end has as much sound as its words take, a cut one as much as was heard, and what was
    sent ahead.
    """

    def __init__(self, word_s: float | None) -> None:
        self._word_s = word_s
        self._serial = self._next = self._granule = 0
        self._may_skip = False
        self._words = self._pages = 0

    def __call__(self, event: dict[str, Any]) -> Iterator[str]:
        match event["type"]:
            case "response.created":
                self._words = self._pages = 0
            case "response.audio.delta":
                yield from self._delta(event["delta"])
            case "response.text.delta":
                self._words += 1
            case "unmute.interrupted_by_vad":
                self._may_skip = True
                yield from self._length(self._words - 1, self._words, AHEAD_S)
            case "response.text.done":
                yield from self._length(self._words, self._words, PAGE_MS / 1000)
            case _:
                pass

    def _delta(self, delta: str) -> Iterator[str]:
        try:
            for page in pages(base64.b64decode(delta)):
                yield from self._page(page)
        except ValueError as error:
            yield f"no page of Ogg: {error}"

    def _length(self, at_least: int, at_most: int, and_s: float) -> Iterator[str]:
        sent_s = self._pages * PAGE_MS / 1000
        if self._word_s and not at_least * self._word_s <= sent_s + 1e-6 < at_most * self._word_s + and_s:
            yield f"{sent_s:g} s of sound were sent for {self._words} words"

    def _page(self, page: Page) -> Iterator[str]:
        skipped = page.number - self._next if self._may_skip else 0
        if page.number != self._next + max(0, skipped):
            yield f"page {page.number} comes where {self._next} was due"
        yield from self._headers(page) if page.number < 2 else self._opus(page, skipped)
        self._next, self._granule, self._may_skip = page.number + 1, page.granule, False

    def _headers(self, page: Page) -> Iterator[str]:
        self._serial = self._serial or page.serial
        header = page.packets[0]
        if page.begins != (page.number == 0) or page.granule or len(page.packets) != 1:
            yield "its headers are not those of a stream"
        if page.begins and header[:10] != b"OpusHead\x01\x01":
            yield f"does not begin with the header of one channel: {header[:10]!r}"
        if not page.begins and not header.startswith(b"OpusTags"):
            yield f"its second header is {header[:8]!r}"

    def _opus(self, page: Page, skipped: int) -> Iterator[str]:
        if page.begins or page.serial != self._serial:
            yield "begins a stream anew"
        self._pages += 1
        if sum(page.frames_ms) != PAGE_MS:
            yield f"a page has frames of {page.frames_ms} ms"
        if page.granule != self._granule + (1 + skipped) * PAGE_MS * 48:
            yield f"its position is {page.granule}, after {self._granule}"
