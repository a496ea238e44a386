"""Simulated users on real sockets against the real server with scripted stages, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import numpy as np
import pytest
import reactivex
from aiohttp import web
from reactivex import operators as ops
from scripted_stages import scripted_stages
from served import Engine
from structlog.testing import capture_logs

from voicepipe.load.connections import DIALECTS, Dialect
from voicepipe.load.figures import TurnFigures, UserFigures
from voicepipe.load.sessions import Load, run_user
from voicepipe.load.user import Manner
from voicepipe.loader import load_pipeline
from voicepipe.server import ServerSettings, make_app
from voicepipe.server.http.runner import Runner
from voicepipe.testing import VirtualLoop

QUESTION = (0.3 * np.sin(np.arange(24_000) * 0.07)).astype(np.float32)
"""A second, loud to its end."""
PATIENT = Manner(lasts_s=5, pause_s=(0.3, 0.6), barge_ins=0.0)


class Scripted(Engine):
    def __init__(self, words: int, max_sessions: int = 4) -> None:
        super().__init__(max_sessions)
        self._reply = " ".join(["La"] * words)

    def stages(self) -> Any:
        answer = reactivex.just(self._reply).pipe(ops.delay_subscription(0.3))
        return replace(scripted_stages(lambda _: ""), llm=lambda _: answer, on_close=super().stages().on_close)


def users(
    loop: VirtualLoop,
    *,
    dialect: Dialect = "ga",
    manner: Manner = PATIENT,
    sessions: int = 1,
    engine: Engine | None = None,
    heard: list[TurnFigures] | None = None,
) -> list[UserFigures]:
    """Return the figures of users that talk to the default pipeline."""

    async def main() -> list[UserFigures]:
        app = make_app(load_pipeline(None), engine or Scripted(5), ServerSettings())
        runner = Runner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            load = Load(url, dialect, sessions, sessions * 0.5, manner, [QUESTION], "Be brief.")
            tell = (lambda _: None) if heard is None else heard.append
            began_s = asyncio.get_running_loop().time()
            return await asyncio.gather(*(run_user(load, number, began_s, tell) for number in range(sessions)))
        finally:
            await runner.cleanup()

    return loop.run(main())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_user_talks_in_turns_and_hears_each_answer(virtual_loop: VirtualLoop, dialect: Dialect) -> None:
    """In every dialect the same: nothing is late in virtual time, and nothing is missing."""
    heard: list[TurnFigures] = []
    with capture_logs() as logged:
        (user,) = users(virtual_loop, dialect=dialect, heard=heard)
    assert [line["code"] for line in logged if line["event"] == "session.ended"] == [1000]  # it has left in order
    assert (user.outcome, user.reason, user.problems) == ("done", "", [])
    assert user.asked == len(user.turns) >= 2
    assert heard == user.turns
    assert (user.unanswered, user.over_user, user.underruns, user.barge_ins_ms) == (0, 0, 0, [])
    assert all(200 < turn.latency_ms < 1_000 for turn in user.turns)
    assert user.heard_s >= 0.95 * len(user.turns)
    assert user.late_ms < 1
    assert 5 < user.lasted_s < 12


def test_unmutes_dialect_tells_where_the_time_goes(virtual_loop: VirtualLoop) -> None:
    """The parts sum to the server's own account."""
    (user,) = users(virtual_loop, dialect="unmute")
    for turn in user.turns:
        assert turn.server_ms == pytest.approx(sum(turn.parts_ms.values()))
        assert turn.server_ms == pytest.approx(turn.latency_ms, abs=120)


@pytest.mark.parametrize("dialect", ["ga", "unmute"])
def test_a_user_interrupts_and_measures_the_silence(virtual_loop: VirtualLoop, dialect: Dialect) -> None:
    manner = replace(PATIENT, lasts_s=8, barge_ins=1.0, barge_in_s=(0.5, 0.6))
    (user,) = users(virtual_loop, dialect=dialect, manner=manner, engine=Scripted(15))
    assert user.outcome == "done"
    assert len(user.barge_ins_ms) >= 2
    assert all(50 < ms < 500 for ms in user.barge_ins_ms)


def test_users_come_one_after_the_other_and_a_full_server_refuses_the_last(virtual_loop: VirtualLoop) -> None:
    told = users(virtual_loop, sessions=3, engine=Scripted(5, max_sessions=2))
    assert [user.began_s for user in told] == pytest.approx([0.0, 0.5, 1.0])
    assert [user.outcome for user in told] == ["done", "done", "refused"]
    assert "taken" in told[-1].reason
    first, second = ([turn.at_s - user.began_s for turn in user.turns] for user in told[:2])
    assert first != pytest.approx(second)  # they do not speak in step


def test_no_server_is_a_failure_with_its_reason(virtual_loop: VirtualLoop) -> None:
    load = Load("http://127.0.0.1:9", "ga", 1, 0.0, PATIENT, [QUESTION])
    user = virtual_loop.run(run_user(load, 0, virtual_loop.time(), lambda _: None))
    assert user.outcome == "failed"
    assert "no server answers" in user.reason


def test_a_server_that_goes_cuts_its_users_off(virtual_loop: VirtualLoop) -> None:
    """With the code and the reason of its close."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await asyncio.sleep(2)
        await socket.close(code=aiohttp.WSCloseCode.INTERNAL_ERROR, message=b"out of memory")
        return socket

    async def main() -> UserFigures:
        app = web.Application()
        app.router.add_get("/v1/realtime", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        load = Load(f"http://127.0.0.1:{runner.addresses[0][1]}", "ga", 1, 0.0, PATIENT, [QUESTION])
        user = await run_user(load, 0, asyncio.get_running_loop().time(), lambda _: None)
        await runner.cleanup()
        return user

    user = virtual_loop.run(main())
    assert (user.outcome, user.reason) == ("failed", "out of memory")
    assert user.lasted_s == pytest.approx(2, abs=0.05)
