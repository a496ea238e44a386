"""From figures to their meaning: percentiles, what a run cost, whether it was in real time, and its picture."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from voicepipe.client import write_stereo
from voicepipe.client.samples import has_samples
from voicepipe.drawing.latency import Bar, bars_svg
from voicepipe.events import Samples
from voicepipe.load.capacity import CapacitySearch
from voicepipe.load.connections import as_unmute
from voicepipe.load.figures import TurnFigures, UserFigures
from voicepipe.load.plot import summary_svg
from voicepipe.load.processes import Finished
from voicepipe.load.server_figures import Scrape, ServerFigures, cost_of, read_scrape
from voicepipe.load.speech import NoSpeech, read_speech
from voicepipe.load.summary import Percentiles, Summary, summarise
from voicepipe.metrics.registry import Metrics

PARTS = {"endpointing": 300.0, "tts": 200.0}


def user(number: int = 0, latencies: tuple[float, ...] = (500.0, 600.0), **more: Any) -> UserFigures:
    turns = [TurnFigures(index * 5.0, ms, ms, PARTS) for index, ms in enumerate(latencies)]
    return UserFigures(number, 0.0, turns=turns, asked=len(turns), heard_s=4.0 * len(turns), **more)


def summary(*users: UserFigures) -> Summary:
    return summarise(Finished(list(users), 60.0, 6.0), None)


# ---- whether it was in real time -------------------------------------------------------------------------------------


def test_a_run_in_which_nothing_is_missing_is_kept_up() -> None:
    made = summary(user(0), user(1))
    assert made.kept_up
    assert made.latency_ms == Percentiles(4, 500, 600, 600, 600)
    assert made.parts_ms["tts"].p50 == 200
    assert (made.own_cores, made.outcomes["done"]) == (pytest.approx(0.1), 2)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (user(latencies=(1_000.0, 1_000.0)), "half of all answers took more than 900 ms"),
        (user(latencies=(500.0, 2_000.0)), "one answer in twenty took more than 1500 ms"),
        (user(underruns=3, underrun_s=0.5), "5.9% of the bot's sound came too late"),
        (replace(user(), unanswered=1), "1 of 2 turns were not answered"),
        (user(outcome="refused", reason="full"), "1 of 1 users were refused"),
        (user(outcome="failed", reason="gone"), "1 of 1 users were cut off"),
        (user(latencies=()), "no answer was heard"),
        (user(late_ms=700), "the simulated users were late by 700 ms"),
    ],
)
def test_what_is_not_kept_up_says_why(odd: UserFigures, why: str) -> None:
    """One reason each."""
    (told,) = summary(odd).misses
    assert why in told


def test_reasons_and_complaints_are_counted() -> None:
    users = [user(0, problems=["slow", "slow"]), user(1, problems=["slow"], outcome="failed", reason="gone")]
    made = summary(*users)
    assert (made.problems, made.reasons) == ({"slow": 3}, {"gone": 1})


# ---- what it cost ----------------------------------------------------------------------------------------------------


def test_cpu_and_memory_are_shared_out_among_the_sessions() -> None:
    """Two sessions for 10 s, of which each took a tenth of a core and 3 MB."""
    readings = [(0.0, 5.0, 100e6, 0), (1.0, 5.0, 100e6, 2), (11.0, 7.0, 106e6, 2), (12.0, 7.0, 104e6, 0)]
    scrapes = [Scrape(*one) for one in readings]
    cost = cost_of(scrapes)
    assert cost is not None
    assert cost.cpu_per_session == pytest.approx(2.0 / 22)  # with the seconds in which they came and went
    assert cost.memory_per_session_bytes == 3e6
    assert cost.cores == pytest.approx(2 / 12)


def test_the_parts_are_those_of_this_run() -> None:
    """Not of what the server had answered before."""
    metrics = Metrics()
    texts: list[str] = []
    for seconds in (0.5, 0.1, 0.3):
        metrics.talk.part.labels("tts").observe(seconds)
        texts.append(metrics.render()[0].decode())
    cost = cost_of([read_scrape(text, float(number)) for number, text in enumerate(texts)])
    assert cost is not None
    assert cost.parts_ms == {"tts": pytest.approx(200)}


@pytest.mark.parametrize("texts", [[], ["up 1\n", "up 1\n"]])
def test_a_server_that_does_not_tell_costs_nothing_that_is_known(texts: list[str]) -> None:
    assert cost_of([read_scrape(text, 0.0) for text in texts]) is None


# ---- the search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carries", [0, 1, 2, 7, 40, 63, 64, 1_000])
def test_the_search_finds_what_a_server_carries(carries: int) -> None:
    """To 5 %, in few runs, and never beyond its bound."""
    search, runs = CapacitySearch(first=1, most=64), 0
    while (sessions := search.next) is not None:
        assert 1 <= sessions <= 64
        search.note(sessions, kept_up=sessions <= carries)
        runs += 1
    assert min(carries, 64) * 0.95 - 1 <= search.found <= min(carries, 64)
    assert runs <= 13


# ---- dialects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("completed", ["response.done", "response.audio.done"]),
        ("cancelled", ["response.done", "unmute.interrupted_by_vad"]),
        ("failed", ["response.done", "error", "response.audio.done"]),
    ],
)
def test_the_end_of_a_response_is_said_as_unmute_says_it(status: str, said: list[str]) -> None:
    message = {"type": "response.done", "response": {"status": status}}
    assert [one["type"] for one in as_unmute(message)] == said


def test_both_of_openais_dialects_read_the_same() -> None:
    for kind in ("response.output_audio.delta", "response.audio.delta"):
        assert list(as_unmute({"type": kind, "delta": "AA=="})) == [{"type": "response.audio.delta", "delta": "AA=="}]


# ---- speech ----------------------------------------------------------------------------------------------------------


def test_users_say_the_recordings_of_a_folder(tmp_path: Path) -> None:
    """Each is a turn; other files are left out."""
    (tmp_path / "notes.txt").write_text("no sound")
    with pytest.raises(NoSpeech, match="has no recording"):
        read_speech(tmp_path)
    for length in (1_200, 2_400):
        one = tone(length)
        write_stereo(tmp_path / f"{length}.wav", one, one)
    assert [len(one) for one in read_speech(tmp_path)] == [1_200, 2_400]
    long = tone(31 * 24_000)
    write_stereo(tmp_path / "long.wav", long, long)
    with pytest.raises(NoSpeech, match="lasts 31 s"):
        read_speech(tmp_path)


def tone(samples: int) -> Samples:
    return np.full(samples, 0.1, np.float32)


@pytest.mark.skipif(not has_samples(), reason="needs the extra `embedded`")
def test_without_a_folder_they_say_the_samples() -> None:
    assert [len(one) for one in read_speech(None)] == [98_400, 96_000]


# ---- the picture -----------------------------------------------------------------------------------------------------


def test_a_run_is_drawn_with_its_parts() -> None:
    """Valid XML; a dot for each answer, and a coloured bar for each part."""
    drawing = summary_svg(summary(user(0), user(1, barge_ins_ms=[150.0])), "2 users <here>")
    root = ElementTree.fromstring(drawing)
    assert root.find("{*}title").text == "2 users <here>"  # type: ignore[union-attr]
    assert len(root.findall("{*}circle")) == 4
    assert any("2 users: 2 to the end, 0 refused" in (one.text or "") for one in root.findall("{*}text"))
    assert [one.find("{*}title").text for one in root.findall("{*}rect") if one.find("{*}title") is not None] == [  # type: ignore[union-attr]
        "endpointing: 300 ms", "tts: 200 ms",
    ]  # fmt: skip


def test_a_run_without_an_answer_is_drawn_all_the_same() -> None:
    assert ElementTree.fromstring(summary_svg(summary(user(latencies=())), "nothing")) is not None


def test_bars_are_as_long_as_their_parts() -> None:
    root = ElementTree.fromstring(bars_svg([Bar("1", 400.0, {"a": 100.0, "b": 200.0}), Bar("2", 100.0)], "turns"))
    widths = [float(one.attrib["width"]) for one in root.findall("{*}rect") if one.attrib.get("height") == "16"]
    assert widths == pytest.approx([115.0, 230.0, 115.0, 115.0], abs=0.1)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "error", "error": "it failed"},
        {"type": "response.done", "response": "done"},
        {"type": "response.done", "response": {"status": "failed", "status_details": ["no", "reasons"]}},
    ],
)
def test_a_message_of_a_wrong_form_is_no_exception(message: dict[str, Any]) -> None:
    """One server that sends it does not end the load."""
    assert list(as_unmute(message))


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" if self.path == "/metrics" else b"")
            while True:
                self.wfile.write(b"a 1\n" * 100_000)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_page_of_metrics_without_an_end_is_not_read_to_it() -> None:
    """The load goes on, and its cost is unknown."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    figures = ServerFigures(f"ws://127.0.0.1:{server.server_port}", None)
    figures.start()
    assert figures.stop() is None
    server.shutdown()
    server.server_close()
