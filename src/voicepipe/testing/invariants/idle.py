"""Invariants of the user's silence, and of the prompts that break it."""

from __future__ import annotations

from voicepipe.conversation import SILENCE, ItemId, Message
from voicepipe.events import (
    ConversationEnded,
    Event,
    FunctionCalled,
    FunctionContinues,
    FunctionReturned,
    ItemCreated,
    ItemDeleted,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    TurnEnded,
    TurnJudged,
    TurnStarted,
    TurnTaking,
)
from voicepipe.testing.invariants.recording import Found, Recording
from voicepipe.testing.scenario.steps import show_time

__all__ = ["no_early_prompt", "silence_broken"]

LATE_S = 1.5
"""A machine that stalls for a second is late by so much."""
EARLY_S = 0.002
AFTER_SOUND_S = 0.5
GRACE_S = 0.28


class _Silence:
    """The time since which the user has been silent, and the number of prompts since the user spoke."""

    def __init__(self, idle: tuple[float, int]) -> None:
        self._pipeline_s, self.at_most = idle
        self._idle_s: float | None = self._pipeline_s
        self._since_s = self._quiet_s = 0.0
        self._sent = 0
        self._prompt: ItemId | None = None
        self._cut: ItemId | None = None
        self._seen: set[ItemId] = set()
        self._requested: set[ItemId] = set()
        self._opened = self._replying = self._talking = self._over = self._awaits_result = self._unasked = False
        self._running: set[str] = set()
        self._run_by_client: set[str] = set()
        self._before = (0.0, 0)

    @property
    def due_s(self) -> float | None:
        """The latest time at which the silence is broken, in seconds; None while something is under way."""
        busy = self._replying or self._talking or self._over or self._awaits_result
        if (
            busy
            or self._running
            or self._run_by_client
            or not self._opened
            or self._idle_s is None
            or self._sent >= self.at_most
        ):
            return None
        return max(self.earliest_s, self._quiet_s + AFTER_SOUND_S)

    @property
    def earliest_s(self) -> float:
        """The earliest time at which the silence is broken, in seconds."""
        return self._since_s + (self._idle_s or 0.0)

    @property
    def _is_accepted(self) -> bool:
        """Return whether the client's request for a reply is accepted: over a reply only behind a result, or news."""
        return not self._replying or self._awaits_result or self._unasked

    def is_given_back(self, at_s: float, event: ReplyAudio | Event) -> bool:
        """Return whether a reply is a prompt that a sound without words has stopped before it was heard: it comes again
        when the sound is over, and is the same one. One that has failed does not."""
        return self._cut is not None and self.prompt_of(event) == self._cut and at_s <= self._quiet_s + GRACE_S

    def prompt_of(self, event: ReplyAudio | Event) -> ItemId | None:
        """Return the item of the silence that a reply answers; None: the event begins no reply, or another one."""
        if not isinstance(event, ReplyStarted) or event.unasked is not None or event.item in self._requested:
            return None
        last = event.conversation.messages[-1:]
        return last[0].item if last == (Message("user", SILENCE),) else None

    def take(self, at_s: float, event: ReplyAudio | Event) -> None:
        match event:
            case ReplyStarted():
                self._opened, self._replying, self._awaits_result = True, True, False
                self._unasked = event.unasked is not None
                self._prompt, self._cut = self.prompt_of(event), None
                if self._prompt is not None and self._prompt not in self._seen:
                    self._sent, self._seen = self._sent + 1, self._seen | {self._prompt}
            case ReplyEnded():
                self._replying, self._since_s = False, at_s
            case ReplyInterrupted(heard_text=text):
                self._replying, self._since_s, self._cut = False, at_s, None if text else self._prompt
            case TurnStarted():
                self._talking = True
            case TurnEnded(text=text):
                self._talking, self._quiet_s, self._before = False, at_s, (self._since_s, self._sent)
                if text:
                    self._since_s, self._sent = at_s, 0
            case TurnJudged(counts=False):
                self._since_s, self._sent = self._before
            case FunctionContinues(id=call_id, taken_over_by=by):
                (self._running.discard if by else self._running.add)(call_id)
            case FunctionReturned(id=call_id) if call_id in self._running:
                self._running.discard(call_id)
                self._since_s = at_s
            case SettingsChanged(turns=TurnTaking(idle_s=idle_s)):
                if idle_s != self._idle_s:
                    self._idle_s, self._since_s = idle_s, at_s
            case ConversationEnded():
                self._over = True
            case _:
                self._take_of_client(at_s, event)

    def _take_of_client(self, at_s: float, event: ReplyAudio | Event) -> None:
        """Take what the client does to the conversation, and to the functions that it runs."""
        match event:
            case FunctionCalled(server_side=False, call=call):
                self._awaits_result = True
                self._run_by_client.add(call.id)
            case ItemCreated(role=role, call=call):
                self._since_s, self._awaits_result = at_s, self._awaits_result or role == "tool"
                self._sent = 0 if role == "user" else self._sent
                self._run_by_client.discard(call.id if call and role == "tool" else "")
            case ItemDeleted(item=item):
                self._run_by_client -= {one for one in self._run_by_client if item.endswith(f".{one}")}
            case ReplyCancelled(item=""):
                self._prompt = None
            case ReplyRequested(remembered=True, item=item) if self._is_accepted:
                self._sent, self._requested = 0, self._requested | {item}
            case _:
                pass


def silence_broken(recording: Recording) -> Found:
    """Check that no silence is longer than the idle time."""
    if recording.idle is None:
        return
    silence = _Silence(recording.idle)
    for at_s, event in recording.events:
        if (due_s := silence.due_s) is not None and at_s > due_s + LATE_S:
            yield due_s, f"nothing breaks the silence since {show_time(round(silence.earliest_s, 3))}"
            return
        silence.take(at_s, event)
    if (due_s := silence.due_s) is not None and recording.closed_s > due_s + LATE_S:
        yield due_s, "nothing breaks the last silence"


def no_early_prompt(recording: Recording) -> Found:
    """Check that a prompt comes after the idle time, and only while nothing is under way."""
    if recording.idle is None:
        return
    silence = _Silence(recording.idle)
    for at_s, event in recording.events:
        if silence.prompt_of(event) is not None and not silence.is_given_back(at_s, event):
            if silence.due_s is None:
                yield at_s, "an idle prompt, while something is under way"
            elif at_s < silence.earliest_s - EARLY_S:
                yield at_s, f"an idle prompt, {show_time(round(silence.earliest_s - at_s, 3))} early"
        silence.take(at_s, event)
