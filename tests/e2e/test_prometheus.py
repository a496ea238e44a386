"""A real Prometheus scrapes a server, and answers every query of the dashboard."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import reactivex
import yaml
from aiohttp import web
from needs import require
from processes import free_port, running, wait_for_port
from served import UPDATE, Client, Engine

from voicepipe.conversation import Conversation
from voicepipe.events import ConversationEnded, ReplyEnded, ReplyStarted, SpeechStarted, TurnEnded, TurnMeasured
from voicepipe.operators.latency import PARTS
from voicepipe.server import ServerSettings, make_app

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("prometheus")]

DEPLOY = Path(__file__).parents[2] / "docs/deploy"
TALK = Conversation("Be brief.")


def one_turn(_: Any) -> reactivex.Observable[Any]:
    """A measured turn, and goodbye."""
    measured = TurnMeasured(600.0, dict.fromkeys(PARTS, 100.0))
    return reactivex.of(
        SpeechStarted(0, 0),
        TurnEnded("Hi", 1),
        ReplyStarted(TALK),
        measured,
        ReplyEnded("Hi!", TALK),
        ConversationEnded("Bye!"),
    )


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """A server on loopback; its port."""
    runner = web.AppRunner(make_app(one_turn, Engine(), ServerSettings()), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


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
        async with serving() as ours:
            command = [
                program,
                f"--config.file={config(ours, tmp_path)}",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
            ]
            with running(command, log) as process:
                await asyncio.to_thread(wait_for_port, port, process, log)
                async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
                    await watch(http, ours)

    asyncio.run(main())


async def watch(http: aiohttp.ClientSession, ours: int) -> None:
    await value(http, 'up{job="voicepipe"}', 1)
    await value(http, "voicepipe_sessions_total", 0)
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"http://127.0.0.1:{ours}/v1/realtime", protocols=("realtime",)) as socket,
    ):
        await Client(socket).send(UPDATE)
        assert (await Client(socket).end())[0] == 1000
    await value(http, "voicepipe_sessions_total", 1)
    await value(http, "voicepipe_active_sessions", 0)
    await value(http, "voicepipe_health_ok", 1)
    await value(http, 'voicepipe_voice_to_voice_seconds_bucket{le="0.6"}', 1)
    await value(http, "histogram_quantile(0.5, sum by (le) (voicepipe_voice_to_voice_seconds_bucket)) < 0.9", 0.55)
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
    """Return whether the query finds a sample; a rate needs two scrapes."""
    for _ in range(30):
        if await ask(http, query):
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
