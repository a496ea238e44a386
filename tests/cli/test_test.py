"""`voicepipe test` in virtual time: which scenarios it finds, how it reports, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from voicepipe import cli
from voicepipe.testing.report import Result, junit

FILE = """
from voicepipe.testing import Scenario
from reactivex import operators as rx

pipeline = lambda session: session.received.pipe(rx.ignore_elements())

silent = Scenario("It is silent").lasts(1).never().bot_replies()
several = [Scenario("It sings").lasts(1).by(1).bot_replies(), silent]
named = {"a": Scenario().lasts(1)}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bot_scenarios.py"
    path.write_text(FILE)
    return path


def test_every_scenario_of_the_file_is_played_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In its own pipeline; the report shows what happened instead."""
    assert cli.main(["test", str(file), "--repeat", "2"]) == 1
    printed = capsys.readouterr().out
    assert [line.split("  (")[0] for line in printed.splitlines()[:3]] == [
        "passed  It is silent",
        "FAILED  It sings",
        "passed  named",
    ]
    assert "0 of 2 runs" in printed
    assert "by(1).bot_replies()\n    but it did not happen" in printed
    assert printed.endswith("2 of 3 scenarios passed\n")


def test_some_of_them(file: Path, tmp_path: Path) -> None:
    """With a report for a CI."""
    report = tmp_path / "report.xml"
    assert cli.main(["test", str(file), "-k", "silent", "--junit", str(report)]) == 0
    (case,) = ElementTree.fromstring(report.read_text()).iter("testcase")
    assert (case.get("name"), case.get("classname")) == ("It is silent", "bot_scenarios")


LIFESPAN = """
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan():
    print("open")
    yield
    print("closed")
"""


@pytest.mark.parametrize("own", [False, True])
def test_what_sessions_share_is_opened_by_the_file_that_has_the_pipeline(
    file: Path, capsys: pytest.CaptureFixture[str], own: bool
) -> None:
    """The scenarios' file, or the one that `--pipeline` names."""
    bot = file.with_name("bot.py")
    bot.write_text(FILE.partition("silent =")[0] + ("" if own else LIFESPAN))
    file.write_text(FILE + (LIFESPAN if own else ""))
    assert cli.main(["test", str(file), "-k", "silent", *([] if own else ["--pipeline", str(bot)])]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["open", "closed"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-k", "nothing"], "has no scenario with 'nothing' in its title"),
        (["--text"], "--text, --recordings and --header are for a live server"),
        (["--header", "x-shop:7"], "--text, --recordings and --header are for a live server"),
        (["--junit", "nowhere/report.xml"], "there is no folder nowhere"),
        (["--pipeline", "missing.py"], "missing.py does not exist"),
    ],
)
def test_a_mistake_is_a_sentence(
    file: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["test", str(file), *arguments]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--repeat", "0"], ["--pass-rate", "2"], ["--pass-rate", "x"]])
def test_numbers_have_bounds(file: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["test", str(file), *arguments])
    assert "is not a" in capsys.readouterr().err


@pytest.mark.parametrize("header", ["x-shop", ":7", "x-shop:"])
def test_a_header_has_a_name_and_a_value(file: Path, header: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["test", str(file), "--header", header])
    assert f"{header!r} is no header" in capsys.readouterr().err


def test_a_pass_rate_forgives_some_runs() -> None:
    """Nine of ten, say; the failures stay in the report."""
    result = Result("It varies", 0.9, runs=10, failures=["once \x00"])
    assert result.passed
    assert not Result("It varies", 1.0, runs=10, failures=["once"]).passed
    (case,) = ElementTree.fromstring(junit([result], "bot")).iter("testcase")
    assert case.find("failure") is None
    assert case.findtext("system-out") == "once "
