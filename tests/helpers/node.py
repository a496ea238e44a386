"""Packages that npm installs for tests, once for each lock file, in the user's cache."""

import hashlib
import shutil
import subprocess
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
    if not (target / "installed").exists():
        target.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, target)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm ci failed: {done.stderr[-500:]}")
        (target / "installed").touch()
    return target
