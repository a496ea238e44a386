"""Idle prompts: when the bot breaks the user's silence. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicepipe.conversation import SILENCE, ItemId
from voicepipe.presets import Interruption

__all__ = ["IdlePrompts"]

_AFTER_SOUND_S = 0.3  # a voice that goes on is noticed well within it: music is no moment to speak


@dataclass(frozen=True, slots=True)
class IdlePrompts:
    """The rule by which the bot breaks a silence, and its state. Times are in seconds.

    The table of the how-to "What interrupts the bot" says what begins the silence anew, and what the count.

    Args:
        after_s: the idle time; None: never
        at_most: how many prompts in a row, without a word of the user's between them
        default_s: the idle time where the client does not lead
        since_s: when the last reply ended, or the last words of the user's; a sound without words does not count
        quiet_s: when the last sound of the user's ended
        sent: how many prompts in a row there have been
        open: the last of them was ordered, and its reply has not ended; it begins again after a sound that stops it
    """

    after_s: float | None
    at_most: int
    default_s: float
    since_s: float = 0.0
    quiet_s: float = -1.0
    sent: int = 0
    open: bool = False

    @classmethod
    def of(cls, rules: Interruption) -> IdlePrompts:
        """Return the state at the beginning of a session."""
        return cls(rules.idle_after_s, rules.idle_prompts, rules.idle_after_s)

    @property
    def due_s(self) -> float | None:
        """Return when the next prompt is due, if nothing happens."""
        if self.after_s is None or self.sent >= self.at_most:
            return None
        return max(self.since_s + self.after_s, self.quiet_s + _AFTER_SOUND_S)

    def since(self, now_s: float) -> IdlePrompts:
        """Return the state when the silence begins anew."""
        return replace(self, since_s=now_s)

    def quiet(self, now_s: float) -> IdlePrompts:
        """Return the state when a sound of the user's has ended."""
        return replace(self, quiet_s=now_s)

    def configured(self, idle_s: float | None, *, led: bool, now_s: float) -> IdlePrompts:
        """Return the state with the client's idle time; a new one counts from now on."""
        after_s = idle_s if led else self.default_s
        if after_s == self.after_s:
            return self
        return replace(self, after_s=after_s, since_s=now_s, open=self.open and after_s is not None)

    def answered(self) -> IdlePrompts:
        """Return the state when the user has spoken, or the client asked for a reply."""
        return replace(self, sent=0) if self.sent else self

    def prompted(self) -> IdlePrompts:
        """Return the state when one more prompt is ordered."""
        return replace(self, sent=self.sent + 1, open=True)

    def ended(self, now_s: float) -> IdlePrompts:
        """Return the state when a reply has ended, or failed, after which a prompt does not begin again."""
        return replace(self, since_s=now_s, open=False)

    def message(self, number: int) -> tuple[str, ItemId]:
        """Return the text and the item of the silence, as a message of the user's."""
        return SILENCE, ItemId(f"silence{number}")
