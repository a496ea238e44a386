"""Figures, as tables and verdicts."""

from __future__ import annotations

import math

import pytest
from benchmarks.common.report import Budget, Report, Table, percentile, summary


def test_a_budget_is_kept_up_to_its_limit() -> None:
    """And not when there was nothing to measure."""
    assert str(Budget("start", 8.0, 8.0, "s")) == "PASS  start: 8 s (at most 8 s)"
    assert str(Budget("start", 8.1, 8.0, "s")) == "FAIL  start: 8.1 s (at most 8 s)"
    assert not Budget("start", math.nan, 8.0, "s").kept


def test_a_summary_of_nothing_has_no_figures() -> None:
    """A benchmark in which nothing happened still reports."""
    assert summary([]) == [0, None, None, None, None]
    assert summary([1.0, 2.0, 6.0]) == [3, 3.0, 2.0, pytest.approx(5.6), 6.0]
    assert math.isnan(percentile([], 50))


def test_a_report_as_markdown() -> None:
    """Each benchmark is a section."""
    table = Table("Times (ms)", ("part", "p50"), [["tts", 41.234], ["wire", None], ["total", 1056.4]])
    report = Report("talk", "Talk", [table], [Budget("p50", 1056.4, 900.0, "ms")], ["on a quiet machine"])
    assert report.markdown() == (
        "## Talk\n\n"
        "Times (ms):\n\n"
        "| part | p50 |\n|---|---:|\n| tts | 41.2 |\n| wire | – |\n| total | 1056 |\n\n"
        "- on a quiet machine\n\n"
        "- **FAIL  p50: 1056 ms (at most 900 ms)**\n"
    )
