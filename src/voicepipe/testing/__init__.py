"""Tests without waiting: virtual time for asyncio, marble diagrams for observables, scripted services, conversations.

With pytest, the fixtures `marbles`, `scenario` and `virtual_loop` are there as soon as voicepipe is installed; a test
that uses the first or the last fails on what it leaks. Without pytest::

    with Marbles() as marbles:
        marbles.expect(marbles.cold("a-b|").pipe(ops.map(str.upper)), "A-B|")

    run(Scenario("The bot opens").by(1).bot_says("Hi!"), "pipelines/default.py")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicepipe._lazy import lazy

if TYPE_CHECKING:
    from voicepipe.testing.contracts.stt import check_stt
    from voicepipe.testing.contracts.trial import ContractBroken
    from voicepipe.testing.contracts.tts import check_tts
    from voicepipe.testing.contracts.vad import check_vad
    from voicepipe.testing.exploration import conversations, explore
    from voicepipe.testing.invariants.all import INVARIANTS, Broken, broken
    from voicepipe.testing.loop.deadlock import Deadlock
    from voicepipe.testing.loop.virtual_loop import VirtualLoop
    from voicepipe.testing.marbles.docstrings import Block, find
    from voicepipe.testing.marbles.harness import Marbles
    from voicepipe.testing.marbles.leaks import Leaked, LeakWatch
    from voicepipe.testing.marbles.notation import COLUMN_MS, Diagram, DiagramError, Kind, Marble, format_diagram, parse
    from voicepipe.testing.marbles.render import Row, svg
    from voicepipe.testing.marbles.services import Call, ScriptedLlm, ScriptedStt, ScriptedTts
    from voicepipe.testing.marbles.sound import Sound
    from voicepipe.testing.marbles.sources import Cold, Hot, Subscription
    from voicepipe.testing.marbles.timeline import Recorded, ScriptedError, Timeline
    from voicepipe.testing.player.player import play
    from voicepipe.testing.player.transcript import At, Transcript
    from voicepipe.testing.scenario.run import ScenarioFailed, run
    from voicepipe.testing.scenario.scenario import Scenario
    from voicepipe.testing.sessions import OpenSession, open_session, session, stages
    from voicepipe.testing.simulation.judge import Verdict
    from voicepipe.testing.simulation.model import ChatModel

__all__ = [
    "COLUMN_MS",
    "INVARIANTS",
    "At",
    "Block",
    "Broken",
    "Call",
    "ChatModel",
    "Cold",
    "ContractBroken",
    "Deadlock",
    "Diagram",
    "DiagramError",
    "Hot",
    "Kind",
    "LeakWatch",
    "Leaked",
    "Marble",
    "Marbles",
    "OpenSession",
    "Recorded",
    "Row",
    "Scenario",
    "ScenarioFailed",
    "ScriptedError",
    "ScriptedLlm",
    "ScriptedStt",
    "ScriptedTts",
    "Sound",
    "Subscription",
    "Timeline",
    "Transcript",
    "Verdict",
    "VirtualLoop",
    "broken",
    "check_stt",
    "check_tts",
    "check_vad",
    "conversations",
    "explore",
    "find",
    "format_diagram",
    "open_session",
    "parse",
    "play",
    "run",
    "session",
    "stages",
    "svg",
]

_MODULES = {
    "contracts.stt": ["check_stt"],
    "contracts.trial": ["ContractBroken"],
    "contracts.tts": ["check_tts"],
    "contracts.vad": ["check_vad"],
    "loop.deadlock": ["Deadlock"],
    "marbles.docstrings": ["Block", "find"],
    "marbles.harness": ["Marbles"],
    "exploration": ["conversations", "explore"],
    "invariants.all": ["INVARIANTS", "Broken", "broken"],
    "marbles.leaks": ["LeakWatch", "Leaked"],
    "marbles.notation": ["COLUMN_MS", "Diagram", "DiagramError", "Kind", "Marble", "format_diagram", "parse"],
    "player.player": ["play"],
    "player.transcript": ["At", "Transcript"],
    "marbles.render": ["Row", "svg"],
    "scenario.run": ["ScenarioFailed", "run"],
    "scenario.scenario": ["Scenario"],
    "sessions": ["OpenSession", "open_session", "session", "stages"],
    "simulation.judge": ["Verdict"],
    "simulation.model": ["ChatModel"],
    "marbles.services": ["Call", "ScriptedLlm", "ScriptedStt", "ScriptedTts"],
    "marbles.sound": ["Sound"],
    "marbles.sources": ["Cold", "Hot", "Subscription"],
    "marbles.timeline": ["ScriptedError", "Recorded", "Timeline"],
    "loop.virtual_loop": ["VirtualLoop"],
}
# pytest loads this package in every project of an environment that has voicepipe.
__getattr__ = lazy(__name__, {name: module for module, names in _MODULES.items() for name in names})
