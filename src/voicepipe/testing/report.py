"""Scenarios of a file, played again and again: which passed, how often, and why not. The work of `voicepipe test`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast
from xml.etree import ElementTree

from voicepipe.testing.scenario.scenario import Scenario

__all__ = ["Failed", "Result", "junit", "play_all", "scenarios_in"]


class Failed(Exception):
    """A run of a scenario did not go as it says; the message says how."""


@dataclass
class Result:
    """The runs of one scenario.

    Args:
        title: The scenario's title.
        pass_rate: The share of runs that have to pass.
        left_out: The acts and claims that were not played, as code.
    """

    title: str
    pass_rate: float
    left_out: Sequence[str] = ()
    runs: int = 0
    failures: list[str] = field(default_factory=list[str])
    took_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Return whether enough runs have passed."""
        return self.runs - len(self.failures) >= self.pass_rate * self.runs - 1e-9


def scenarios_in(names: dict[str, object]) -> list[Scenario]:
    """Return the scenarios among a module's values, in their order: each by itself, or in lists, tuples and mappings.

    A scenario without a title gets the name under which it stands.
    """
    found: dict[int, Scenario] = {}
    for name, value in names.items():
        for scenario in _within(value):
            scenario.title = scenario.title or name
            found.setdefault(id(scenario), scenario)
    return list(found.values())


def _within(value: object) -> Iterator[Scenario]:
    if isinstance(value, Scenario):
        yield value
    elif isinstance(value, list | tuple):
        yield from (one for one in cast("Sequence[object]", value) if isinstance(one, Scenario))
    elif isinstance(value, dict):
        yield from (one for one in cast("dict[object, object]", value).values() if isinstance(one, Scenario))


def play_all(
    scenarios: Sequence[Scenario],
    play: Callable[[Scenario], Iterable[str]],
    *,
    repeat: int,
    pass_rate: float,
    left_out: Callable[[Scenario], Sequence[str]] = lambda _: (),
    progress: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Play each scenario `repeat` times.

    Args:
        scenarios: The scenarios.
        play: Plays one once, and returns the complaints; raises `Failed` with a whole report.
        repeat: How often each is played.
        pass_rate: The share of runs that have to pass.
        left_out: Returns what of a scenario is not played.
        progress: Called after each run, with the scenario's title.
    """
    results: list[Result] = []
    for scenario in scenarios:
        result = Result(scenario.title, pass_rate, left_out(scenario))
        began_s = time.monotonic()
        for _ in range(repeat):
            try:
                complaints = "\n".join(play(scenario))
            except Failed as failed:
                complaints = str(failed)
            result.runs += 1
            if complaints:
                result.failures.append(complaints)
            progress(scenario.title)
        result.took_s = time.monotonic() - began_s
        results.append(result)
    return results


def junit(results: Sequence[Result], name: str) -> str:
    """Return the results as JUnit XML: a test case for each scenario.

    Args:
        results: The results.
        name: The name of the suite.
    """
    failed = sum(not result.passed for result in results)
    took_s = sum(result.took_s for result in results)
    totals = {"name": name, "tests": str(len(results)), "failures": str(failed), "time": f"{took_s:.3f}"}
    root = ElementTree.Element("testsuites", totals)
    suite = ElementTree.SubElement(root, "testsuite", totals)
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=result.title, time=f"{result.took_s:.3f}")
        text = "\n\n".join(_plain(one) for one in result.failures)
        if not result.passed:
            message = f"{len(result.failures)} of {result.runs} runs failed"
            ElementTree.SubElement(case, "failure", message=message).text = text
        elif text:
            ElementTree.SubElement(case, "system-out").text = text
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def _plain(text: str) -> str:
    """Return the text without characters that XML cannot hold."""
    return "".join(one for one in text if one in "\n\t" or one.isprintable())
