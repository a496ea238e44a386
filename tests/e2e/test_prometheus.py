"""A real Prometheus scrapes a real server under a real conversation, and answers every query of the dashboard.

The services are stand-ins that speak the real protocols; a simulated user talks, and interrupts.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import yaml
from aiohttp import web
from needs import require
from processes import free_port, running, wait_for_port

from voicepipe.boundary.workers import Workers
from voicepipe.engine.build import build_engine
from voicepipe.load.sessions import Load, run_user
from voicepipe.load.user import Manner
from voicepipe.loader import load_pipeline
from voicepipe.metrics.registry import Metrics
from voicepipe.server import make_app
from voicepipe.server.loop_watch import watched_loop
from voicepipe.server.settings import AppSettings
from voicepipe.session import STAGE_NAMES
from voicepipe.testing.servers import ByVoice, LlmServer, SttServer, TtsServer

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("prometheus")]

DEPLOY = Path(__file__).parents[2] / "docs/deploy"
HEARS = "what time is it in the town where you live"
ANSWER = "It is a quarter past nine, and the sun is shining on all the roofs of the town."
TONE = (0.3 * np.sin(np.arange(24_000) * 0.07)).astype(np.float32)

UNMUTES = (
    *("sessions_total", "active_sessions", "session_duration_seconds_count", "turns_total", "replies_total"),
    *("stt_sessions_total", "stt_sent_frames_total", "stt_received_words_total", "stt_find_seconds_count"),
    *("stt_ping_seconds_count", "stt_ttft_seconds_count", "stt_session_duration_seconds_count"),
    *(
        "stt_audio_duration_seconds_count",
        "stt_received_frames_total",
        "stt_session_words_sum",
        "tts_sessions_total",
        "tts_sent_words_total",
        "tts_received_frames_total",
    ),
    *("tts_received_words_total", "tts_find_seconds_count", "tts_ping_seconds_count", "tts_ttft_seconds_count"),
    *("tts_audio_duration_seconds_count", "tts_generation_duration_seconds_count"),
    *("llm_sessions_total", "llm_sent_words_total", "llm_received_words_total", "llm_find_seconds_count"),
    *("llm_ping_seconds_count", "llm_ttft_seconds_count", "llm_generation_duration_seconds_count"),
    *("llm_request_length_words_count", "llm_reply_length_words_count", "voice_to_voice_seconds_count"),
    *("interruptions_total", "barge_in_seconds_count", "health_ok", "capacity"),
    *('llm_tokens_total{kind="input"}', 'session_tokens_sum{kind="output"}', 'session_characters_sum{side="bot"}'),
)
"""What Unmute exports, and what a conversation adds: each has been observed in one."""


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[int, Metrics]]:
    """A server on loopback, with services of its own: its port, and its metrics."""
    async with (
        SttServer(ByVoice(HEARS), pause_after_s=0.4) as stt,
        TtsServer(first_audio_s=0.05) as tts,
        LlmServer(lambda _: ANSWER, first_token_s=0.05) as llm,
    ):
        settings, metrics = AppSettings(stt_url=stt.url, tts_url=tts.url, llm_url=llm.url), Metrics()
        engine = build_engine(settings, max_sessions=4, uses=STAGE_NAMES, observe=metrics.observer)
        app = make_app(load_pipeline(None), engine, settings, metrics=metrics)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            with watched_loop(metrics.process):
                yield runner.addresses[0][1], metrics
        finally:
            await runner.cleanup()
            await engine.disconnect()


async def an_embedded_model_works(metrics: Metrics) -> None:
    """In a pool, as embedded models do; the services here have none."""
    workers, done = Workers(1, "models", metrics.process), asyncio.Event()
    workers.submit(lambda _: None, lambda _: done.set(), what="stt")
    await done.wait()
    await asyncio.to_thread(workers.close, 5)


def config(port: int, folder: Path) -> Path:
    file = folder / "prometheus.yml"
    scrape = {"job_name": "voicepipe", "scrape_interval": "1s", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    rules = {"rule_files": [str(DEPLOY / "alerts.yml")], "global": {"evaluation_interval": "1s"}}
    file.write_text(json.dumps({"scrape_configs": [scrape], **rules}))  # JSON is YAML
    return file


async def ask(http: aiohttp.ClientSession, query: str) -> Any:
    async with http.get("/api/v1/query", params={"query": query}) as answer:
        if answer.status == 503:  # it listens before it is ready
            return []
        body = await answer.json()
    assert body["status"] == "success", f"{query}: {body}"
    return body["data"]["result"]


async def value(http: aiohttp.ClientSession, query: str, wanted: float) -> None:
    """Wait until the query's one sample has this value."""
    found: list[float] = []
    try:
        async with asyncio.timeout(30):
            while found != [wanted]:
                found = [float(sample["value"][1]) for sample in await ask(http, query)]
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"{query} is {found}, not {wanted}")


