"""Programs that pip does not install. A test that needs an absent one is skipped, with the program's name and source.

In CI a skip is a failure: `tests/conftest.py`.
"""

from __future__ import annotations

import shutil

import pytest

__all__ = ["SOURCES", "require"]

SOURCES = {
    "chromium": "apt-get install chromium",
    "go": "apt-get install golang-go, or https://go.dev",
    "nginx": "apt-get install nginx-light",
    "node": "Node.js 20: apt-get install nodejs, or https://nodejs.org",
    "npm": "it comes with Node.js 20: apt-get install npm, or https://nodejs.org",
    "prometheus": "apt-get install prometheus",
    "systemd-analyze": "apt-get install systemd",
    "redis-server": "apt-get install redis-server",
}
"""The way to install each program."""

# Debian keeps servers in /usr/sbin, which is not on every user's path.
_ALSO = "/usr/local/bin:/usr/sbin"


def require(program: str) -> str:
    """Return the path of a program; skip the test when it is not installed."""
    found = shutil.which(program) or shutil.which(program, path=_ALSO)
    if found is None:
        pytest.skip(f"needs {program} ({SOURCES[program]})")
    return found
