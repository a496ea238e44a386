"""The series of all workers, those that are gone included."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from voicepipe.metrics.merge import Snapshot, kept_of, snapshot_of

__all__ = ["Totals"]


class Totals:
    """The counts of the workers. A counter never goes back: what was told once is kept when its worker is gone."""

    def __init__(self) -> None:
        self._last: dict[int, Snapshot] = {}
        self._kept: Snapshot = []
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        self._workers = Gauge("voicepipe_workers", "Worker processes that serve.", registry=self._own)

    def note(self, worker: int, snapshot: Snapshot) -> None:
        """Note the series of a worker."""
        self._last[worker] = snapshot

    def keep(self, worker: int) -> None:
        """Keep what a worker has counted that is gone."""
        self._kept = kept_of(self._kept, self._last.pop(worker, []))

    def all(self, told: Mapping[int, Snapshot | None], *, workers: int) -> list[Snapshot]:
        """Return the series of the workers, of those before them and of this process.

        Args:
            told: What each worker has just told; None for one that has not answered.
            workers: The number of workers that serve.
        """
        self._last |= {worker: snapshot for worker, snapshot in told.items() if snapshot is not None}
        self._workers.set(workers)
        return [*self._last.values(), self._kept, snapshot_of(self._own.collect())]
