"""Sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Audio",
    "Samples",
]


Samples: TypeAlias = NDArray[np.float32]
"""Mono sound: float32, shape (n,), in [-1, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A piece of sound. Not an `Event`. Two are equal if rate and every sample are."""

    samples: Samples
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Audio) and self.rate_hz == other.rate_hz and np.array_equal(self.samples, other.samples)
        )

    def __hash__(self) -> int:
        return hash((self.rate_hz, len(self.samples)))

    def __repr__(self) -> str:
        return f"Audio({self.duration_s * 1000:g} ms, {self.rate_hz} Hz)"
