"""A conversation as it happens: for a terminal, for a file, and for programs."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import deque
from dataclasses import asdict, dataclass
from statistics import median
from typing import TextIO, cast

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
    ReplyCreated,
    ReplyDone,
    ReplyDropped,
    Said,
    Understood,
    UserDone,
)
from voicepipe.client.talk import Summary
from voicepipe.events.session import whole_parts

__all__ = ["JsonLines", "TranscriptPrinter", "summary_line"]

_COLOURS = {"you": "\x1b[36m", "bot": "\x1b[32m", "·": "\x1b[2m", "!": "\x1b[31m"}
_PLAIN = "\x1b[0m"
# Columns before the words: the time, the speaker, and two spaces after each.
_HEAD_CELLS = 14


class JsonLines:
    """Print one JSON object per fact: `at_s`, `event` (its name in snake_case) and its fields; the last is `ended`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, at_s: float, fact: Fact) -> None:
        event = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(fact).__name__).lower()
        fields = {name: _rounded(value) for name, value in asdict(fact).items()}
        line = json.dumps({"at_s": round(at_s, 4), "event": event, **fields}, ensure_ascii=False)
        print(line, file=self._out, flush=True)


def _rounded(value: object) -> object:
    """Round milliseconds to a tenth, in a field or in one that holds several."""
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in cast("dict[str, object]", value).items()}
    return round(value, 1) if isinstance(value, float) else value


@dataclass(slots=True)
class _Line:
    """An utterance or a note: its known text, and whether it is complete."""

    at_s: float
    speaker: str
    text: str
    done: bool = False


class TranscriptPrinter:
    """Print a line per utterance: its start, the speaker, and the text.

    Lines are printed in the order of their start: what begins during an utterance waits for its end. On a terminal
    (`live`) the words of the first open one appear as they come, in colours unless `NO_COLOR` is set, and the line is
    printed again when the recogniser corrects itself; elsewhere a line is printed when it is complete.
    """

    def __init__(self, out: TextIO, *, live: bool) -> None:
        self._out, self._live = out, live
        self._coloured = live and not os.environ.get("NO_COLOR")
        self._lines: deque[_Line] = deque()
        # The part of the first line that the terminal shows; None if it has not begun.
        self._written: str | None = None

    def __call__(self, at_s: float, fact: Fact) -> None:
        match fact:
            case Heard(text=text):
                self._word(at_s, "you", text)
            case Said(text=text):
                self._word(at_s, "bot", text)
            case Understood(text=text):
                self._close("you", text)
            case ReplyCreated() | ReplyDone() | ReplyDropped() | Interrupted():
                self._close("bot")
            case Ended():
                self._close("you")
                self._close("bot")
            case _:
                pass
        if text := _note(fact):
            self._lines.append(_Line(at_s, "!" if isinstance(fact, Problem) else "·", text, done=True))
        self._write()

    def _open(self, speaker: str) -> _Line | None:
        return next((line for line in self._lines if line.speaker == speaker and not line.done), None)

    def _word(self, at_s: float, speaker: str, word: str) -> None:
        if line := self._open(speaker):
            line.text += f" {word}"
        else:
            self._lines.append(_Line(at_s, speaker, word))

    def _close(self, speaker: str, text: str | None = None) -> None:
        """Complete the speaker's utterance, with `text` if given; an empty text removes it."""
        if line := self._open(speaker):
            line.text, line.done = line.text if text is None else text, True

    def _write(self) -> None:
        """Print complete lines, and on a terminal the present part of the first open one."""
        while self._lines and (self._live or self._lines[0].done):
            line = self._lines[0]
            if line.text:
                self._update(line)
            if not line.done:
                break
            self._finish(line)
        self._out.flush()

    def _update(self, line: _Line) -> None:
        if self._written is None:
            self._print(self._head(line) + line.text)
        elif line.text.startswith(self._written):
            self._print(line.text[len(self._written) :])
        else:
            self._erase()
            self._print(self._head(line) + line.text)
        self._written = line.text

    def _finish(self, line: _Line) -> None:
        if line.text:
            self._print("\n")
        elif self._written is not None:
            self._erase()
        self._written = None
        self._lines.popleft()

    def _head(self, line: _Line) -> str:
        colour, plain = (_COLOURS[line.speaker], _PLAIN) if self._coloured else ("", "")
        return f"{line.at_s:7.2f}  {colour}{line.speaker:<3}{plain}  "

    def _erase(self) -> None:
        """Remove the open line from the terminal, all rows of it."""
        from rich.cells import cell_len

        columns = max(1, shutil.get_terminal_size().columns)
        rows_above = (_HEAD_CELLS + cell_len(self._written or "") - 1) // columns
        self._print((f"\x1b[{rows_above}A" if rows_above else "") + "\r\x1b[J")

    def _print(self, text: str) -> None:
        print(text, end="", file=self._out)


def summary_line(summary: Summary) -> str:
    """Return how many answers there were, their latencies, and what else the bot did."""
    latencies = summary.latencies_ms
    line = f"{_count(len(latencies), 'answer') if latencies else 'no answers'} in {summary.duration_s:.1f} s"
    if latencies:
        line += "; from your last sound to the bot's first: "
        line += f"median {median(latencies):.0f} ms, slowest {max(latencies):.0f} ms"
    elif summary.bot_loud_s and not summary.over_user:
        line += f"; the bot was heard for {summary.bot_loud_s:.1f} s"
    if summary.over_user:
        line += f"; the bot spoke over you {_count(summary.over_user, 'time')}"
    return line


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _note(fact: Fact) -> str | None:
    """Return a sentence about a fact other than speech, or None if a person need not see it."""
    match fact:
        case Connected(url=url):
            return f"connected to {url}"
        case Playing(why=why):
            return f"the recording starts: {why}"
        case UserDone(at_most_s=at_most_s):
            return f"the recording is over; waiting for the answer, {at_most_s:g} s at most"
        case ReplyAudible():
            return _audible(fact)
        case Interrupted(after_ms=after_ms):
            after = "" if after_ms is None else f" (silent {after_ms:.0f} ms after you began to speak over it)"
            return f"you interrupted the bot{after}"
        case Measured(server_ms=server_ms, parts_ms=parts_ms):
            parts = ", ".join(f"{name} {ms}" for name, ms in whole_parts(parts_ms).items())
            return f"in the server {server_ms:.0f} ms" + (f": {parts}" if parts else "")
        case Problem(kind=kind, message=message):
            return f"{kind}: {message}"
        case Ended(reason=reason):
            return f"the end: {reason}"
        case _:
            return None


def _audible(fact: ReplyAudible) -> str | None:
    if fact.over_user:
        return "the bot speaks over you" if fact.announced else "the bot makes sound while you speak"
    return None if fact.latency_ms is None else f"answers after {fact.latency_ms:.0f} ms"
