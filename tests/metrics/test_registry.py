"""The series: which there are, what feeds each, and that the dashboard knows no others."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import numpy as np
import pytest
import reactivex
from reactivex import operators as ops
from scraped import Scraped
from structlog.contextvars import bound_contextvars

from voicepipe.boundary.overflow import BoundaryFull, Overflow
from voicepipe.conversation import Conversation, ItemId
from voicepipe.events import (
    Audio,
    OutOfBandResponse,
    Overflowed,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeculationEnded,
    SpeechStarted,
    StageFailed,
    TokensCounted,
    TurnEnded,
    TurnMeasured,
    WordRecognised,
    WordSpoken,
)
from voicepipe.llm.errors import LlmGarbled, LlmUnavailable
from voicepipe.metrics.registry import Metrics
from voicepipe.metrics.series import BoundedLabel
from voicepipe.metrics.session import TurnMetrics
from voicepipe.metrics.stages import metered_llm, metered_stages, metered_stt, metered_tts
from voicepipe.operators.latency import PARTS
from voicepipe.rx import LoopScheduler
from voicepipe.services.errors import AtCapacity, ConnectionLost, FailureReason, ServiceUnavailable
from voicepipe.session import Stages
from voicepipe.stage import StageError

DASHBOARD = Path(__file__).parents[2] / "docs/deploy/grafana/voicepipe.json"
TALK = Conversation("Be brief.").user_said("How are you?")
SECOND = Audio(np.zeros(24_000, np.float32), 24_000)


def names(metrics: Metrics) -> set[str]:
    """As a query names them: every sample that there could be."""
    found: set[str] = set()
    for metric in metrics.collect():
        match metric.type:
            case "counter":
                found.add(f"{metric.name}_total")
            case "histogram":
                found |= {f"{metric.name}_{part}" for part in ("bucket", "count", "sum")}
            case _:
                found.add(metric.name)
    return found


# ---- which there are -------------------------------------------------------------------------------------------------


def test_each_service_has_the_series_that_a_deployment_of_unmute_knows():
    """Sessions, misses, times, frames and words, by its name."""
    there = names(Metrics())
    for service in ("stt", "tts", "llm"):
        for series in (
            "sessions_total", "active_sessions", "misses_total", "hard_misses_total", "ping_seconds_sum",
            "find_seconds_sum", "ttft_seconds_sum", "interrupts_total", "hard_errors_total",
            "session_duration_seconds_sum",
        ):  # fmt: skip
            assert f"voicepipe_{service}_{series}" in there
    for series in (
        "stt_sent_frames_total", "stt_received_words_total", "stt_audio_duration_seconds_sum",
        "tts_sent_words_total", "tts_received_frames_total", "tts_received_words_total",
        "tts_audio_duration_seconds_sum", "tts_generation_duration_seconds_sum",
        "llm_sent_words_total", "llm_received_words_total", "llm_generation_duration_seconds_sum",
        "llm_request_length_words_sum", "llm_reply_length_words_sum",
        "sessions_total", "active_sessions", "session_duration_seconds_sum", "health_ok",
        "forced_disconnects_total", "fatal_service_misses_total", "hard_errors_total", "voice_donations_total",
        "voice_to_voice_seconds_bucket", "voice_to_voice_part_seconds_bucket", "barge_in_seconds_bucket",
        "stt_received_frames_total", "stt_session_words_sum", "service_misses_total", "hard_service_misses_total",
        "overflows_total", "overflow_seconds_total", "llm_tokens_total", "session_tokens_sum",
        "session_characters_sum", "worker_wait_seconds_bucket", "model_seconds_bucket", "capacity",
    ):  # fmt: skip
        assert f"voicepipe_{series}" in there


def test_budgets_are_bounds_of_buckets():
    """So that "how many turns were within it" is counted, not guessed between two bounds."""
    scraped = Scraped.of(Metrics())
    for bound in ("0.9", "1.5"):
        assert f'voice_to_voice_seconds_bucket{{le="{bound}"}}' in scraped
    assert 'barge_in_seconds_bucket{le="0.25"}' in scraped


def test_the_dashboard_shows_nothing_that_does_not_exist():
    """Every series in a query is one of ours; each panel has a place of its own."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    named = set(re.findall(r"\b(?:voicepipe|process)_\w+", " ".join(queries)))
    assert len(named) > 40
    assert named <= names(Metrics())
    ids = [panel["id"] for panel in board["panels"]]
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(ids)) == len(ids)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_two_servers_in_one_process_count_apart():
    """Nothing is global."""
    one, other = Metrics(), Metrics()
    one.session.count.inc()
    assert (Scraped.of(one)["sessions_total"], Scraped.of(other)["sessions_total"]) == (1, 0)


