"""Donated voices on the disk: what there is, trimmed for cloning, and removed when a donor withdraws."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voicepipe.events import Samples

__all__ = ["Donation", "NoDonation", "donations", "find", "quiet_ends", "remove", "trimmed_path"]

_WINDOW_S = 0.02
_QUIET_DB = 35.0
"""A window that is so much quieter than the loudest one, in decibels, is no voice."""
_MARGIN_S = 0.15  # what is kept before and behind the voice


class NoDonation(LookupError):
    """A donation that is asked for does not exist, or there are several. The message says which."""


@dataclass(frozen=True, slots=True)
class Donation:
    """A donated voice: its files, and what its donor has said.

    Args:
        id: The consent's id, which names the files.
        sound: The recording.
        facts: The file with the donor and the consent.
        nickname: The donor's name for the voice; "" for none.
        email: The donor's address; "" for none.
        given_at: When it was given, in seconds since the epoch.
        bytes: The size of the recording.
        format_version: That of the client's form.
    """

    id: str
    sound: Path
    facts: Path
    nickname: str
    email: str
    given_at: float
    bytes: int
    format_version: str


def donations(folder: Path) -> list[Donation]:
    """Return the whole donations of a folder, the oldest first: where the facts are, the recording is whole."""
    return sorted(_read(folder), key=lambda one: (one.given_at, one.id))


def find(folder: Path, asked: str) -> Donation:
    """Return the donation with this id, or a longer one, or from the donor with this address.

    Raises:
        NoDonation: There is none, or more than one.
    """
    found = [one for one in donations(folder) if asked and (one.id.startswith(asked) or one.email == asked)]
    if len(found) != 1:
        names = ", ".join(one.id for one in found)
        raise NoDonation(f"{asked!r} is {f'more than one donation: {names}' if found else f'no donation in {folder}'}")
    return found[0]


def remove(donation: Donation) -> list[Path]:
    """Delete the recording, what was made of it, and the facts; return the files. Raises OSError."""
    files = [donation.sound, trimmed_path(donation), donation.facts]  # the facts last: after a crash it is found again
    there = [path for path in files if path.exists()]
    for path in there:
        path.unlink(missing_ok=True)
    return there


def trimmed_path(donation: Donation) -> Path:
    """Return the file of the trimmed recording."""
    return donation.sound.with_name(f"{donation.id}.trimmed.wav")


def quiet_ends(samples: Samples, rate_hz: int, *, most_s: float) -> tuple[int, int]:
    """Return where the voice begins and ends in a recording, with a margin: at most so many seconds of it.

    Where it is cut, it is cut at the quietest moment of the last second.

    Args:
        samples: The recording.
        rate_hz: Its rate.
        most_s: The longest result, in seconds.

    Raises:
        ValueError: There is no voice in it.
    """
    window = max(1, round(_WINDOW_S * rate_hz))
    whole = samples[: len(samples) // window * window].reshape(-1, window)
    levels = np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1)) if len(whole) else np.zeros(1)
    if levels.max() < 1e-4:
        raise ValueError("there is no voice in the recording")
    loud = np.flatnonzero(levels > levels.max() * 10 ** (-_QUIET_DB / 20))
    margin = round(_MARGIN_S * rate_hz)
    begin = max(0, int(loud[0]) * window - margin)
    end = min(len(samples), (int(loud[-1]) + 1) * window + margin)
    longest = round(most_s * rate_hz)
    if end - begin > longest:
        last = slice(max(0, (begin + longest - rate_hz) // window), (begin + longest) // window)
        end = (last.start + int(np.argmin(levels[last])) + 1) * window
    return begin, end


def _read(folder: Path) -> Iterator[Donation]:
    for facts in folder.glob("*.json"):
        sound = facts.with_suffix(".wav")
        try:
            kept: dict[str, Any] = json.loads(facts.read_text("utf-8"))
            submission: dict[str, Any] = kept["submission"]
            size = sound.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            continue
        yield Donation(
            facts.stem,
            sound,
            facts,
            str(submission.get("nickname") or ""),
            str(submission.get("email") or ""),
            float(kept.get("timestamp") or 0.0),
            size,
            str(submission.get("format_version") or ""),
        )
