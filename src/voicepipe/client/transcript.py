"""A conversation as it happens: for people in a terminal, in a file, and for programs."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from statistics import median
from typing import TextIO

from voicepipe.client.facts import (
    Connected,
    Ended,
    Fact,
    Heard,
    Interrupted,
    Measured,
    Playing,
    Problem,
    ReplyAudible,
    ReplyDone,
    Said,
    UserDone,
)
from voicepipe.client.talk import Summary

__all__ = ["JsonLines", "Transcript", "summary_line"]

_COLOURS = {"you": "\x1b[36m", "bot": "\x1b[32m", "·": "\x1b[2m", "!": "\x1b[31m"}
_PLAIN = "\x1b[0m"


class JsonLines:
    """One JSON object per fact: `at_s`, `event` (its name in snake_case) and its fields."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, at_s: float, fact: Fact) -> None:
        event = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(fact).__name__).lower()
        line = json.dumps({"at_s": round(at_s, 4), "event": event, **asdict(fact)}, ensure_ascii=False)
        print(line, file=self._out, flush=True)


class Transcript:
    """A line per utterance: when it began, who speaks, and what is said.

    On a terminal (`live`) the words appear as they come, in colours unless `NO_COLOR` is set; elsewhere a line is
    written when it is complete.
    """

    def __init__(self, out: TextIO, *, live: bool) -> None:
        self._out, self._live = out, live
        self._coloured = live and not os.environ.get("NO_COLOR")
        self._speaker: str | None = None
        self._line = ""

    def __call__(self, at_s: float, fact: Fact) -> None:
        match fact:
            case Heard(text=text):
                self._word(at_s, "you", text)
            case Said(text=text):
                self._word(at_s, "bot", text)
            case ReplyDone():
                self._close()
            case _:
                if text := _note(fact):
                    self._close()
                    self._begin(at_s, "!" if isinstance(fact, Problem) else "·")
                    self._write(text)
                    self._close()

    def _word(self, at_s: float, speaker: str, word: str) -> None:
        if self._speaker != speaker:
            self._close()
            self._begin(at_s, speaker)
            self._write(word)
        else:
            self._write(f" {word}")

    def _begin(self, at_s: float, speaker: str) -> None:
        self._speaker = speaker
        colour, plain = (_COLOURS[speaker], _PLAIN) if self._coloured else ("", "")
        self._write(f"{at_s:7.2f}  {colour}{speaker:<3}{plain}  ")

    def _write(self, text: str) -> None:
        if self._live:
            print(text, end="", file=self._out, flush=True)
        else:
            self._line += text

    def _close(self) -> None:
        if self._speaker is not None:
            print(self._line.rstrip(), file=self._out, flush=True)
        self._speaker, self._line = None, ""


def summary_line(summary: Summary) -> str:
    """How many answers, and how long they took to come."""
    latencies = summary.latencies_ms
    if not latencies:
        return f"no answers in {summary.duration_s:.1f} s"
    answers = "1 answer" if len(latencies) == 1 else f"{len(latencies)} answers"
    figures = f"median {median(latencies):.0f} ms, slowest {max(latencies):.0f} ms"
    return f"{answers} in {summary.duration_s:.1f} s; from your last sound to the bot's first: {figures}"


def _note(fact: Fact) -> str | None:
    """A sentence about what nobody said, or None for what a person need not see."""
    match fact:
        case Connected(url=url):
            return f"connected to {url}"
        case Playing(why=why):
            return f"the recording starts: {why}"
        case UserDone():
            return "the recording is over"
        case ReplyAudible(latency_ms=latency_ms, over_user=over_user):
            return _audible(latency_ms, over_user)
        case Interrupted(after_ms=after_ms):
            after = "" if after_ms is None else f" (silent {after_ms:.0f} ms after you began)"
            return f"you interrupted the bot{after}"
        case Measured(server_ms=server_ms, parts_ms=parts_ms):
            parts = ", ".join(f"{name} {ms:.0f}" for name, ms in parts_ms.items())
            return f"in the server {server_ms:.0f} ms" + (f": {parts}" if parts else "")
        case Problem(kind=kind, message=message):
            return f"{kind}: {message}"
        case Ended(reason=reason):
            return f"the end: {reason}"
        case _:
            return None


def _audible(latency_ms: float | None, over_user: bool) -> str | None:
    if over_user:
        return "the bot interrupted you"
    return None if latency_ms is None else f"answers after {latency_ms:.0f} ms"
