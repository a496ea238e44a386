"""Packages that npm installs for tests, once for each lock file, in the user's cache."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import pytest
from needs import require

__all__ = ["installed"]


def installed(folder: Path) -> Path:
    """The folder whose `node_modules` are those of the lock file in `folder`."""
    require("node")
    require("npm")
    lock = (folder / "package-lock.json").read_bytes()
    target = Path(platformdirs.user_cache_dir("voicepipe")) / "tests" / hashlib.sha256(lock).hexdigest()[:16]
    target.mkdir(parents=True, exist_ok=True)
    with _locked(target / "lock"):
        if not (target / "installed").exists():
            _install(folder, target)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes out: two that install into one folder at a time ruin it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path, target: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(folder / name, target)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm ci failed: {done.stderr[-500:]}")
    (target / "installed").touch()
