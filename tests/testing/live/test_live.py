"""Scenarios against a real server, in real time, over a real socket."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from processes import serving

from voicepipe import cli
from voicepipe.client import CannotConnect
from voicepipe.events import ReplyStarted
from voicepipe.testing import ChatModel, Scenario
from voicepipe.testing.live.player import Live, not_live, play_live
from voicepipe.testing.live.speech import file_name, with_recordings
from voicepipe.testing.scenario.run import complaints
from voicepipe.testing.servers import LlmServer, RealtimeServer, RealtimeSession

ROOT = Path(__file__).parents[3]
SERVER = [sys.executable, str(ROOT / "tests/e2e/realtime/scripted_server.py")]

pytestmark = pytest.mark.e2e


def tone(text: str) -> np.ndarray:
    """Return a loud tone, 200 ms a word: the scripted recogniser hears "Hello there." in any."""
    return np.full(4_800 * len(text.split()), 0.3, np.float32)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(SERVER, PYTHONPATH=str(ROOT / "tests/helpers")) as address:
        yield address


def met(scenario: Scenario, live: Live) -> list[str]:
    played = asyncio.run(play_live(scenario, live))
    return [
        f"{one}: {but}\n{played}" for one in scenario.expectations if not one.inside and (but := one.complaint(played))
    ]


@pytest.mark.parametrize("speak", [None, tone], ids=["written", "spoken"])
def test_a_turn_is_answered(url: str, speak: object) -> None:
    """By the same claims as in virtual time."""
    scenario = (
        Scenario("A turn")
        .at(2).user_says("Hello there.")
        .by(6).bot_says("Nice to meet you.")
        .ever(times=2).bot_replies()
        .answers_within(3)
        .remembers("assistant", "nice to meet you")
        .never().service_fails()
        .ever().llm_is_asked("what only the server knows")
        .lasts(7)
    )  # fmt: skip
    assert met(scenario, Live(url, speak, tolerance_s=2)) == []  # type: ignore[arg-type]
    assert not_live(scenario) == ['ever().llm_is_asked("what only the server knows")']


def test_what_does_not_come_is_told(url: str) -> None:
    (told,) = met(Scenario().by(1).bot_says("something else").lasts(2), Live(url))
    assert 'the bot said "I have read that."' in told or "the bot wrote" in told


def test_a_simulated_user_and_a_judge(url: str) -> None:
    """Both are a model behind an HTTP API."""

    def answers(messages: list[dict[str, str]]) -> str:
        if messages[0]["content"].startswith("You judge"):
            return '{"verdict": "yes", "reason": "It is pleased."}'
        return "[done]" if "Nice" in messages[-1]["content"] else "Hello there."

    async def talk() -> list[str]:
        async with LlmServer(answers, token_s=0) as server:
            scenario = Scenario().user_pursues("Be welcomed.").by(20).user_reaches_goal().judge("the bot is friendly")
            played = await play_live(scenario, Live(url, model=ChatModel(server.url, "fake")))
            assert len(played.of(ReplyStarted)) == 2
            return [one for one in complaints(scenario, played) if "user" in one or "judge" in one]

    assert asyncio.run(talk()) == []


def test_no_server_is_an_error() -> None:
    with pytest.raises(CannotConnect, match="no server answers at"):
        asyncio.run(play_live(Scenario(), Live("ws://127.0.0.1:9")))


def test_the_command_plays_a_file_to_a_server(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And reports what passed, what was left out, and what failed."""
    file, report = tmp_path / "live.py", tmp_path / "report.xml"
    file.write_text(
        "from voicepipe.testing import Scenario\n"
        "good = Scenario('It answers').at(1.5).user_says('Hello there.').by(5).bot_says('Nice').by(9)\\\n"
        ".llm_is_asked('x')\n"
        "bad = Scenario('It sings').by(1).bot_says('la la').lasts(1)\n"
    )
    assert cli.main(["test", str(file), "--url", url, "--text", "--junit", str(report)]) == 1
    printed = capsys.readouterr().out
    assert "passed  It answers" in printed
    assert 'left out: by(9).llm_is_asked("x")' in printed
    assert "FAILED  It sings" in printed
    assert "1 of 2 scenarios passed" in printed
    suite = ElementTree.fromstring(report.read_text()).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


async def _listens(_: RealtimeSession) -> None:
    """Greet, and no more."""


def test_the_command_sends_key_and_headers_as_a_ga_client(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the subprotocol of Unmute's frontend; a refusal names the variable of the key."""
    file = tmp_path / "live.py"
    file.write_text("from voicepipe.testing import Scenario\nquiet = Scenario('It listens').lasts(0.1)\n")

    async def played() -> list[int]:
        async with RealtimeServer(_listens, api_key="sk-one") as server:
            command = ["test", str(file), "--url", server.url, "--text", "--header", "X-Shop: 7"]
            statuses = [await asyncio.to_thread(cli.main, command)]
            monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
            statuses.append(await asyncio.to_thread(cli.main, command))
            assert "Sec-WebSocket-Protocol" not in server.visits[-1].headers
            assert server.visits[-1].headers["X-Shop"] == "7"
            return statuses

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert asyncio.run(played()) == [2, 0]
    assert "The key is read from the variable OPENAI_API_KEY." in capsys.readouterr().err


def test_a_recording_is_played_where_there_is_one(tmp_path: Path) -> None:
    """By the words of its text; all else is synthesised."""
    from voicepipe.client import write_stereo

    assert file_name("What time is it?") == "what-time-is-it"
    write_stereo(tmp_path / "what-time-is-it.wav", tone("a b"), tone("a b"))
    speak = with_recordings(tmp_path, lambda: tone)
    assert abs(len(speak("What time is it?")) - 9_600) < 100
    assert len(speak("Hello there.")) == 9_600
