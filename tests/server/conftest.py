"""A server and its clients on one virtual loop: real sockets, no waiting. Coroutine tests run on that loop."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest
import sphn
import structlog
from aiohttp import web
from aiohttp.web_app import _cached_build_middleware  # pyright: ignore[reportPrivateUsage]
from served import Engine, Served
from structlog.testing import capture_logs

from voicepipe.server import ServerSettings, make_app
from voicepipe.server.http.runner import Runner
from voicepipe.session import Pipeline
from voicepipe.testing import VirtualLoop


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """`async def test_…` takes no real time; what it leaves behind on the loop fails it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    loop: VirtualLoop = pyfuncitem._request.getfixturevalue("virtual_loop")
    wanted = inspect.signature(pyfuncitem.obj).parameters
    loop.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture(autouse=True)
def _on_a_virtual_loop(virtual_loop: VirtualLoop) -> VirtualLoop:
    return virtual_loop


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Every line that is logged, with the session it belongs to."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        yield lines


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve() -> Serve:
    """`async with serve(pipeline, **settings) as served`."""

    @asynccontextmanager
    async def serving(
        pipeline: Pipeline, engine: Engine | None = None, *, handler_cancellation: bool = False, **settings: Any
    ) -> AsyncIterator[Served]:
        engine = engine or Engine()
        app = make_app(pipeline, engine, ServerSettings(**settings))
        runner = Runner(app, handler_cancellation=handler_cancellation)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with aiohttp.ClientSession() as http:
                yield Served(http, runner, engine)
        finally:
            await runner.cleanup()
            _cached_build_middleware.cache_clear()  # of aiohttp: it keeps 1,024 applications, with all that they hold
        assert engine.closed == engine.made

    return serving


@pytest.fixture
def pages() -> Callable[[int], list[bytes]]:
    """The packets of a new Ogg-Opus stream, 80 ms each."""

    def make(count: int) -> list[bytes]:
        writer = sphn.OpusStreamWriter(24_000)
        phase = itertools.count(0, 1920)
        tone = [np.sin(np.arange(at, at + 1920) * 0.05, dtype=np.float32) for at in itertools.islice(phase, count)]
        return [writer.append_pcm(samples * np.float32(0.3)) for samples in tone]

    return make
