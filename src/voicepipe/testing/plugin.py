"""The pytest plugin: the fixtures `marbles`, `scenario` and `virtual_loop`.

It imports nothing until one of them is used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from voicepipe.testing.loop.virtual_loop import VirtualLoop
    from voicepipe.testing.marbles.harness import Marbles
    from voicepipe.testing.marbles.leaks import LeakWatch
    from voicepipe.testing.player.transcript import Transcript

__all__ = ["marbles", "scenario", "virtual_loop"]

_PASSED = pytest.StashKey[bool]()


@pytest.fixture
def virtual_loop(_leak_watch: LeakWatch) -> VirtualLoop:
    """Return an event loop on which waiting takes no time. The test fails on what it leaves behind."""
    return _leak_watch.loop


@pytest.fixture
def marbles(_leak_watch: LeakWatch) -> Marbles:
    """Return diagrams in virtual time, on the loop of the fixture `virtual_loop`. The test fails on leaks."""
    from voicepipe.testing.marbles.harness import Marbles

    harness = Marbles(_leak_watch.loop)
    _leak_watch.sources = harness.sources
    return harness


@pytest.fixture
def scenario() -> Callable[..., Transcript]:
    """Return `voicepipe.testing.run`: `scenario(Scenario(…), pipeline=None)`, for tests without imports."""
    from voicepipe.testing.scenario.run import run

    return run


@pytest.fixture
def _leak_watch(request: pytest.FixtureRequest) -> Iterator[LeakWatch]:
    """Check for leaks at the very end, after the clean-up of the test's own fixtures."""
    from voicepipe.testing.loop.virtual_loop import VirtualLoop
    from voicepipe.testing.marbles.leaks import LeakWatch

    watch, test = LeakWatch(VirtualLoop()), cast("pytest.Item", request.node)  # pytest 9.1 does not type it
    yield watch
    try:
        if test.stash.get(_PASSED, False):  # a test that broke off has an excuse for what it left
            watch.check()
    finally:
        watch.loop.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.when == "call":
        item.stash[_PASSED] = call.excinfo is None
    return (yield)
