"""All invariants: statements that hold in every conversation, whatever fails; checks over a recording.

Each has a sentence as its name. A breach has a time and a description.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from voicepipe.events import Event
from voicepipe.testing.invariants import functions, idle, replies, turns
from voicepipe.testing.invariants.recording import SILENCE_S, Found, Invariant, Recording
from voicepipe.testing.player.transcript import At, Transcript
from voicepipe.testing.scenario.steps import show_time

__all__ = ["INVARIANTS", "SILENCE_S", "Broken", "Invariant", "broken"]


class Broken(NamedTuple):
    """A breach of an invariant."""

    invariant: str
    at_s: float
    what: str

    def __str__(self) -> str:
        return f'broken: "{self.invariant}", at {show_time(round(self.at_s, 3))}: {self.what}'


def broken(
    played: Transcript | Sequence[tuple[float, Event]],
    *,
    skip: Collection[str] = (),
    silence_s: float = SILENCE_S,
    idle_prompts: tuple[float, int] | None = None,
) -> list[Broken]:
    """Return the broken invariants, the earliest first, each once: later breaches may follow from it.

    Args:
        played: A scenario's transcript, or any list of (seconds, event).
        skip: Names of invariants that are not checked.
        silence_s: The longest silence of the bot's that is no breach.
        idle_prompts: After how many seconds of silence the pipeline speaks, and how often in a row; None: unknown.

    Raises:
        ValueError: `skip` has an unknown name.
    """
    if unknown := set(skip) - set(INVARIANTS):
        raise ValueError(f"{sorted(unknown)} are no invariants; these are: {', '.join(map(repr, INVARIANTS))}")
    recording = _recording(played, silence_s, idle_prompts)
    found = [_first(name, check(recording)) for name, check in INVARIANTS.items() if name not in skip]
    return sorted(filter(None, found), key=lambda one: one.at_s)


def _recording(
    played: Transcript | Sequence[tuple[float, Event]], silence_s: float, prompts: tuple[float, int] | None
) -> Recording:
    if isinstance(played, Transcript):
        return Recording(played.events, played.closed_s, played.leaks, played.voice, played.unheard, silence_s, prompts)
    events = [At(*one) for one in played]
    return Recording(events, max((at_s for at_s, _ in events), default=0.0), silence_s=silence_s, idle=prompts)


def _first(name: str, found: Found) -> Broken | None:
    return next((Broken(name, at_s, what) for at_s, what in found), None)


# ---- the session -----------------------------------------------------------------------------------------------------


def _in_time(recording: Recording) -> Found:
    for (before_s, _), (at_s, event) in pairwise(recording.events):
        if at_s < before_s:
            yield at_s, f"{type(event).__name__} came {show_time(before_s - at_s)} before what was before it"


def _silent_when_closed(recording: Recording) -> Found:
    for at_s, event in recording.events:
        if at_s > recording.closed_s:
            yield at_s, f"{type(event).__name__} after the session was closed"


def _nothing_left(recording: Recording) -> Found:
    yield from ((recording.closed_s, leak) for leak in recording.leaks)


INVARIANTS: dict[str, Invariant] = {
    "never two replies at once": replies.one_reply,
    "a reply ends once": replies.ends_once,
    "no sound of a reply that is over": replies.no_sound_after_the_end,
    "a reply's text is what was spoken": replies.heard_text,
    "words are spoken in order": replies.spoken_in_order,
    "a word is spoken when its sound is out": replies.spoken_when_released,
    "silence is bounded": turns.answered,
    "a silence is broken in time": idle.silence_broken,
    "no idle prompt comes too early": idle.no_early_prompt,
    "a turn is what was recognised": turns.turn_is_what_was_recognised,
    "the user is not cut in mid-sentence": turns.user_not_cut,
    "the user's word silences the bot": turns.word_silences,
    "the parts of a turn sum to its total": turns.parts_sum,
    "only answers are measured": turns.only_answers_measured,
    "turns do not overlap": turns.turns_alternate,
    "a turn with words is confirmed once": turns.turn_is_confirmed,
    "the bot remembers what was heard of it": replies.bot_remembers_what_was_heard,
    "the bot remembers what the user said": replies.bot_remembers_what_was_said,
    "the bot forgets what the client deletes": replies.deleted_is_forgotten,
    "the next prompt has every result": functions.results_remembered,
    "time goes on": _in_time,
    "a closed session is silent": _silent_when_closed,
    "nothing is left behind": _nothing_left,
}
"""Every invariant by its name, a sentence."""
