"""The cost of a load for the server, by its own `/metrics`: CPU, memory, and the parts of its answers' time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import pairwise
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from voicepipe.client.socket import authorization, websocket_url
from voicepipe.installation.proxies import proxy_for

__all__ = ["Cost", "Scrape", "ServerFigures", "cost_of", "read_scrape"]

_EVERY_S, _TIMEOUT_S = 1.0, 5.0
_PIECE_BYTES, _MOST_BYTES = 65_536, 8_000_000
_CPU, _MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"
# voicepipe's, and Unmute's, which are without a prefix of their own.
_ACTIVE = ("voicepipe_active_sessions", "worker_active_sessions")
_PART = "voicepipe_voice_to_voice_part_seconds"


@dataclass(frozen=True, slots=True)
class Scrape:
    """The server at one moment.

    Args:
        at_s: On this machine's clock.
        cpu_s: The CPU time that it has taken since its start; None where it does not tell.
        memory_bytes: What it holds in memory.
        sessions: Conversations under way.
        parts: By the part of an answer's time the sum in seconds and the number of answers.
    """

    at_s: float
    cpu_s: float | None
    memory_bytes: float | None
    sessions: float
    parts: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a load.

    Args:
        cpu_per_session: The share of a core that a conversation took.
        memory_per_session_bytes: What a conversation held at the most.
        cores: The cores that the server took, on average.
        peak_memory_bytes: What it held at the most.
        parts_ms: The mean of each part of its answers' time.
    """

    cpu_per_session: float | None
    memory_per_session_bytes: float | None
    cores: float
    peak_memory_bytes: float
    parts_ms: Mapping[str, float]


class ServerFigures:
    """Read a server's `/metrics` once a second, in a thread, from `start` to `stop`.

    Args:
        url: The server's address.
        key: The API key, if it wants one.
    """

    def __init__(self, url: str, key: str | None) -> None:
        page = URL(websocket_url(url)).with_path("/metrics").with_query(None)
        self._url = str(page.with_scheme("https" if page.scheme == "wss" else "http"))
        self._headers = authorization(key or None)
        proxy = proxy_for(self._url)
        self._open = build_opener(ProxyHandler({"http": proxy, "https": proxy} if proxy else {})).open
        self._scrapes: list[Scrape] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reads the server's metrics", daemon=True)

    def start(self) -> None:
        """Begin; the first reading is made before this returns."""
        self._read()
        self._thread.start()

    def stop(self) -> Cost | None:
        """End, and return what the load cost; None where the server does not tell."""
        self._stopped.set()
        self._thread.join()
        self._read()
        return cost_of(self._scrapes)

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            self._read()

    def _read(self) -> None:
        try:
            with self._open(Request(self._url, headers=self._headers), timeout=_TIMEOUT_S) as answer:
                self._scrapes.append(read_scrape(_page(answer).decode(), time.monotonic()))
        except (OSError, ValueError, HTTPException):
            return  # a server of another kind has no such page; the report says that nothing was measured


def _page(answer: Any) -> bytes:
    """Return a page. Raises ValueError for one without an end."""
    until_s, page = time.monotonic() + _TIMEOUT_S, b""
    while piece := answer.read1(_PIECE_BYTES):
        page += piece
        if len(page) > _MOST_BYTES or time.monotonic() > until_s:
            raise ValueError("the page has no end")
    return page


def read_scrape(text: str, at_s: float) -> Scrape:
    """Return a page of metrics in Prometheus' text format. Raises ValueError if it is none."""
    found: dict[str, float] = {}
    parts: dict[str, tuple[float, float]] = {}
    for sample in (one for family in text_string_to_metric_families(text) for one in family.samples):
        found.setdefault(sample.name, sample.value)
        if part := sample.labels.get("part"):
            total_s, count = parts.get(part, (0.0, 0.0))
            if sample.name == f"{_PART}_sum":
                parts[part] = sample.value, count
            elif sample.name == f"{_PART}_count":
                parts[part] = total_s, sample.value
    sessions = next((found[name] for name in _ACTIVE if name in found), 0.0)
    return Scrape(at_s, found.get(_CPU), found.get(_MEMORY), sessions, parts)


def cost_of(scrapes: list[Scrape]) -> Cost | None:
    """Return what happened between the first and the last reading; None where there is nothing to compare."""
    told: list[Any] = [one for one in scrapes if one.cpu_s is not None and one.memory_bytes is not None]
    if len(told) < 2:
        return None
    first, last = told[0], told[-1]
    session_s = sum(
        (after.at_s - before.at_s) * (before.sessions + after.sessions) / 2 for before, after in pairwise(told)
    )
    most, peak_bytes = max(one.sessions for one in told), max(one.memory_bytes for one in told)
    cpu_s = last.cpu_s - first.cpu_s
    return Cost(
        cpu_per_session=cpu_s / session_s if session_s else None,
        memory_per_session_bytes=(peak_bytes - first.memory_bytes) / most if most else None,
        cores=cpu_s / max(last.at_s - first.at_s, 1e-9),
        peak_memory_bytes=peak_bytes,
        parts_ms=_means(first, last),
    )


def _means(first: Scrape, last: Scrape) -> dict[str, float]:
    means: dict[str, float] = {}
    for part, (total_s, count) in last.parts.items():
        before_s, before = first.parts.get(part, (0.0, 0.0))
        if count > before:
            means[part] = (total_s - before_s) / (count - before) * 1000
    return means
