"""The series of several processes as those of one server."""

from __future__ import annotations

import ormsgpack
import pytest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from structlog.contextvars import bound_contextvars

from voicepipe.metrics.exemplars import observe_in_session
from voicepipe.metrics.merge import Merged, Snapshot, kept_of, snapshot_of
from voicepipe.metrics.registry import Metrics
from voicepipe.server.workers.totals import Totals


def series(*snapshots: Snapshot) -> dict[str, float]:
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    families = text_string_to_metric_families(encode(Merged(snapshots)).decode())
    return {
        one.name + "".join(f",{name}={value}" for name, value in sorted(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }


def counted(sessions: int, *, ok: bool = True, reason: str = "full") -> Snapshot:
    """A process with so many sessions on, and as many that were refused; as it comes over the wire."""
    metrics = Metrics()
    metrics.session.count.inc(sessions)
    metrics.session.active.set(sessions)
    metrics.session.refused.labels(reason).inc(sessions)
    metrics.server.health_ok.set(ok)
    for _ in range(sessions):
        metrics.session.duration.observe(20)
    return ormsgpack.unpackb(ormsgpack.packb(snapshot_of(metrics.collect())))


def test_counters_histograms_and_gauges_sum() -> None:
    """Health is that of the least healthy process; the texts can be parsed."""
    found = series(counted(2), counted(3, ok=False, reason="stopping"))
    assert found["voicepipe_sessions_total"] == found["voicepipe_active_sessions"] == 5
    assert found["voicepipe_sessions_refused_total,reason=full"] == 2
    assert found["voicepipe_sessions_refused_total,reason=stopping"] == 3
    assert found["voicepipe_session_duration_seconds_bucket,le=30.0"] == 5
    assert found["voicepipe_session_duration_seconds_sum"] == 100
    assert found["voicepipe_health_ok"] == 0
    assert found["process_start_time_seconds"] == min(
        series(counted(0))["process_start_time_seconds"], found["process_start_time_seconds"]
    )


def test_what_a_process_has_counted_stays_when_it_is_gone() -> None:
    """Its gauges do not."""
    kept = kept_of(kept_of([], counted(2)), counted(1))
    found = series(counted(4), kept)
    assert (found["voicepipe_sessions_total"], found["voicepipe_active_sessions"]) == (7, 4)
    assert found["voicepipe_session_duration_seconds_count"] == 7


@pytest.mark.parametrize("sessions", [0, 3])
def test_one_process_alone_is_as_it_was(sessions: int) -> None:
    metrics = Metrics()
    metrics.session.count.inc(sessions)
    families = metrics.render("application/openmetrics-text; version=1.0.0")[0].decode()
    merged = choose_encoder("application/openmetrics-text; version=1.0.0")[0](Merged([snapshot_of(metrics.collect())]))
    own = [line for line in families.splitlines() if line.startswith(("voicepipe", "# HELP voicepipe"))]
    assert [line for line in merged.decode().splitlines() if line.startswith(("voicepipe", "# HELP voicepipe"))] == own


def test_the_newest_exemplar_of_several_processes_is_kept() -> None:
    """It travels with the sample, and stays when its process is gone."""

    def seen(session: str) -> Snapshot:
        metrics = Metrics()
        with bound_contextvars(session=session):
            observe_in_session(metrics.talk.voice_to_voice, 0.85)
        return ormsgpack.unpackb(ormsgpack.packb(snapshot_of(metrics.collect())))

    older, newer = seen("sess_older"), seen("sess_newer")
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    for snapshots in ([older, newer], [newer, kept_of(older)], [kept_of(newer, older)]):
        families = text_string_to_metric_families(encode(Merged(snapshots)).decode())
        named = [one.exemplar.labels for family in families for one in family.samples if one.exemplar is not None]
        assert named == [{"session_id": "sess_newer"}]


def test_a_server_of_several_processes_is_scraped_in_both_formats() -> None:
    """With the supervisor's own series: how many workers serve, and what one that is gone has counted."""
    totals = Totals()
    totals.note(0, counted(2))
    totals.keep(0)
    snapshots = totals.all({1: counted(3), 2: None}, workers=2)
    found = series(*snapshots)
    assert (found["voicepipe_workers"], found["voicepipe_sessions_total"]) == (2, 5)
    plain = choose_encoder("")[0](Merged(snapshots)).decode()
    assert "voicepipe_workers 2.0\n" in plain
