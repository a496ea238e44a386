"""The pytest plugin: the fixtures `marbles`, `scenario` and `virtual_loop`, and `*.scenario` files as tests.

It imports nothing until one of them is used.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from voicepipe.testing.harness import Marbles
    from voicepipe.testing.leaks import LeakWatch
    from voicepipe.testing.played import Played
    from voicepipe.testing.scenario import Scenario
    from voicepipe.testing.virtual_loop import VirtualLoop

__all__ = ["ScenarioFile", "ScenarioItem", "marbles", "scenario", "virtual_loop"]

_PASSED = pytest.StashKey[bool]()


@pytest.fixture
def virtual_loop(_leak_watch: LeakWatch) -> VirtualLoop:
    """An event loop on which waiting takes no time. The test fails on what it leaves behind on it."""
    return _leak_watch.loop


@pytest.fixture
def marbles(_leak_watch: LeakWatch) -> Marbles:
    """Diagrams in virtual time, on the loop of the fixture `virtual_loop`. The test fails on what it leaves behind."""
    from voicepipe.testing.harness import Marbles

    harness = Marbles(_leak_watch.loop)
    _leak_watch.sources = harness.sources
    return harness


@pytest.fixture
def scenario() -> Callable[..., Played]:
    """`scenario(text or path or Scenario, pipeline=None)` plays it, asserts that all went as it says, and gives what
    came of it."""
    return _run_scenario


def _run_scenario(what: str | Path | Scenario, pipeline: Any = None) -> Played:
    __tracebackhide__ = True
    from voicepipe.testing.scenario import Scenario

    if isinstance(what, Path) or (isinstance(what, str) and "\n" not in what and what.endswith(".scenario")):
        what = Scenario.load(what)
    return (what if isinstance(what, Scenario) else Scenario.read(what)).run(pipeline)


@pytest.fixture
def _leak_watch(request: pytest.FixtureRequest) -> Iterator[LeakWatch]:
    """The last to be torn down: whatever a test's own fixtures clean up on the loop, they have cleaned up by then."""
    from voicepipe.testing.leaks import LeakWatch
    from voicepipe.testing.virtual_loop import VirtualLoop

    watch = LeakWatch(VirtualLoop())
    yield watch
    try:
        if request.node.stash.get(_PASSED, False):  # a test that broke off has an excuse for what it left
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


# ---- scenario files --------------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    if file_path.suffix != ".scenario":
        return None
    return ScenarioFile.from_parent(parent, path=file_path)  # pyright: ignore[reportUnknownMemberType]


class ScenarioFile(pytest.File):
    """A file with one scenario in it."""

    def collect(self) -> Iterator[ScenarioItem]:
        yield ScenarioItem.from_parent(self, name=self.path.stem)  # pyright: ignore[reportUnknownMemberType]


class ScenarioItem(pytest.Item):
    """A scenario as a test: it fails where something did not go as the text says."""

    def runtest(self) -> None:
        from voicepipe.testing.scenario import Scenario

        Scenario.load(self.path).run()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What people need to know of it: no stack of the harness's own."""
        from voicepipe.loading import PipelineError
        from voicepipe.testing.deadlock import Deadlock
        from voicepipe.testing.scenario import ScenarioError, ScenarioFailed

        if isinstance(excinfo.value, ScenarioFailed | ScenarioError | PipelineError | Deadlock):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"scenario: {self.name}"
