"""`wait_for_user`: a bot that does not speak first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from voicepipe.events import ClientEvent, SettingsChanged, TurnEvent
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["wait_for_user"]


@stage_factory(passes=True)
def wait_for_user() -> Stage[TurnEvent | ClientEvent, TurnEvent | ClientEvent]:
    """Keep `respond` from opening the conversation: drop the instructions of a client that does not lead.

    For pipelines that have instructions of their own, or none. A client that leads asks for the opening, if it wants
    one; its settings pass, as everything else does.

    .. marbles::

        turns           s-S-e|     s: SettingsChanged("Hi.")   S: SettingsChanged(turns=TurnTaking())   e: TurnEnded
        wait_for_user   n-S-e|     n: SettingsChanged()
    """

    def step(event: TurnEvent | ClientEvent) -> Iterator[TurnEvent | ClientEvent]:
        if isinstance(event, SettingsChanged) and event.turns is None:
            event = replace(event, system_prompt=None, lines=None)
        yield event

    return transduce(lambda _: step)
