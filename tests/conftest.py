"""What all tests share: `pytester` for the tests of the pytest plugin, the real speech, and CI's rule about skips."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from newcomer import build_wheel

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def recordings() -> Path:
    """A folder of real human speech: `two_cities.wav`, `beckett.wav`; inside a package of the extra `embedded`."""
    found = importlib.util.find_spec("moonshine_voice")
    if found is None or found.origin is None:
        pytest.skip("needs the extra `embedded`")
    return Path(found.origin).parent / "assets"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, as pip builds it: once, when the tests that use it are in the xdist group `wheel`."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing is skipped: what skips there was not tested, and fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and os.environ.get("CI"):
        names = ", ".join(sorted({report.nodeid for report in skipped}))
        reporter.write_line(f"In CI nothing may be skipped, and {len(skipped)} tests were: {names}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
