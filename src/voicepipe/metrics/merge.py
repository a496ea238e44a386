"""The series of several processes as one server's: counters and histograms sum, and outlive the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

__all__ = ["Merged", "Snapshot", "kept_of", "snapshot_of"]

Snapshot: TypeAlias = "list[list[Any]]"
"""Series as plain data: name, documentation, type, and samples of a name, labels and a value each."""

# Those that only grow. What a worker has counted stays counted when it is gone.
_GROWING = ("counter", "histogram")
# Gauges that do not sum: the server is as well as its least healthy process, and as old as its oldest one.
_LEAST = ("voicepipe_health_ok", "voicepipe_service_up", "process_start_time_seconds", "process_max_fds")

_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


def snapshot_of(metrics: Iterable[Metric]) -> Snapshot:
    """Return series as data that travels between processes."""
    return [
        [metric.name, metric.documentation, metric.type, [[one.name, one.labels, one.value] for one in metric.samples]]
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
    families: dict[str, tuple[Metric, dict[_Key, float]]] = {}
    for name, documentation, kind, samples in (family for snapshot in snapshots for family in snapshot):
        _, values = families.setdefault(name, (Metric(name, documentation, kind), {}))
        for sample, labels, value in samples:
            key = sample, tuple(sorted(labels.items()))
            values[key] = _joined(name, values[key], value) if key in values else value
    for metric, values in families.values():
        for (sample, labels), value in values.items():
            metric.add_sample(sample, dict(labels), value)
        yield metric


def _joined(name: str, one: float, other: float) -> float:
    return min(one, other) if name in _LEAST else one + other
