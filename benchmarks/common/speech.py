"""Real human speech, cut into things that one says in one turn.

The recordings are those that the package `moonshine-voice` carries among its assets: `two_cities` (a man reads the
opening of "A Tale of Two Cities"), `beckett` and `endgame_nagg_nell` (a man and a woman). They are found without
importing the package. Cuts are at pauses, by energy, so that they are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from voicepipe.client import read_recording
from voicepipe.events import Samples

__all__ = ["RATE_HZ", "SPEAKERS", "NoSpeech", "Utterance", "loud_pieces", "recording", "utterances"]

RATE_HZ = 24_000
SPEAKERS = ("two_cities", "beckett", "endgame_nagg_nell")

PIECE_S = 0.01
"""The grain of loudness."""
RANGE_DB = 35
QUIETEST_DB = -50
"""Loud is what is less than 35 dB below the recording's loudest piece, and above -50 dBFS: as the client counts it."""
PAUSE_S = 0.35
"""A silence from which on two utterances are two."""
SHORTEST_S, LONGEST_S = 1.0, 8.0
MARGIN_S = 0.15
"""Sound of the room that stays before and after an utterance."""


class NoSpeech(Exception):
    """No speech is available on this machine; the message says what to install."""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """`samples` at 24 kHz; the first loud one is at `loud_from_s`, the last one at `loud_until_s`."""

    name: str
    samples: Samples
    loud_from_s: float
    loud_until_s: float

    @property
    def duration_s(self) -> float:
        return len(self.samples) / RATE_HZ


@cache
def recording(name: str) -> Samples:
    """A whole recording, 24 kHz mono. Raises NoSpeech."""
    spec = find_spec("moonshine_voice")
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        raise NoSpeech("the recordings are in the package moonshine-voice: pip install '.[embedded]'")
    return read_recording(Path(places[0]) / "assets" / f"{name}.wav", RATE_HZ)


def utterances(count: int | None = None, *, first: int = 0) -> list[Utterance]:
    """`count` of them, or each once: the speakers take turns, and begin again when all is said; from number `first`."""
    spoken = [list(_cut(name)) for name in SPEAKERS]
    # The readings are of unequal length: spread each one over the whole.
    longest = max(map(len, spoken))
    spread = [_spread(each, longest) for each in spoken]
    order = [one for one in chain.from_iterable(zip_longest(*spread)) if one is not None]
    return [order[(first + number) % len(order)] for number in range(len(order) if count is None else count)]


def _spread(items: Sequence[Utterance], places: int) -> list[Utterance | None]:
    spread: list[Utterance | None] = [None] * places
    for number, item in enumerate(items):
        spread[number * places // len(items)] = item
    return spread


def _cut(name: str) -> Iterator[Utterance]:
    sound = recording(name)
    for number, (start, stop) in enumerate(loud_pieces(sound)):
        if SHORTEST_S <= (stop - start) / RATE_HZ <= LONGEST_S:
            begin = max(0, start - round(MARGIN_S * RATE_HZ))
            samples = sound[begin : stop + round(MARGIN_S * RATE_HZ)]
            yield Utterance(f"{name}/{number}", samples, (start - begin) / RATE_HZ, (stop - begin) / RATE_HZ)


def loud_pieces(sound: Samples, pause_s: float = PAUSE_S) -> list[tuple[int, int]]:
    """From the first to behind the last loud sample of each stretch between pauses."""
    step = round(PIECE_S * RATE_HZ)
    pieces = sound[: len(sound) // step * step].reshape(-1, step)
    level_db = 10 * np.log10(np.mean(np.square(pieces), axis=1) + 1e-12)
    loud = np.flatnonzero(level_db > max(QUIETEST_DB, level_db.max() - RANGE_DB))
    cuts = np.flatnonzero(np.diff(loud) - 1 >= pause_s / PIECE_S)
    begins, ends = [loud[0], *loud[cuts + 1]], [*loud[cuts], loud[-1]]
    return [(int(begin) * step, (int(end) + 1) * step) for begin, end in zip(begins, ends, strict=True)]