def test_the_scraper_chooses_the_format():
    """Text for people and old scrapers, OpenMetrics for those that ask; no times of creation in either."""
    text, plain = Metrics().render()
    assert plain.startswith("text/plain")
    assert b"# TYPE voicepipe_sessions_total counter" in text
    openmetrics, kind = Metrics().render("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert openmetrics.endswith(b"# EOF\n")
    assert b"_created" not in text + openmetrics


def test_a_label_takes_few_values():
    """A pipeline that names its stages by the minute fills no disk."""
    label = BoundedLabel(most=2)
    assert [label(name) for name in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]


# ---- from events -----------------------------------------------------------------------------------------------------


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def turns(metrics) -> TurnMetrics:
    turns = TurnMetrics(metrics, lambda: turns.now_s)  # type: ignore[attr-defined]
    turns.now_s = 10.0  # type: ignore[attr-defined]
    return turns


def test_voice_to_voice_and_its_parts(metrics, turns):
    """In seconds; a part that nobody knows is left out."""
    turns.note(TurnMeasured(900.0, {**dict.fromkeys(PARTS, 150.0), "magic": 1.0}))
    scraped = Scraped.of(metrics)
    assert scraped['voice_to_voice_seconds_bucket{le="0.9"}'] == 1
    assert scraped["voice_to_voice_seconds_sum"] == pytest.approx(0.9)
    for part in PARTS:
        assert scraped[f'voice_to_voice_part_seconds_sum{{part="{part}"}}'] == pytest.approx(0.15)
    assert scraped['voice_to_voice_part_seconds_count{part="magic"}'] == 0


def test_barge_in_is_from_the_first_sound_to_silence(metrics, turns):
    """Not from the moment at which the sound was noticed to be speech."""
    turns.note(ReplyStarted(TALK))
    turns.note(SpeechStarted(at_s=3.0, noticed_s=3.1))
    turns.now_s = 10.05
    turns.note(ReplyInterrupted("I am", TALK))
    assert Scraped.of(metrics)["barge_in_seconds_sum"] == pytest.approx(0.15)
    assert Scraped.of(metrics)["interruptions_total"] == 1


@pytest.mark.parametrize("between", [(), (SpeechStarted(1, 1), TurnEnded("", 2))])
def test_a_reply_that_the_client_cancels_is_no_barge_in(metrics, turns, between):
    """Nobody spoke, or only coughed a while ago: interrupted, but nothing to measure."""
    for event in (SpeechStarted(0, 0), TurnEnded("Hi", 1), ReplyStarted(TALK), *between, ReplyInterrupted("", TALK)):
        turns.note(event)
    assert Scraped.of(metrics).seen("barge_in") == {}
    assert Scraped.of(metrics)["interruptions_total"] == 1


def test_turns_replies_and_words_are_counted(metrics, turns):
    """A turn without words is none."""
    events = (
        TurnEnded("", 1),
        TurnEnded("Hi", 2),
        ReplyStarted(TALK),
        WordSpoken("Well", 0, 1),
        ReplyEnded("Well", TALK),
    )
    for event in events:
        turns.note(event)
    scraped = Scraped.of(metrics)
    assert (scraped["turns_total"], scraped["replies_total"], scraped["tts_received_words_total"]) == (1, 1, 1)


def test_what_overflows_is_counted_by_boundary(metrics, turns):
    """In times and in seconds of sound; a boundary that tells a running total counts what is new."""
    turns.note(Overflowed("STT", 80))
    turns.note(Overflowed("STT", 40))
    for total_ms in (0, 500, 500, 700):
        turns.note_lost("the line", total_ms)
    scraped = Scraped.of(metrics)
    drops = 'policy="drop_oldest"'
    assert scraped[f'overflows_total{{boundary="STT",{drops}}}'] == 2
    assert scraped[f'overflow_seconds_total{{boundary="STT",{drops}}}'] == pytest.approx(0.12)
    assert scraped[f'overflows_total{{boundary="the line",{drops}}}'] == 2
    assert scraped[f'overflow_seconds_total{{boundary="the line",{drops}}}'] == pytest.approx(0.7)


def test_an_overflow_has_the_policy_of_its_boundary(metrics, turns):
    """A boundary that fails the turn counts, too, and a pipeline's own policy takes no label of its own."""
    turns.note(Overflowed("places", 20, "latest"))
    turns.note(Overflowed("places", 20, "by the colour of its hat"))
    turns.note(StageFailed("TTS", BoundaryFull("tts", 64)))
    turns.note(StageFailed("STT", StageError("STT", BoundaryFull("stt", 4, Overflow.FAIL_SESSION)), fatal=True))
    assert Scraped.of(metrics).seen("overflows_total") == {
        '{boundary="places",policy="latest"}': 1, '{boundary="places",policy="other"}': 1,
        '{boundary="tts",policy="fail_turn"}': 1, '{boundary="stt",policy="fail_session"}': 1,
    }  # fmt: skip


def test_tokens_and_characters_are_summed_over_a_session(metrics, turns):
    """When it ends; the tokens of out-of-band replies belong to it."""
    events = (
        WordRecognised("Hello!", 0, 1),
        TurnEnded("Hello!", 1),
        TokensCounted(100, 20, 60),
        ReplyInterrupted("I am", TALK),
        OutOfBandResponse(ItemId("side"), TokensCounted(10, 5)),
        ReplyEnded("Good.", TALK),
    )
    for event in events:
        turns.note(event)
    assert Scraped.of(metrics).seen("session_tokens") == {}
    turns.close()
    scraped = Scraped.of(metrics)
    for kind, count in (("input", 110), ("cached", 60), ("output", 25)):
        assert scraped[f'llm_tokens_total{{kind="{kind}"}}'] == count
        assert scraped[f'session_tokens_sum{{kind="{kind}"}}'] == count
    assert scraped["stt_session_words_sum"] == 1
    assert scraped['session_characters_sum{side="user"}'] == len("Hello!")
    assert scraped['session_characters_sum{side="bot"}'] == len("I am") + len("Good.")


def test_replies_that_were_begun_ahead_are_counted_with_what_they_cost(metrics, turns):
    """The tokens of one that was thrown away have been used; those of the other come with its reply."""
    assert Scraped.of(metrics)['speculations_total{outcome="used"}'] == 0
    for event in (SpeculationEnded(used=True), SpeculationEnded(used=False, tokens=(TokensCounted(100, 20, 60),))):
        turns.note(event)
    scraped = Scraped.of(metrics)
    assert [scraped[f'speculations_total{{outcome="{what}"}}'] for what in ("used", "thrown_away")] == [1, 1]
    assert scraped['llm_tokens_total{kind="output"}'] == 20


def test_a_figure_names_its_session_where_the_format_allows(metrics, turns):
    """In OpenMetrics; the older text format has no exemplars."""
    with bound_contextvars(session="sess_1"):
        turns.note(TurnMeasured(850.0, {"tts": 850.0}))
    openmetrics = metrics.render("application/openmetrics-text; version=1.0.0")[0].decode()
    (line,) = [line for line in openmetrics.splitlines() if 'voice_to_voice_seconds_bucket{le="0.9"}' in line]
    assert ' # {session_id="sess_1"} 0.85 ' in line
    assert b"sess_1" not in metrics.render()[0]


def test_a_service_that_was_not_to_be_had_is_fatal(metrics, turns):
    """Beside the failure of its stage; a stage that is no service is "other"."""
    gone = ServiceUnavailable("speech synthesis (TTS)", [])
    for stage, error in (("TTS", gone), ("LLM", LlmUnavailable("x", "is gone")), ("mine", gone), ("TTS", OSError())):
        turns.note(StageFailed(stage, error))
    scraped = Scraped.of(metrics)
    assert scraped.seen("fatal_service_misses_total") == {
        '{service="tts"}': 1, '{service="llm"}': 1, '{service="other"}': 1,
    }  # fmt: skip
    assert scraped['stage_failures_total{stage="TTS"}'] == 2


# ---- from services on the network ------------------------------------------------------------------------------------


def test_full_is_no_fault(metrics):
    """Misses and hard misses are two series."""
    observer = metrics.observer("tts")
    for why in (FailureReason.FULL, FailureReason.FULL, FailureReason.TIMED_OUT, FailureReason.REFUSED):
        observer.missed(why)
    metrics.observer("stt").missed(FailureReason.FULL)
    scraped = Scraped.of(metrics)
    assert (scraped["tts_misses_total"], scraped["tts_hard_misses_total"]) == (2, 2)
    assert (scraped["service_misses_total"], scraped["hard_service_misses_total"]) == (3, 2)


def test_all_that_an_observer_is_told_has_a_series(metrics):
    """From opening to closing."""
    observer = metrics.observer("stt")
    observer.session_opened()
    observer.found(0.2)
    observer.pinged(0.1)
    observer.sent(3)
    observer.first_item(0.4)
    observer.received(2)
    observer.stepped(40)
    observer.generated(5.0, 6.0)
    observer.interrupted()
    observer.failed(ConnectionLost("speech recognition (STT)", "gone"))
    assert Scraped.of(metrics)["stt_active_sessions"] == 1
    observer.session_closed(7.0)
    assert Scraped.of(metrics).seen("stt_") == {
        "sessions_total": 1, "session_duration_seconds_count": 1, "session_duration_seconds_sum": 7,
        "find_seconds_count": 1, "find_seconds_sum": 0.2, "ping_seconds_count": 1, "ping_seconds_sum": 0.1,
        "received_frames_total": 40,
        "sent_frames_total": 3, "ttft_seconds_count": 1, "ttft_seconds_sum": 0.4, "received_words_total": 2,
        "audio_duration_seconds_count": 1, "audio_duration_seconds_sum": 5, "interrupts_total": 1,
        "hard_errors_total": 1,
    }  # fmt: skip


def test_a_service_that_was_not_found_has_not_broken(metrics):
    """Its misses have been counted one by one."""
    observer = metrics.observer("tts")
    observer.failed(ServiceUnavailable("speech synthesis (TTS)", []))
    observer.failed(AtCapacity("speech synthesis (TTS)"))
    assert Scraped.of(metrics)["tts_hard_errors_total"] == 1


# ---- from embedded stages --------------------------------------------------------------------------------------------


def test_an_llm_is_timed_from_its_question(metrics, virtual_loop):
    """Pieces of words make words; what it read and wrote is measured in them."""
    pieces = reactivex.concat(
        *(reactivex.timer(0.2).pipe(ops.map(lambda _, text=text: text)) for text in ("I am", " f", "ine, ", "thanks"))
    )
    llm = metered_llm(lambda _: pieces, metrics.llm, metrics.llm)
    subscription = llm(TALK).subscribe(scheduler=LoopScheduler(virtual_loop))
    assert Scraped.of(metrics)["llm_active_sessions"] == 1
    virtual_loop.run(asyncio.sleep(1))
    subscription.dispose()
    seen = Scraped.of(metrics).seen("llm_")
    assert {name: round(value, 6) for name, value in seen.items()} == {
        "sessions_total": 1, "session_duration_seconds_count": 1, "session_duration_seconds_sum": 0.8,
        "sent_words_total": 5, "received_words_total": 4, "ttft_seconds_count": 1, "ttft_seconds_sum": 0.2,
        "generation_duration_seconds_count": 1, "generation_duration_seconds_sum": 0.8,
        "request_length_words_count": 1, "request_length_words_sum": 5,
        "reply_length_words_count": 1, "reply_length_words_sum": 4,
    }  # fmt: skip


def test_an_answer_that_is_cut_is_an_interrupt(metrics, virtual_loop):
    """Once; and it is not active any more."""
    llm = metered_llm(lambda _: reactivex.never(), metrics.llm, metrics.llm)
    llm(TALK).subscribe(scheduler=LoopScheduler(virtual_loop)).dispose()
    scraped = Scraped.of(metrics)
    assert (scraped["llm_interrupts_total"], scraped["llm_active_sessions"]) == (1, 0)


@pytest.mark.parametrize(
    ("error", "series"),
    [
        (LlmGarbled("x", "talks nonsense"), "hard_errors_total"),
        (StageError("LLM", LlmGarbled("x", "talks nonsense")), "hard_errors_total"),
        (LlmUnavailable("x", "is full", why=FailureReason.FULL), "misses_total"),
        (LlmUnavailable("x", "is gone", why=FailureReason.REFUSED), "hard_misses_total"),
    ],
)
def test_an_llm_that_fails_is_counted_by_how(metrics, virtual_loop, error, series):
    """And its error goes on as it was."""
    seen: list[Exception] = []
    llm = metered_llm(lambda _: reactivex.throw(error), metrics.llm, metrics.llm)
    llm(TALK).subscribe(on_error=seen.append, scheduler=LoopScheduler(virtual_loop))
    assert seen == [error]
    scraped = Scraped.of(metrics)
    assert scraped[f"llm_{series}"] == 1
    assert scraped["llm_interrupts_total"] == 0


def test_a_synthesiser_is_timed_from_its_first_word(metrics, virtual_loop):
    """Words in, frames of 80 ms out."""
    tts = metered_tts(
        lambda source: source.pipe(
            ops.flat_map(lambda _: reactivex.timer(0.3).pipe(ops.map(lambda _: ReplyAudio(SECOND))))
        ),
        metrics.tts,
    )
    words = reactivex.of(ReplyText("Hello"), ReplyText(" you")).pipe(ops.delay_subscription(1.0))
    words.pipe(tts).subscribe(scheduler=LoopScheduler(virtual_loop))
    virtual_loop.run(asyncio.sleep(2))
    seen = Scraped.of(metrics).seen("tts_")
    assert {name: round(value, 6) for name, value in seen.items()} == {
        "sessions_total": 1, "session_duration_seconds_count": 1, "session_duration_seconds_sum": 1.3,
        "sent_words_total": 2, "received_frames_total": 25, "ttft_seconds_count": 1, "ttft_seconds_sum": 0.3,
        "audio_duration_seconds_count": 1, "audio_duration_seconds_sum": 2,
        "generation_duration_seconds_count": 1, "generation_duration_seconds_sum": 0.3,
    }  # fmt: skip


def test_a_recogniser_is_timed_from_the_speech(metrics, virtual_loop):
    """Not from the silence before; the end of its session cuts nothing short."""
    sound = [SECOND, SECOND, SpeechStarted(at_s=2.0, noticed_s=2.1)]
    stt = metered_stt(
        lambda source: source.pipe(
            ops.filter(lambda event: isinstance(event, SpeechStarted)),
            ops.flat_map(lambda _: reactivex.timer(0.4).pipe(ops.map(lambda _: WordRecognised("Hello there", 2, 3)))),
        ),
        metrics.stt,
    )
    running = reactivex.concat(reactivex.from_iterable(sound), reactivex.never()).pipe(stt)
    subscription = running.subscribe(scheduler=LoopScheduler(virtual_loop))
    virtual_loop.run(asyncio.sleep(1))
    subscription.dispose()
    seen = Scraped.of(metrics).seen("stt_")
    assert {name: round(value, 6) for name, value in seen.items()} == {
        "sessions_total": 1, "session_duration_seconds_count": 1, "session_duration_seconds_sum": 1,
        "sent_frames_total": 25, "received_words_total": 2, "ttft_seconds_count": 1, "ttft_seconds_sum": 0.5,
        "audio_duration_seconds_count": 1, "audio_duration_seconds_sum": 2,
    }  # fmt: skip


def test_a_service_that_tells_by_itself_is_not_counted_twice(metrics, virtual_loop):
    """Its stage is left as it is; of an LLM its stage knows everything but the time to find it."""

    mine = Stages(
        None, lambda _: reactivex.empty(), lambda _: _, lambda _: reactivex.just("Fine."), lambda _: lambda _: _
    )
    stages = metered_stages(mine, metrics)
    assert stages.stt is not mine.stt
    assert stages.backlog is mine.backlog
    for service in ("stt", "tts"):
        metrics.observer(service)
    metrics.observer("llm").found(0.1)
    stages = metered_stages(mine, metrics)
    assert (stages.stt, stages.tts) == (mine.stt, mine.tts)
    stages.llm(TALK).subscribe(scheduler=LoopScheduler(virtual_loop))
    scraped = Scraped.of(metrics)
    for series in ("find_seconds_count", "sessions_total", "request_length_words_count", "reply_length_words_count"):
        assert scraped[f"llm_{series}"] == 1
