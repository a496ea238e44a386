"""Compare what a session emitted with what it emits when it is run again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from voicepipe.recording.file import Recording
from voicepipe.recording.session import digested
from voicepipe.recording.values import Packer
from voicepipe.testing.replay.player import Replayed

__all__ = ["Difference", "differences", "fingerprint"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two sessions differ: None where one has nothing more.

    Args:
        number: The number of the event, from 0 on.
        recorded: The time since the session's begin in seconds, and the event.
        replayed: The same, of the session that was run again.
    """

    number: int
    recorded: tuple[float, Any] | None
    replayed: tuple[float, Any] | None


def differences(recording: Recording, replayed: Replayed) -> Difference | None:
    """Return the first difference in time or event, to the bit; None if there is none.

    Where the server was killed, what it emitted last may be missing in the file: it does not count.
    """
    began_s = recording.header.at_s
    before = list(recording.emitted())
    after = [(at_s, event) for at_s, event in _comparable(recording, replayed.events)]
    for number, (one, other) in enumerate(zip(before, after, strict=False)):
        if _bits(*one) != _bits(*other):
            return Difference(number, _since(one, began_s), _since(other, began_s))
    number = min(len(before), len(after))
    if len(before) > number or (len(after) > number and recording.is_whole):
        return Difference(number, _since(_at(before, number), began_s), _since(_at(after, number), began_s))
    return None


def fingerprint(recording: Recording, replayed: Replayed) -> list[bytes]:
    """Return the bits of each event and its time: equal for equal sessions."""
    return [_bits(*one) for one in _comparable(recording, replayed.events)]


def _comparable(recording: Recording, events: Iterable[tuple[float, Any]]) -> Iterable[tuple[float, Any]]:
    return ((at_s, event if recording.header.sound else digested(event)) for at_s, event in events)


def _bits(at_s: float, event: Any) -> bytes:
    return b"".join(Packer().pack((at_s, event)))


def _at(events: Sequence[tuple[float, Any]], number: int) -> tuple[float, Any] | None:
    return events[number] if number < len(events) else None


def _since(one: tuple[float, Any] | None, began_s: float) -> tuple[float, Any] | None:
    return None if one is None else (one[0] - began_s, one[1])
