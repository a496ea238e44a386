"""The server's page in a real browser."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import web
from needs import require
from served import Engine

from voicepipe.loader import load_pipeline
from voicepipe.server import ServerSettings, make_app

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

pytestmark = pytest.mark.e2e


async def shown(engine: Engine, profile: Path) -> str:
    """What the page is once its script has run, without the script."""
    chromium = require("chromium")
    app = make_app(load_pipeline("pipelines/echo.py"), engine, ServerSettings())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        browser = await asyncio.create_subprocess_exec(
            chromium, *QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=3000", "--dump-dom", url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        page, _ = await asyncio.wait_for(browser.communicate(), 60)
        return re.sub(r"<script.*?</script>", "", page.decode(), flags=re.DOTALL)
    finally:
        await runner.cleanup()


def test_the_page_says_how_the_server_is(tmp_path: Path) -> None:
    """Each service by its state, fetched by the page itself, and the address to talk to."""
    page = asyncio.run(shown(Engine(), tmp_path))
    assert "ready to talk" in page
    assert "/v1/realtime" in page


def test_the_page_says_what_is_down(tmp_path: Path) -> None:
    """A server without its language model is not ready, and the page does not pretend."""
    engine = Engine()
    engine.up["llm_up"] = False
    page = asyncio.run(shown(engine, tmp_path))
    assert "not ready" in page
    assert "ready to talk" not in page
