"""Conversations on one core: the users' timetable, the report, and a conversation with the do-nothing backend."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from benchmarks.common.carried import COLUMNS, Carried, carry
from benchmarks.common.load import TURN_S, load, offsets_s
from benchmarks.common.server import Backend
from benchmarks.sessions import Counts, Found, report_of
from rich.console import Console

ONE = Carried("voicepipe", 16, 36.0, [8.0, 10.0], 14.0, 0.224, 110.0, 80.0, turns=2, underruns=0, errors=0, late_ms=1.0)


def found(*carried: Carried) -> Found:
    return Found(list(carried), ready_s=0.9, ready_cpu_s=0.8)


def test_users_begin_all_over_a_turn_and_no_two_of_them_in_step() -> None:
    """In step are users whose packets, every 40 ms, come in the same millisecond."""
    for count in (8, 32, 40):
        offsets = offsets_s(count)
        assert offsets == sorted(offsets)
        assert 0 <= offsets[0] < TURN_S / count * 2
        assert TURN_S * (1 - 3 / count) < offsets[-1] < TURN_S
        phases = sorted(offset % 0.04 for offset in offsets)
        assert min(late - early for early, late in pairwise(phases)) > 0.0001


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"added_ms": [8.0, 300.0]}, id="late answers"),
        pytest.param({"turns": 3}, id="a turn that was lost"),
        pytest.param({"underruns": 1}, id="sound that came late"),
        pytest.param({"errors": 1}, id="an error"),
        pytest.param({"added_ms": [], "turns": 0}, id="nothing at all"),
    ],
)
def test_a_number_of_conversations_is_not_in_real_time_with(wrong: dict[str, object]) -> None:
    """Each of them is enough."""
    assert ONE.in_real_time
    assert not replace(ONE, **wrong).in_real_time  # pyright: ignore[reportArgumentType]


def test_the_most_in_real_time_ends_before_the_first_number_that_is_not() -> None:
    """A larger number that was in real time by chance counts no more."""
    counts = [replace(ONE, count=count, errors=int(count == 32)) for count in (16, 24, 32, 40)]
    assert found(*counts).in_real_time("voicepipe") == 24
    assert found(*counts).in_real_time("pipecat") == 0


def test_the_figures_name_the_server_of_each_row() -> None:
    """No reader needs to guess it from the order of the numbers."""
    report = report_of(found(ONE, replace(ONE, server="pipecat"), replace(ONE, server="do-nothing")))
    assert [row["server"] for row in report.raw] == ["voicepipe", "pipecat", "do-nothing"]
    assert report.raw[0]["p95_ms"] == pytest.approx(9.9)
    assert report.raw[0]["in_real_time"] is True


def test_latency_is_promised_above_the_do_nothing_backend_of_the_same_run() -> None:
    """At the numbers at which both were measured."""
    floor = replace(ONE, server="do-nothing", added_ms=[4.0, 4.0])
    budgets = {one.what: one for one in report_of(found(ONE, floor)).budgets if "above" in one.what}
    assert {what: (one.measured, one.limit) for what, one in budgets.items()} == {
        "added latency above the do-nothing backend's, at 16, p50": (5.0, 6.0),
        "added latency above the do-nothing backend's, at 16, p95": (pytest.approx(5.9), 12.0),
    }


def test_a_report_says_why_pipecat_is_missing() -> None:
    """It is installed by pip, which may fail."""
    without = found(ONE)
    without.notes.append("pipecat was not measured: pip cannot install pipecat-ai")
    notes = report_of(without).notes
    assert notes[0] == "pipecat was not measured: pip cannot install pipecat-ai"
    assert not any(note.startswith("pipecat 1") for note in notes)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_the_table_with_whole_words(width: int) -> None:
    """Also with large figures."""
    large = replace(
        ONE, server="do-nothing", count=128, added_ms=[1500.0] * 2, memory_mb=1200.0, turns=900, errors=1024
    )
    text = io.StringIO()
    report_of(found(ONE, large)).print(Console(file=text, width=width))
    lines = text.getvalue().splitlines()
    head = next(line for line in lines if "server" in line)
    assert all(column in head for column in COLUMNS), head
    assert max(map(len, lines)) <= width
    assert sum("do-nothing" in line and "│" in line for line in lines) == 1


def test_the_numbers_of_conversations_fit_into_the_time() -> None:
    """14 minutes, with the users' beginnings all over a turn, and a second for the server to clean up."""
    from benchmarks.sessions import FEW, FEW_LAST_S, LASTS_S, WARM_UP_S

    counts: Sequence[int] = [*Counts().voicepipe, *Counts().nothing, *Counts().pipecat]
    talk_s = sum((FEW_LAST_S if count <= FEW else LASTS_S) + TURN_S + 1 for count in counts)
    assert talk_s + 3 * (WARM_UP_S + 5) < 14 * 60


@pytest.mark.programs
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_conversation_with_the_do_nothing_backend() -> None:
    """A real process, real services, and one turn of a user."""

    async def talk() -> Carried:
        async with load() as services:
            with Backend([sys.executable, "-m", "benchmarks.sides.do_nothing", *services.urls]) as backend:
                return await carry(services, backend, "do-nothing", backend.url, 1, 12.0, backend.memory_mb())

    one = asyncio.run(talk())
    assert (one.turns, one.lost, one.errors) == (1, 0, 0)
    assert one.p50_ms > 0
    assert 0 < one.cpu_ms < 1000
    assert one.memory_mb >= one.base_mb > 10
