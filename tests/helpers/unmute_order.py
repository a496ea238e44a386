"""The order in which an Unmute client is told what happens: two machines, the user's turn and the bot's reply.

`ORDER` says in which state an event finds each of them, and in which it leaves them (`before → after`). An empty cell:
it may come at any time and changes nothing. The page on the wire shows the same table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["ORDER", "Order", "events_of", "rows"]

ORDER = """
| event                                               | the user       | the bot                          |
|-----------------------------------------------------|----------------|----------------------------------|
| `session.updated`                                   |                |                                  |
| `conversation.item.input_audio_transcription.delta` | quiet → heard  | silent, thinks, speaks           |
| `conversation.item.input_audio_transcription.delta` | heard          | silent, thinks, speaks           |
| `conversation.item.input_audio_transcription.delta` | talks          | silent                           |
| `input_audio_buffer.speech_started`                 | heard → talks  | silent, thinks, speaks           |
| `input_audio_buffer.speech_stopped`                 | talks → quiet  | silent                           |
| `unmute.additional_outputs`                         | quiet, heard   | silent → shown                   |
| `response.created`                                  | quiet, heard   | silent → thinks, shown → thinks  |
| `unmute.response.text.delta.ready`                  | quiet, heard   | thinks, speaks                   |
| `response.audio.delta`                              | quiet, heard   | thinks → speaks, speaks          |
| `response.text.delta`                               | quiet, heard   | speaks                           |
| `response.text.done`                                | quiet, heard   | thinks → over, speaks → over     |
| `unmute.interrupted_by_vad`                         |                | thinks → over, speaks → over     |
| `unmute.additional_outputs`                         |                | over → told                      |
| `response.audio.done`                               |                | told → silent                    |
| `error`                                             |                |                                  |
"""


def rows(table: str) -> list[tuple[str, str, str]]:
    """The cells of each line of a table, without its head; those of the same three columns wherever it stands."""
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.strip().splitlines()]
    return [(event.strip("`"), user, bot) for event, user, bot in lines[2:]]


_Steps = list[tuple[dict[str, str] | None, dict[str, str] | None]]


def _steps(cell: str) -> dict[str, str] | None:
    """From each state that the cell allows to the state after it; None: every state stays as it is."""
    pairs = [re.split(r"\s*→\s*", one.strip()) for one in cell.split(",")] if cell else []
    return {pair[0]: pair[-1] for pair in pairs} or None


def _rules() -> dict[str, _Steps]:
    rules: dict[str, _Steps] = {}
    for event, user, bot in rows(ORDER):
        rules.setdefault(event, []).append((_steps(user), _steps(bot)))
    return rules


_RULES = _rules()


def events_of(table: str = ORDER) -> set[str]:
    """The events that have a place in the order."""
    return {event for event, _, _ in rows(table)}


class Order:
    """Follows both machines. An event that does not fit changes nothing, so that the next one is judged on its own."""

    def __init__(self) -> None:
        self.user, self.bot = "quiet", "silent"

    def __call__(self, event: dict[str, Any]) -> Iterator[str]:
        for users, bots in _RULES.get(event["type"], []):
            user = self.user if users is None else users.get(self.user)
            bot = self.bot if bots is None else bots.get(self.bot)
            if user is not None and bot is not None:
                self.user, self.bot = user, bot
                return
        yield f"is out of order: the user was {self.user!r}, the bot {self.bot!r}"

    def end(self) -> Iterator[str]:
        """The faults in the state when the bot has hung up."""
        if self.user == "talks" or self.bot != "silent":
            yield f"the end came while the user was {self.user!r}, the bot {self.bot!r}"
