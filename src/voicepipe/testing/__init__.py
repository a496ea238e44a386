"""Tests without waiting: virtual time for asyncio, marble diagrams for observables, scripted services, conversations.

With pytest, the fixtures `marbles`, `scenario` and `virtual_loop` are there as soon as voicepipe is installed; a test
that uses the first or the last fails on what it leaks. Without pytest::

    with Marbles() as marbles:
        marbles.expect(marbles.cold("a-b|").pipe(ops.map(str.upper)), "A-B|")

    run(Scenario("The bot opens").by(1).bot_says("Hi!"), "pipelines/default.py")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicepipe.testing.deadlock import Deadlock
    from voicepipe.testing.docstrings import Block, find
    from voicepipe.testing.harness import Marbles
    from voicepipe.testing.interleavings import conversations, explore
    from voicepipe.testing.invariants import INVARIANTS, Broken, broken
    from voicepipe.testing.leaks import Leaked, LeakWatch
    from voicepipe.testing.marbles import COLUMN_MS, Diagram, DiagramError, Kind, Marble, format_diagram, parse
    from voicepipe.testing.played import At, Played
    from voicepipe.testing.player import play
    from voicepipe.testing.render import Row, svg
    from voicepipe.testing.scenario import Scenario
    from voicepipe.testing.scenario_run import ScenarioFailed, run
    from voicepipe.testing.services import Call, ScriptedLlm, ScriptedStt, ScriptedTts
    from voicepipe.testing.sound import Sound
    from voicepipe.testing.sources import Cold, Hot, Subscription
    from voicepipe.testing.timeline import Boom, Recorded, Timeline
    from voicepipe.testing.virtual_loop import VirtualLoop

__all__ = [
    "COLUMN_MS",
    "INVARIANTS",
    "At",
    "Block",
    "Boom",
    "Broken",
    "Call",
    "Cold",
    "Deadlock",
    "Diagram",
    "DiagramError",
    "Hot",
    "Kind",
    "LeakWatch",
    "Leaked",
    "Marble",
    "Marbles",
    "Played",
    "Recorded",
    "Row",
    "Scenario",
    "ScenarioFailed",
    "ScriptedLlm",
    "ScriptedStt",
    "ScriptedTts",
    "Sound",
    "Subscription",
    "Timeline",
    "VirtualLoop",
    "broken",
    "conversations",
    "explore",
    "find",
    "format_diagram",
    "parse",
    "play",
    "run",
    "svg",
]

_MODULES = {
    "deadlock": ["Deadlock"],
    "docstrings": ["Block", "find"],
    "harness": ["Marbles"],
    "interleavings": ["conversations", "explore"],
    "invariants": ["INVARIANTS", "Broken", "broken"],
    "leaks": ["LeakWatch", "Leaked"],
    "marbles": ["COLUMN_MS", "Diagram", "DiagramError", "Kind", "Marble", "format_diagram", "parse"],
    "player": ["play"],
    "played": ["At", "Played"],
    "render": ["Row", "svg"],
    "scenario_run": ["ScenarioFailed", "run"],
    "scenario": ["Scenario"],
    "services": ["Call", "ScriptedLlm", "ScriptedStt", "ScriptedTts"],
    "sound": ["Sound"],
    "sources": ["Cold", "Hot", "Subscription"],
    "timeline": ["Boom", "Recorded", "Timeline"],
    "virtual_loop": ["VirtualLoop"],
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports on first use: pytest loads this package in every project of an environment that has voicepipe."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
