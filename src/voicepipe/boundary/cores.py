"""The number of CPU cores that this process may use, which a container or `taskset` can limit."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["usable_cores"]

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> int:
    """Return the whole cores within the CPU affinity and the cgroup quotas, 1 at least.

    Python's `os.process_cpu_count` (3.13) knows the affinity and no quota: a container with `--cpus 2` on a machine of
    64 cores would admit 64 sessions. A quota counts at each level of the cgroups (version 2, and version 1).

    Args:
        cgroups: Where the cgroups are mounted.
        own_cgroup: The file that names this process's cgroup.
    """
    quotas = [quota for folder in _folders(cgroups, own_cgroup) if (quota := _quota(folder)) is not None]
    return max(1, math.floor(min([float(_scheduled()), *quotas])))


def _scheduled() -> int:
    """Return the cores on which the system may run this process; macOS and Windows do not say."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _folders(cgroups: Path, own_cgroup: Path) -> Iterator[Path]:
    """Yield the process's cgroup and those above it. In a container its own one is mounted as the root."""
    try:
        lines = own_cgroup.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / "cpu" if controllers else cgroups
        folder = root / path.lstrip("/")
        while folder != root and root in folder.parents:
            yield folder
            folder = folder.parent
        yield root


def _quota(folder: Path) -> float | None:
    """Return a cgroup's quota in cores; None: it has none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
