"""`voicepipe bench`: mistakes, and what is printed. tests/e2e/test_bench.py measures a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voicepipe.cli import bench, main, parsed
from voicepipe.cli.bench_report import print_summary
from voicepipe.load.figures import TurnFigures, UserFigures
from voicepipe.load.processes import Finished
from voicepipe.load.server_figures import Cost
from voicepipe.load.sessions import Load
from voicepipe.load.summary import Summary, summarise
from voicepipe.load.user import Manner


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


@pytest.mark.parametrize("as_json", [False, True])
def test_the_most_users_are_searched_for(as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a server that carries five; the best run is printed and drawn."""
    drawn = tmp_path / "best.svg"
    words = ["bench", "--find-capacity", "--most", "16", "--plot", str(drawn), *(["--json"] if as_json else [])]

    def measured(sessions: int) -> Summary:
        turns = [TurnFigures(1.0, 500.0 if sessions <= 5 else 2_000.0)]
        users = [UserFigures(number, 0.0, turns=turns, asked=1, heard_s=2.0) for number in range(sessions)]
        return summarise(Finished(users, 30.0, 3.0), None)

    load = Load("http://127.0.0.1:8000", "ga", 1, 0.0, Manner(), [])
    assert bench.search(parsed(words), load, measured) == 0
    assert "<title>5 users at http://127.0.0.1:8000</title>" in drawn.read_text()
    said = capsys.readouterr().out
    if as_json:
        told = json.loads(said)
        assert [run["sessions"] for run in told["runs"]] == [1, 2, 4, 8, 6, 5]
        assert (told["capacity"], told["best"]["sessions"]) == (5, 5)
    else:
        assert "   8 sessions: half of all answers took more than 900 ms: 2000 ms" in said
        assert "The server carries 5 of these users in real time." in said


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
