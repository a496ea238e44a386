"""The outcomes of a scenario: facts, which happen at a time, and states, which hold or do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from voicepipe.events import (
    Event,
    FunctionCalled,
    FunctionReturned,
    ReplyStarted,
    ReplyTextWritten,
    StageFailed,
    TurnEnded,
    TurnMeasured,
    WordSpoken,
)
from voicepipe.events.application import is_app_event
from voicepipe.testing.player.picture import told
from voicepipe.testing.player.transcript import Transcript, said_in
from voicepipe.testing.scenario.steps import show_time

__all__ = ["END_S", "Expectation", "Window", "happens"]

END_S = float("inf")
EDGE_S = 0.021
"""A frame of the microphone: sound or silence shorter than that is not noticed."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected outcome of a conversation."""

    code: str
    """The Python that builds it."""
    complaint: Callable[[Transcript], str | None] = field(compare=False)
    """Returns what happened instead; None if it went as expected."""
    until_s: float = 0.0
    """The latest time in it."""
    inside: bool = False
    """Whether it is about what only the pipeline knows: a client of a server cannot see it."""

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True)
class Window:
    """A window in seconds, both ends included, and how often something must happen in it.

    `count` is 0 for never, None for at least once; `code` the builder's call.
    """

    code: str
    start_s: float
    end_s: float
    count: int | None

    def complaint(self, every: Iterable[float], tolerance_s: float = 0.0) -> str | None:
        """Return when it happened instead, given all times; None if the count is right.

        The window is wider by `tolerance_s` at both ends; one in which it must not happen is narrower.
        """
        times = [round(at_s, 3) for at_s in every]
        off_s = -tolerance_s if self.count == 0 else tolerance_s
        start_s = self.start_s - off_s if self.start_s else 0.0
        within = sum(start_s - 1e-6 <= at_s <= self.end_s + off_s + 1e-6 for at_s in times)
        if within if self.count is None else within == self.count:
            return None
        return f"it happened at {', '.join(map(show_time, times))}" if times else "it did not happen"


def happens(
    window: Window,
    code: str,
    times: Callable[[Transcript], Iterable[float]],
    instead: Callable[[Transcript], str],
    *,
    inside: bool = False,
) -> Expectation:
    """Return the expectation that something happens within a window.

    Args:
        code: The builder's call for it.
        times: Returns the seconds at which it happened.
        instead: Returns something of the same sort that did happen.
        inside: Only the pipeline knows it.
    """

    def complaint(played: Transcript) -> str | None:
        when = window.complaint(times(played), played.tolerance_s)
        return when and "; ".join(filter(None, (when, instead(played))))

    until_s = max(window.start_s, 0.0 if window.end_s == END_S else window.end_s)
    return Expectation(f"{window.code}.{code}", complaint, until_s, inside)


# ---- facts -----------------------------------------------------------------------------------------------------------


def nothing(_: Transcript) -> str:
    return ""


def times_said(played: Transcript, text: str) -> Iterator[float]:
    said = ""
    for at_s, event in played.events:
        if isinstance(event, ReplyStarted):
            said = ""
        elif isinstance(event, WordSpoken | ReplyTextWritten):
            joint = event.delta if isinstance(event, ReplyTextWritten) else f"{'' if event.glued else ' '}{event.word}"
            before, said = said_in(text, said), said + joint
            if said_in(text, said) and not before:
                yield at_s


def what_was_said(played: Transcript) -> str:
    did = [f'{verb} "{text}"' for verb, text in (("said", played.said), ("wrote", played.wrote)) if text]
    return f"the bot {' and '.join(did) or 'said nothing'}"


def times_ended(played: Transcript) -> list[float]:
    return [] if played.ended_s is None else [played.ended_s]


def how_it_ended(played: Transcript) -> str:
    if played.ended_s is None:
        return "it went on"
    return f"it ended at {show_time(round(played.ended_s, 3))}: {played.reason}"


def times_told(played: Transcript, text: str) -> list[float]:
    return [at_s for at_s, event in played.events if text.lower() in (told(event) or "").lower()]


def what_the_user_was_told(played: Transcript) -> str:
    return f"the user was told {_quoted(text for _, event in played.events if (text := told(event)))}"


def what_failed(played: Transcript) -> str:
    return "; ".join(f"{failed.stage}: {failed.error!r}" for failed in played.of(StageFailed))


