"""The files of the page at `/`, as they are served."""

from __future__ import annotations

import re

import aiohttp
import pytest
import reactivex


def silent(_):
    return reactivex.never()


async def test_every_file_that_the_page_names_is_there(serve):
    """And each module that one of them imports; a browser is told not to guess their types."""
    async with serve(silent) as served:
        async with served.http.get(f"{served.url}/") as answer:
            index = await answer.text()
        names = {*re.findall(r'(?:href|src)="page/([^"]+)"', index)}
        assert {"main.js", "style.css"} < names
        for name in sorted(names):
            async with served.http.get(f"{served.url}/page/{name}") as answer:
                text = await answer.text()
                assert answer.status == 200, name
                assert answer.content_type == ("text/css" if name.endswith("css") else "text/javascript")
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert {*re.findall(r'from "./([^"]+)"', text)} <= names, name


async def test_all_modules_are_asked_for_at_once(serve):
    """The worklets alone come later, when a conversation begins."""
    async with serve(silent) as served, served.http.get(f"{served.url}/") as answer:
        preloaded = re.findall(r'modulepreload" href="page/([^"]+)"', await answer.text())
        assert "conversation.js" in preloaded
        assert not [name for name in preloaded if "worklet" in name or name == "playback_buffer.js"]


async def test_a_browser_loads_a_file_once(serve):
    """It asks with the tag that it has, and is told that nothing has changed; the page's tag is its version."""
    async with serve(silent) as served:
        for path in ("/", "/page/main.js"):
            async with served.http.get(f"{served.url}{path}") as answer:
                tag, text = answer.headers["ETag"], await answer.text()
            async with served.http.get(f"{served.url}{path}", headers={"If-None-Match": tag}) as again:
                assert (again.status, await again.text()) == (304, "")
            async with served.http.get(f"{served.url}{path}", headers={"If-None-Match": '"other"'}) as other:
                assert other.status == 200
            if path == "/":
                assert f'name="page-version" content={tag}' in text


async def test_a_file_that_is_not_the_pages_is_not_served(serve):
    async with serve(silent) as served:
        for name in ("index.html", "page.py", "..%2fsettings.py", "nothing.js"):
            async with served.http.get(f"{served.url}/page/{name}") as answer:
                assert answer.status == 404, name


async def test_the_page_tells_no_address_of_a_service(serve):
    async with (
        serve(silent, llm_url="http://secret.example:11434") as served,
        aiohttp.ClientSession() as http,
        http.get(f"{served.url}/") as answer,
    ):
        text = await answer.text()
        assert "A language model on a service." in text
        assert "secret" not in text


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "local"),
        ({"call_host": "0.0.0.0"}, "all"),
        ({"ice_servers": ["turn:turn.example:3478"]}, "all"),
    ],
)
async def test_the_page_knows_where_calls_come_about(serve, settings, told):
    """Of a server that receives UDP on loopback, a page that a proxy has passed on makes none."""
    pytest.importorskip("aiortc")
    async with serve(lambda _: reactivex.never(), **settings) as served, served.http.get(f"{served.url}/") as answer:
        assert f'name="webrtc" content="{told}"' in await answer.text()
