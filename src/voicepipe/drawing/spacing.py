"""The spacing of a picture: of a whole graph, or of an overview."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SMALL", "WHOLE", "Spacing"]


@dataclass(frozen=True, slots=True)
class Spacing:
    """The spacing in pixels.

    `gap_x` is between two boxes of a layer, `gap_y` below the labels, where arrows go sideways, `pad` around what is
    inside of a box. No box is narrower than `narrowest`.
    """

    gap_x: float = 26.0
    gap_y: float = 26.0
    pad: float = 12.0
    narrowest: float = 96.0


WHOLE = Spacing()
SMALL = Spacing(gap_x=14.0, gap_y=11.0, pad=6.0, narrowest=56.0)
"""An overview's: the default pipeline is 500 pixels high. An arrow's head takes 8 of a gap."""
