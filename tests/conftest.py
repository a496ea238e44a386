"""Shared by all tests: the marker `unit`, hypothesis' profile, the real speech, and two rules for a whole run."""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from examples import IN_CI, examples
from hypothesis import settings

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
NOT_UNIT = {"models", "e2e", "programs", "explored"}
CACHES = {".hypothesis", ".pytest_cache", ".ruff_cache", "__pycache__"}
"""What the tools themselves keep in the repository's root; git ignores it."""

GARBAGE = (50_000, 10, 20)
"""Python's own thresholds, (700, 10, 10), cost 10 s of CPU in a run of 8,000 tests: full collections, most of them."""

# Collection makes no garbage that is worth 2 s of CPU, or 4 s where the tests are rewritten for the first time.
gc.disable()

_FILES_BEFORE = pytest.StashKey[set[str]]()

# Tests that load every pipeline do not call the Realtime API that `pipelines/relay.py` calls by default.
os.environ["RELAY_URL"] = "ws://127.0.0.1:9"

# Hypothesis has its own profile for CI. Elsewhere no test fails because the machine is busy.
settings.register_profile("developer", max_examples=examples(100), deadline=None)
if not IN_CI:
    settings.load_profile("developer")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """A folder of real human speech: `two_cities.wav`, `beckett.wav`; inside a package of the extra `embedded`."""
    found = importlib.util.find_spec("moonshine_voice")
    if found is None or found.origin is None:
        pytest.skip("needs the extra `embedded`")
    return Path(found.origin).parent / "assets"


@pytest.fixture(scope="session")
def talk_with_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two turns, with the user's sound: making one takes half a second."""
    return _recorded_talk(tmp_path_factory, sound=True)


@pytest.fixture(scope="session")
def talk_without_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two turns."""
    return _recorded_talk(tmp_path_factory, sound=False)


@pytest.fixture(scope="module")
def one_parser() -> Iterator[None]:
    """The command line's parser is made once for a module: that takes 5 to 10 ms, and some parse hundreds of lines."""
    from voicepipe import cli

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_parser", cache(cli._parser))  # pyright: ignore[reportPrivateUsage]
        yield


def _recorded_talk(paths: pytest.TempPathFactory, *, sound: bool) -> Path:
    from recorded_session import ALLOWS_EVENTS, ALLOWS_SOUND, recorded, talk

    pipeline = ROOT / "pipelines" / "default.py"
    said = talk(ALLOWS_SOUND if sound else ALLOWS_EVENTS)
    (path,) = recorded(paths.mktemp("recordings"), said, name=f"{pipeline}:pipeline")
    return path


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`-m unit` imports no end-to-end test: OpenAI's clients, which those import, take 3 s, and Playwright 1 s."""
    end_to_end = collection_path in (ROOT / "tests" / "e2e", ROOT / "tests" / "page")
    return True if config.option.markexpr == "unit" and end_to_end else None


def pytest_make_parametrize_id(val: object) -> str | None:
    """Long texts and bytes are no names: they are cut, and pytest numbers equal ones."""
    return f"{ascii(val)[:60]}..." if isinstance(val, str | bytes) and len(val) > 100 else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test as `unit` that has none of the other markers."""
    for item in items:
        if not any(item.get_closest_marker(name) for name in NOT_UNIT):
            item.add_marker("unit")


def pytest_collection_finish() -> None:
    """Exempt what was imported, which stays, from garbage collection, and begin to collect."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Exempt what is left when pytest has collected garbage for the last time: else it and Python do so again."""
    gc.freeze()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[_FILES_BEFORE] = _files()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, as pip builds it: once, when the tests that use it are in the xdist group `wheel`."""
    from newcomer import build_wheel

    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that wrote into the repository's root, and in CI one that skipped a test."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of xdist; its controller checks
        return
    wrong = []
    if written := _files() - session.config.stash[_FILES_BEFORE]:
        wrong.append(
            f"tests must write into temporary folders only, and the repository's root gained {sorted(written)}"
        )
    if IN_CI and (skipped := {report.nodeid for report in reporter.stats.get("skipped", [])}):
        wrong.append(f"in CI nothing may be skipped, and {len(skipped)} tests were: {', '.join(sorted(skipped))}")
    for line in wrong:
        reporter.write_line(line, red=True)
    if wrong:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _files() -> set[str]:
    return set(os.listdir(ROOT)) - CACHES
