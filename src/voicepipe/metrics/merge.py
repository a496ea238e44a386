"""The series of several processes as one server's: counters and histograms sum, and outlive the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar, Sample

__all__ = ["Merged", "Snapshot", "kept_of", "snapshot_of"]

Snapshot: TypeAlias = "list[list[Any]]"
"""Series as plain data: name, documentation, type, and samples of a name, labels, a value and an exemplar each. An
exemplar is its labels, its value and its time; None where there is none."""

# Those that only grow. What a worker has counted stays counted when it is gone.
_GROWING = ("counter", "histogram")
# Gauges that do not sum: the server is as well as its least healthy process, and as old as its oldest one.
_LEAST = ("voicepipe_health_ok", "voicepipe_service_up", "process_start_time_seconds", "process_max_fds")

_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
_Exemplar: TypeAlias = "list[Any]"


def snapshot_of(metrics: Iterable[Metric]) -> Snapshot:
    """Return series as data that travels between processes."""
    return [
        [metric.name, metric.documentation, metric.type, [_written(one) for one in metric.samples]]
        for metric in metrics
    ]


def kept_of(*snapshots: Snapshot) -> Snapshot:
    """Return what remains of processes that are gone: the sums of what only grows."""
    return snapshot_of(metric for metric in _merged(snapshots) if metric.type in _GROWING)


class Merged(CollectorRegistry):
    """The series of several processes, as an encoder takes them."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        super().__init__()
        self._snapshots = snapshots

    def collect(self) -> Iterable[Metric]:
        """Return each series once."""
        return _merged(self._snapshots)


def _merged(snapshots: Sequence[Snapshot]) -> Iterable[Metric]:
    families: dict[str, tuple[Metric, dict[_Key, float], dict[_Key, _Exemplar]]] = {}
    for name, documentation, kind, samples in (family for snapshot in snapshots for family in snapshot):
        _, values, exemplars = families.setdefault(name, (Metric(name, documentation, kind), {}, {}))
        for sample, labels, value, exemplar in samples:
            key = sample, tuple(sorted(labels.items()))
            values[key] = _joined(name, values[key], value) if key in values else value
            if exemplar is not None:
                exemplars[key] = max(exemplars.get(key, exemplar), exemplar, key=_time_of)
    for metric, values, exemplars in families.values():
        for key, value in values.items():
            metric.add_sample(key[0], dict(key[1]), value, exemplar=_read(exemplars.get(key)))
        yield metric


def _written(sample: Sample) -> list[Any]:
    one = sample.exemplar
    told = None if one is None else [dict(one.labels), one.value, one.timestamp]
    return [sample.name, sample.labels, sample.value, told]


def _read(exemplar: _Exemplar | None) -> Exemplar | None:
    return None if exemplar is None else Exemplar(*exemplar)


def _time_of(exemplar: _Exemplar) -> float:
    """Return when it was seen: the newest of several is kept."""
    return exemplar[2] or 0.0


def _joined(name: str, one: float, other: float) -> float:
    return min(one, other) if name in _LEAST else one + other
