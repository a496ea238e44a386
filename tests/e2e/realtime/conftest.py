"""A scripted server in a process of its own, and the official clients, installed once and as they are."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from node import installed

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """`async def test_…` runs in real time, for a minute and a half at most, or its module's `LONGEST_S`."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    longest_s = getattr(pyfuncitem.module, "LONGEST_S", 90)
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), longest_s))
    return True


@contextmanager
def _running(*arguments: str) -> Iterator[str]:
    """The address of a server, which must end in peace when it is asked to, with no error in its log."""
    command = [sys.executable, str(HERE / "scripted_server.py"), *arguments]
    path = os.pathsep.join(filter(None, [str(HERE.parents[1] / "helpers"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            found = re.search(r"http://\S+", first)
            assert found, first + process.stdout.read()
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
        assert process.wait(timeout=60) == 0, rest
        assert "Traceback" not in rest, rest
        assert "error" not in rest.lower().replace("[error_", ""), rest


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Open to everybody, on this machine. One for all modules of an xdist group: a start takes 2 s of CPU."""
    with _running() as url:
        yield url


@pytest.fixture(scope="session")
def locked_server() -> Iterator[str]:
    """For those who have the key `sk-right`."""
    with _running("--api-key", "sk-right") as url:
        yield url


@pytest.fixture(scope="session")
def concierge() -> Iterator[str]:
    """With the pipeline whose model may book tables."""
    with _running("--pipeline", str(HERE.parents[2] / "pipelines" / "concierge.py")) as url:
        yield url


@pytest.fixture(scope="session")
def echo() -> Iterator[str]:
    """With the pipeline that says what it hears."""
    with _running("--pipeline", str(HERE.parents[2] / "pipelines" / "echo.py")) as url:
        yield url


Node = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """`node("agents.mjs", url, "scene")`: what the script prints as JSON in its last line, with the packages of our
    `package-lock.json`. They are installed once per lock file, into the user's cache folder. Keywords are variables of
    the environment."""
    modules = installed(HERE)

    def run(script: str, *arguments: str, **environment: str) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("node")
        (folder / "node_modules").symlink_to(modules / "node_modules")
        shutil.copy(HERE / "common.mjs", folder)
        shutil.copy(HERE / script, folder)
        done = subprocess.run(
            ["node", script, *arguments],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])

    return run
