"""`voicepipe bench`: mistakes, and what is printed. tests/e2e/test_bench.py measures a real server."""

from __future__ import annotations

import pytest

from voicepipe.cli import main
from voicepipe.cli.bench_report import print_summary
from voicepipe.load.figures import TurnFigures, UserFigures
from voicepipe.load.processes import Finished
from voicepipe.load.server_figures import Cost
from voicepipe.load.summary import summarise


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--speech", "no/such/folder"], "--speech: no/such/folder is no folder"),
        (["--plot", "no/such/folder/run.svg"], "there is no folder no/such/folder"),
    ],
)
def test_mistakes_are_told_before_the_first_user_comes(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--sessions", "0"], "--sessions: '0' is not a number, 1 or more"),
        (["--barge-ins", "2"], "--barge-ins: '2' is not a share, from 0 to 1"),
        (["--dialect", "azure"], "there is no value 'azure'"),
    ],
)
def test_wrong_values_are_refused_by_their_names(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *words])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    said = capsys.readouterr().out
    for word in ("--find-capacity", "max_sessions_per_address", "in real time", "VOICEPIPE_TALK_KEY"):
        assert word in said


def test_a_run_is_told_in_a_table_and_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    """Latency by part, outcomes, complaints, cost, and what was not in real time."""
    turns = [TurnFigures(1.0, 700.0, 650.0, {"endpointing": 400.0, "tts": 250.0})]
    users = [
        UserFigures(0, 0.0, turns=turns, asked=1, heard_s=2.0, barge_ins_ms=[180.0], problems=["slow"]),
        UserFigures(1, 0.5, outcome="refused", reason="the server is full"),
    ]
    cost = Cost(0.05, 3e6, 0.1, 99e6, {"tts": 250.0})
    print_summary(summarise(Finished(users, 30.0, 3.0), cost))
    said = capsys.readouterr().out
    for line in (
        "in the server: endpointing",
        "2 users: 1 to the end, 1 refused, 0 cut off; 1 turns, 0 not answered",
        "ended (1x): the server is full",
        "the server says (1x): slow",
        "the server: 0.10 cores, 0.050 of a core a session; 99 MB, 3.0 MB a session",
        "the simulated users took 0.10 cores",
        "Not in real time: 1 of 2 users were refused.",
    ):
        assert line in said
