"""The default pipeline with functions that take their time: for explored conversations."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Event, FunctionCalled
from voicepipe.loader import load_pipeline
from voicepipe.operators.tools import with_tools
from voicepipe.session import Session
from voicepipe.testing.loop.napping import nap
from voicepipe.testing.loop.virtual_loop import VirtualLoop
from voicepipe.testing.scenario.run import ScenarioFailed, run
from voicepipe.testing.scenario.scenario import Scenario

__all__ = ["NAMES", "check"]

NAMES = ("look", "search", "stamp", "book")
"""Quick and slow, async and in threads."""


@dataclass(slots=True)
class _Ledger:
    """A record of the function calls of one conversation."""

    running: set[str] = field(default_factory=set[str])
    twice: list[str] = field(default_factory=list[str])
    begun: Counter[str] = field(default_factory=Counter[str])
    loop: asyncio.AbstractEventLoop | None = None

    def begin(self, name: str) -> None:
        if name in self.running:
            self.twice.append(name)
        self.running.add(name)
        self.begun[name] += 1

    def nap(self, seconds: float) -> None:
        assert isinstance(self.loop, VirtualLoop)
        nap(self.loop, seconds)

    def end(self, name: str) -> str:
        self.running.discard(name)
        return f"the {name} is done"


def check(scenario: Scenario) -> None:
    """Play a scenario with the functions `NAMES`; raise ScenarioFailed if an invariant breaks, or one ran twice at
    once, or for a reply that was thrown away.

    Args:
        scenario: The LLM may call the functions.
    """
    ledger = _Ledger()

    def pipeline(session: Session) -> Observable[Event]:
        tools = with_tools(
            session.llm, *_functions(ledger), deadline_s=8, filler="One moment.", filler_after_s=0.8, rounds=2
        )

        def llm(conversation: Conversation) -> Observable[str | Event]:
            with contextlib.suppress(RuntimeError):  # the drawing of the graph asks it without a loop
                ledger.loop = asyncio.get_running_loop()
            return tools(conversation)

        return load_pipeline(None)(replace(session, llm=llm))

    played = run(scenario, pipeline)
    called = Counter(one.event.call.name for one in played.events if isinstance(one.event, FunctionCalled))
    if untold := ledger.begun - called:
        raise ScenarioFailed(f"run, and no reply has called it: {', '.join(untold)}")
    if ledger.twice:
        raise ScenarioFailed(f"run again while it was running: {', '.join(ledger.twice)}")


def _functions(ledger: _Ledger) -> list[Callable[..., Any]]:
    async def look() -> str:
        """Look, which is quick."""
        ledger.begin("look")
        await asyncio.sleep(0.1)
        return ledger.end("look")

    async def search() -> str:
        """Search, which takes a while."""
        ledger.begin("search")
        await asyncio.sleep(3)
        return ledger.end("search")

    def stamp() -> str:
        """Stamp, in a thread."""
        ledger.begin("stamp")
        return ledger.end("stamp")

    def book() -> str:
        """Book, in a thread, which takes a while."""
        ledger.begin("book")
        ledger.nap(1.5)
        return ledger.end("book")

    return [look, search, stamp, book]
