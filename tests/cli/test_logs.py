"""Logs: the same facts as lines for people and as JSON for machines, from both kinds of logger."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from voicepipe.cli.logs import configure_logs
from voicepipe.cli.notes import note


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Gives pytest its own handlers back."""
    root = logging.getLogger()
    handlers, level, loggers = root.handlers.copy(), root.level, structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**loggers)


def objects(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_json_lines_name_time_level_logger_and_session():
    """From structlog and from the standard library alike; the time is UTC."""
    out = io.StringIO()
    configure_logs(as_json=True, stream=out)
    with bound_contextvars(session="sess_1"):
        structlog.get_logger("voicepipe.x").info("turn", total_ms=30, heard="Größe")
        logging.getLogger("aiohttp.server").warning("odd %s", "request", extra={"remote": "::1"})
    ours, theirs = objects(out)
    assert str(ours.pop("timestamp")).endswith("Z")
    theirs.pop("timestamp")
    assert ours == {
        "event": "turn", "level": "info", "logger": "voicepipe.x", "session": "sess_1", "total_ms": 30, "heard": "Größe"
    }  # fmt: skip
    assert theirs == {
        "event": "odd request", "level": "warning", "logger": "aiohttp.server", "session": "sess_1", "remote": "::1"
    }  # fmt: skip


def test_what_a_command_tells_is_a_line_of_a_json_log(capsys: pytest.CaptureFixture[str]):
    """A program that reads the log finds nothing else in it; people get the line alone."""
    out = io.StringIO()
    configure_logs(as_json=True, stream=out)
    note("loaded silero (0.1 s)", as_json=True)
    assert [line["event"] for line in objects(out)] == ["loaded silero (0.1 s)"]
    assert capsys.readouterr().err == ""
    note("loaded silero (0.1 s)", as_json=False)
    assert capsys.readouterr().err == "loaded silero (0.1 s)\n"


def test_a_line_for_people_is_readable_and_plain_outside_of_a_terminal():
    """No escape sequences in a file."""
    out = io.StringIO()
    configure_logs(stream=out)
    structlog.get_logger("voicepipe.x").info("turn", total_ms=300)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d+ \[info +\] turn +\[voicepipe\.x\] total_ms=300\n", out.getvalue())


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_it_wants_none(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool):
    """https://no-color.org"""
    monkeypatch.setenv("NO_COLOR", no_color)
    out = Terminal()
    configure_logs(stream=out)
    structlog.get_logger().info("turn")
    assert ("\x1b[" in out.getvalue()) == coloured


def test_what_is_below_the_level_is_left_out():
    """For both kinds of logger."""
    out = io.StringIO()
    configure_logs("warning", as_json=True, stream=out)
    structlog.get_logger().info("quiet")
    logging.getLogger("asyncio").info("quiet")
    structlog.get_logger().warning("loud")
    logging.getLogger("asyncio").error("loud")
    assert [line["event"] for line in objects(out)] == ["loud", "loud"]


@pytest.mark.parametrize("as_json", [True, False])
def test_exceptions_come_with_their_traceback_and_without_variables(as_json: bool):
    """The values of a frame's variables do not belong in a log."""
    out = io.StringIO()
    configure_logs(as_json=as_json, stream=out)
    try:
        secret = "hunter" + "2"
        float(f"of {len(secret)} letters")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("asyncio").exception("failed")
    assert out.getvalue().count("ValueError: could not convert string to float: 'of 7 letters'") == 2
    assert out.getvalue().count("test_logs.py") == 2
    assert "hunter2" not in out.getvalue()


def test_to_configure_again_replaces_what_was():
    """A second set-up does not write every line twice."""
    first, second = io.StringIO(), io.StringIO()
    configure_logs(stream=first)
    configure_logs(as_json=True, stream=second)
    structlog.get_logger().info("once")
    logging.getLogger("x").info("once")
    assert first.getvalue() == ""
    assert len(objects(second)) == 2


@pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 1), ("error", 0)])
def test_requests_to_mcp_servers_are_lines_for_debugging(level: str, lines: int):
    """Their failures are not."""
    out = io.StringIO()
    configure_logs(level, stream=out)
    logging.getLogger("httpx2").info("HTTP Request: POST http://localhost:9000/mcp")
    logging.getLogger("httpx2").warning("broken")
    assert len(out.getvalue().splitlines()) == lines


def test_an_unknown_level_is_told():
    """With those that there are."""
    with pytest.raises(ValueError, match="'loud' is no log level; there are debug, info, warning, error"):
        configure_logs("loud")
