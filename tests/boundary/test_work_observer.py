"""A pool tells its observer how long jobs wait and work."""

from __future__ import annotations

import asyncio

from scraped import Scraped
from structlog.contextvars import bound_contextvars

from voicepipe.boundary.workers import Workers
from voicepipe.metrics.registry import Metrics


async def _done(workers: Workers, what: str) -> None:
    done = asyncio.Event()
    workers.submit(lambda _: None, lambda _: done.set(), what=what)
    await done.wait()


def test_work_is_counted_by_kind_and_waiting_by_pool() -> None:
    """The figures name the session, in whose context the job was submitted."""
    metrics = Metrics()
    workers = Workers(1, "models", metrics.process)

    async def main() -> None:
        with bound_contextvars(session="sess_1"):
            await _done(workers, "stt")
        await _done(workers, "tts")

    asyncio.run(main())
    workers.close(5)
    scraped = Scraped.of(metrics)
    assert scraped['worker_wait_seconds_count{pool="models"}'] == 2
    assert scraped['model_seconds_count{stage="stt"}'] == scraped['model_seconds_count{stage="tts"}'] == 1
    text = metrics.render("application/openmetrics-text; version=1.0.0")[0].decode()
    named = [line for line in text.splitlines() if "sess_1" in line]
    assert {line.partition("{")[0] for line in named} == {
        "voicepipe_worker_wait_seconds_bucket", "voicepipe_model_seconds_bucket",
    }  # fmt: skip
