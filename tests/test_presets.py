"""Presets: what a stage makes of one is what it makes of the single numbers."""

from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
import reactivex
from reactivex import Observable

from voicepipe import operators as ops
from voicepipe import presets
from voicepipe.conversation import Conversation
from voicepipe.events import Audio, Event
from voicepipe.presets import DEADLINE, ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK
from voicepipe.stage import Declared

ROOT = Path(__file__).parents[1]


def vad(sound: Observable[Audio]) -> Observable[Any]:
    return reactivex.empty()


def end_of_turn(sound: Audio) -> Observable[float]:
    return reactivex.empty()


def llm(conversation: Conversation) -> Observable[str | Event]:
    return reactivex.empty()


def reply(conversation: Conversation) -> Observable[Event]:
    return reactivex.empty()


@pytest.mark.parametrize(
    ("stage", "numbers"),
    [
        (ops.fill_gaps(GAPS), {"after_ms": 200, "at_most_ms": 2000}),
        (
            ops.detect_turns(
                replace(
                    ENDPOINTING,
                    acknowledgements=frozenset({"mhm"}),
                    clause_openers=frozenset({"if"}),
                    open_ends=frozenset({"and"}),
                )
            ),
            {"pause_above": 0.6, "resume_below": 0.4, "min_words": 1, "acknowledgements": {"mhm"},
             "unsure_below": -0.87, "unsure_words": 3, "clause_openers": {"if"}, "open_ends": {"and"}, "scored_ms": 80,
             "alike_within": 2.0, "unsure_weight": 3.0},
        ),
        (
            ops.endpoint(vad, end_of_turn, ENDPOINTING),
            {"speech_above": 0.5, "silence_below": 0.5, "onset_ms": 64, "pause_ms": 160, "ask_again_ms": 200,
             "sure_above": 0.6, "silence_ms": 720, "context_s": 8, "longest_s": 30},
        ),
        (
            ops.respond(reply, replace(INTERRUPTION, idle_prompts=0)),
            {"idle_after_s": 7.0, "idle_prompts": 0, "uninterruptible_s": 3.0, "grace_s": 0.25, "min_voice_ms": 1200,
             "resume_within_ms": 350},
        ),
        (ops.pace(PLAYBACK), {"lead_ms": 320, "frame_ms": 80}),
        (ops.with_deadline(llm, "LLM", DEADLINE), {"first_s": 3, "between_s": 3}),
    ],
)  # fmt: skip
def test_a_stage_knows_the_numbers_of_a_preset(stage: Any, numbers: dict[str, object]) -> None:
    """As if each had been written: that is what is drawn, and what an error names."""
    assert isinstance(stage, Declared)
    assert cast("Declared[Any, Any]", stage).declaration.kwargs == numbers


def test_one_threshold_has_one_number() -> None:
    """`endpoint`, `listen` and `detect_turns` call it by different names."""
    surer = replace(ENDPOINTING, sure_above=0.9)
    assert (surer.flush_at, surer.pause_above) == (0.9, 0.9)


def test_the_pipelines_repeat_no_number_of_a_preset() -> None:
    """They change single ones with `replace`."""
    names = {field.name for made in vars(presets).values() if isinstance(made, type) and is_dataclass(made)
             for field in fields(made)}  # fmt: skip
    assert "silence_ms" in names
    for path in (ROOT / "pipelines").glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        written = [one for one in calls if ast.unparse(one.func) not in ("replace", "ops.hedge")]  # it has no preset
        assert names & {keyword.arg for call in written for keyword in call.keywords} == set(), path.name


def test_the_pipelines_are_short() -> None:
    """The default one has at most 25 lines of code, all twelve together at most 230."""
    sizes = {
        path.name: sum(map(_is_code, path.read_text("utf-8").splitlines()))
        for path in (ROOT / "pipelines").glob("*.py")
    }
    assert sizes["default.py"] <= 25
    assert sum(sizes.values()) <= 230


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith(("#", '"""'))
