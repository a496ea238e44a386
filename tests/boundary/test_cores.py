"""The cores that a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voicepipe.boundary.cores import usable_cores


@pytest.fixture(autouse=True)
def _machine_of_eight(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def cgroups(folder: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A file system with these files below the cgroups, and a process in `own`."""
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "self").write_text(own)
    return folder / "cgroup", folder / "self"


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/", {}, 8),
        ("0::/", {"cpu.max": "max 100000\n"}, 8),
        ("0::/", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/", {"cpu.max": "1600000 100000\n"}, 8),
        ("0::/", {"cpu.max": "nonsense"}, 8),
        ("0::/pods/one", {"pods/one/cpu.max": "max 100000\n", "pods/cpu.max": "300000 100000\n"}, 3),
        ("4:cpu,cpuacct:/\n0::/", {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ("4:cpu,cpuacct:/\n0::/", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("4:memory:/", {"cpu.max": "100000 100000"}, 8),
    ],
)
def test_a_quota_counts_at_each_level(tmp_path: Path, own: str, files: dict[str, str], cores: int):
    """In version 2 and in version 1 of cgroups; a part of a core is none, but one there is always."""
    assert usable_cores(*cgroups(tmp_path, own, files)) == cores


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As `taskset` sets it."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5}, raising=False)
    assert usable_cores(*cgroups(tmp_path, "0::/", {"cpu.max": "400000 100000"})) == 2


def test_elsewhere_all_cores_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On macOS and Windows, which have neither."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores(tmp_path / "none", tmp_path / "neither") == 6