def times_received(played: Transcript, wanted: Event | type[Event]) -> list[float]:
    if isinstance(wanted, type):
        return [at_s for at_s, event in played.events if isinstance(event, wanted)]
    return [at_s for at_s, event in played.events if event == wanted]


def what_was_received(played: Transcript) -> str:
    sent = [repr(event) for _, event in played.events if is_app_event(event)]
    return f"the client received {', '.join(sent) or 'no event of the application'}"


def times_called(played: Transcript, name: str) -> list[float]:
    return [at_s for at_s, event in played.events if isinstance(event, FunctionCalled) and event.call.name == name]


def what_was_called(played: Transcript) -> str:
    return "the bot called " + (", ".join(one.call.name for one in played.of(FunctionCalled)) or "nothing")


def times_returned(played: Transcript, name: str) -> list[float]:
    ids = {called.call.id for called in played.of(FunctionCalled) if called.call.name == name}
    return [at_s for at_s, event in played.events if isinstance(event, FunctionReturned) and event.id in ids]


def times_heard(played: Transcript, text: str) -> list[float]:
    """Return when a turn of these words ended; a live recogniser has its own punctuation and capitals."""
    read = _words if played.live else str
    return [at_s for at_s, event in played.events if isinstance(event, TurnEnded) and read(event.text) == read(text)]


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def what_was_heard(played: Transcript) -> str:
    return f"heard was {_quoted(turn.text for turn in played.of(TurnEnded))}"


def times_asked(played: Transcript, text: str) -> list[float]:
    return [call.began_ms / 1000 for call in played.asked if call.asked == text]


def what_was_asked(played: Transcript) -> str:
    return f"the LLM was asked {_quoted(str(call.asked) for call in played.asked)}"


def times_cancelled(played: Transcript, text: str) -> Iterator[float]:
    for call in played.asked:
        if call.asked == text and call.outcome == "cancelled" and call.ended_ms is not None:
            yield call.ended_ms / 1000


def how_answers_ended(played: Transcript) -> str:
    return ", ".join(f'the answer to "{call.asked}" {call.outcome}' for call in played.asked)


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts) or "nothing"


def times_reached(played: Transcript) -> list[float]:
    return [] if played.goal_s is None else [played.goal_s]


def how_the_user_fared(played: Transcript) -> str:
    return "there is no simulated user" if played.outcome is None else f"the simulated user {played.outcome}"


# ---- states ----------------------------------------------------------------------------------------------------------


def not_silent(played: Transcript, start_s: float, end_s: float) -> str | None:
    """Return when the bot was heard within a time in which it had to be silent."""
    start_s, end_s = start_s + played.tolerance_s, end_s - played.tolerance_s
    heard = [(max(start, start_s), min(stop, end_s)) for start, stop in played.audible()]
    sounds = [(start, stop) for start, stop in heard if stop - start > EDGE_S]
    return f"it could be heard {_shown(sounds)}" if sounds else None


def not_speaking(played: Transcript, start_s: float, end_s: float) -> str | None:
    """Return when the bot was heard, if that was not all of this time."""
    start_s, end_s = start_s + played.tolerance_s, end_s - played.tolerance_s
    heard = played.audible()
    if any(start <= start_s + EDGE_S and stop >= end_s - EDGE_S for start, stop in heard):
        return None
    return f"it could be heard {_shown(heard)}" if heard else "it could not be heard at all"


def _shown(sounds: Iterable[tuple[float, float]]) -> str:
    return ", ".join(f"from {show_time(round(a, 3))} to {show_time(round(b, 3))}" for a, b in sounds)


def too_late(played: Transcript, limit_s: float) -> str | None:
    """Return where the time went in each turn that was answered later."""
    turns = played.of(TurnMeasured)
    if not turns:
        return "it answered no turn"
    late = [turn for turn in turns if turn.total_ms > (limit_s + played.tolerance_s) * 1000 + 1e-3]
    return "; ".join(_where_time_went(turn) for turn in late) or None


def _where_time_went(turn: TurnMeasured) -> str:
    parts = ", ".join(f"{name} {ms:.0f}" for name, ms in turn.parts_ms.items() if ms >= 1)
    return f"it took {turn.total_ms:.0f} ms ({parts})"


def not_remembered(played: Transcript, role: str, text: str) -> str | None:
    """Return the bot's messages of a role in its memory, if this one is not among them."""
    texts = [message.text for message in played.conversation.messages if message.role == role]
    read = _words if played.live else str
    return None if read(text) in map(read, texts) else f"it remembers {_quoted(texts)}"