def test_prometheus_reads_what_happened(tmp_path: Path) -> None:
    """One conversation: it is scraped without an error, and each panel's query can be evaluated."""
    program, log, port = require("prometheus"), tmp_path / "log", free_port()

    async def main() -> None:
        async with serving() as (ours, metrics):
            command = [
                program,
                f"--config.file={config(ours, tmp_path)}",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
            ]
            with running(command, log) as process:
                await asyncio.to_thread(wait_for_port, port, process, log)
                async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
                    await watch(http, ours, metrics)

    asyncio.run(main())


async def watch(http: aiohttp.ClientSession, ours: int, metrics: Metrics) -> None:
    await value(http, 'up{job="voicepipe"}', 1)
    await value(http, "voicepipe_sessions_total", 0)
    await an_embedded_model_works(metrics)
    await value(http, "voicepipe_model_seconds_count", 1)
    manner = Manner(lasts_s=5, pause_s=(0.3, 0.5), barge_ins=0.7, barge_in_s=(0.8, 1.0))
    load = Load(f"http://127.0.0.1:{ours}", "ga", 1, 0.0, manner, [TONE], "Be brief.")
    user = await run_user(load, 0, asyncio.get_running_loop().time(), lambda _: None)
    assert (user.outcome, user.problems) == ("done", [])
    assert user.turns, user
    await an_embedded_model_works(metrics)
    await value(http, "voicepipe_session_duration_seconds_count", 1)
    await value(http, "voicepipe_active_sessions", 0)
    await value(http, "voicepipe_health_ok", 1)
    await value(http, "voicepipe_capacity", 4)
    for series in UNMUTES:
        found = await ask(http, f"voicepipe_{series}")
        assert found, f"there is no {series}"
        assert "active" in series or float(found[0]["value"][1]) > 0, f"{series} is 0"
    empty = {query for query in queries() if not await answered(http, query)}
    assert not empty, "\n".join(["these queries find nothing:", *sorted(empty)])
    await check_rules(http)


def queries() -> Iterator[str]:
    """Yield every query of the dashboard, and what each alert compares with its bound."""
    board = json.loads((DEPLOY / "grafana/voicepipe.json").read_text("utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "1m").replace("$job", ".*")
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        yield from (re.split(r" (?:==|>|<) ", rule["expr"])[0] for rule in group["rules"])


async def answered(http: aiohttp.ClientSession, query: str) -> bool:
    """Return whether the query finds a figure; a rate needs two scrapes."""
    for _ in range(30):
        if any(not math.isnan(float(sample["value"][1])) for sample in await ask(http, query)):
            return True
        await asyncio.sleep(0.1)
    return False


async def check_rules(http: aiohttp.ClientSession) -> None:
    """Check that Prometheus has evaluated every alert without an error, and that none fires."""
    async with http.get("/api/v1/rules") as answer:
        groups = (await answer.json())["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == 6
    assert [rule["name"] for rule in rules if (rule["health"], rule["state"]) != ("ok", "inactive")] == []
