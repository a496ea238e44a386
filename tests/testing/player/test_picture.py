"""Every event is drawn, or is left out on purpose; and every event is known to an invariant, or needs none."""

from __future__ import annotations

import ast
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import pytest

import voicepipe.events as vocabulary
from voicepipe.conversation import Conversation
from voicepipe.events import (
    Event,
    OutOfBandResponse,
    ReplyStarted,
    ReplyTextWritten,
    TurnJudged,
    Unasked,
    WordSpoken,
)
from voicepipe.testing import INVARIANTS, broken
from voicepipe.testing.invariants import all as invariants
from voicepipe.testing.player.picture import NOT_DRAWN, picture

BASES = {"Event", "ClientEvent", "TurnEvent", "Unpaced", "Unspoken", "Unasked"}
CLASSES = sorted(
    (
        kind
        for name in vocabulary.__all__
        if isinstance(kind := getattr(vocabulary, name), type)
        and issubclass(kind, (Event, vocabulary.Unpaced, Unasked))
        and name not in BASES
    ),
    key=lambda kind: kind.__name__,
)

NEEDS_NO_INVARIANT = {
    "AgentChanged", "AudioDeferred", "EchoEnded", "EchoFound", "FlushRequested", "FunctionCallWritten",
    "FunctionDelayed",
    "GenerationRequested", "HangUpRequested", "InputCleared", "InputCommitted", "InputRejected", "ItemRequested",
    "ItemTruncated", "MaxTokensReached", "OutOfBandResponse", "Overflowed", "Pause", "ReplyDelayed",
    "ReplyText", "SessionOpened", "SpeculationEnded", "SpeechProbability", "SpeechRequested", "SpeechStopped",
    "SynthesisEnded",
    "SynthesisStarted", "TextNotSpoken", "TokensCounted", "ToolApprovalGiven", "ToolListFailed", "ToolListStarted",
    "ToolsListed", "TranscriptDrafted", "TurnTextChanged", "TurnVoiceChanged", "Warned",
}  # fmt: skip
"""Events of which nothing holds in every conversation that other events do not say. A new event is added here, or to an
invariant."""

_VALUES: dict[str, Any] = {"float": 1.0, "int": 1, "bool": True, "bytes": b"x"}


def example(kind: type[Any]) -> Any:
    """Return an event of a class, with a value for each field that needs one."""
    special = {
        "conversation": Conversation(),
        "error": ValueError("broken"),
        "call": vocabulary.FunctionCall("c1", "look"),
        "event": WordSpoken("aside", 0, 1),
        "counts": False,
        "audio": vocabulary.Audio(pytest.importorskip("numpy").zeros(480, "float32"), 24_000),
        "role": "user",
    }
    needed = {one.name: one for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING}
    return kind(**{name: special.get(name, _VALUES.get(str(one.type), "x")) for name, one in needed.items()})


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_event_is_drawn_or_left_out_on_purpose(kind: type[Any]) -> None:
    """And an invariant that sees one of it does not raise."""
    drawn = picture([(1.0, example(kind))], []).splitlines()[1:]
    left_out = issubclass(kind, NOT_DRAWN) and kind.__name__ != "InputRejected"
    assert bool(drawn) is not left_out, drawn
    broken([(0.0, ReplyStarted(Conversation())), (1.0, example(kind))], idle_prompts=(7, 3))


def test_every_event_is_known_to_an_invariant_or_needs_none() -> None:
    """By the names in the source of the invariants."""
    folder = Path(invariants.__file__).parent
    names = {
        node.id
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name)
    }
    known = {kind.__name__ for kind in CLASSES}
    assert known - names == NEEDS_NO_INVARIANT
    assert INVARIANTS


def test_written_text_is_drawn_as_it_is_written() -> None:
    """Pieces of a word are one word."""
    pieces = [ReplyStarted(Conversation()), *map(ReplyTextWritten, ["Bon", "jour", " à", " tous."])]
    assert picture([(0.0, one) for one in pieces], []).endswith("▸ Bonjour à tous.")


def test_a_pipelines_own_event_is_drawn() -> None:
    """With its fields that are no defaults."""

    @dataclass(frozen=True, slots=True)
    class KeywordHeard(Event):
        keyword: str
        loud: bool = False

    assert '(KeywordHeard(keyword="tea"))' in picture([(0.0, KeywordHeard("tea"))], [])


def test_what_is_out_of_band_says_so() -> None:
    assert "(out of band: aside)" in picture([(0.0, example(OutOfBandResponse))], [])


def test_a_turn_that_counts_is_no_line() -> None:
    assert len(picture([(0.0, TurnJudged(example(TurnJudged).item, True))], []).splitlines()) == 1
