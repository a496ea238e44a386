"""JSON as its standard has it: without NaN and infinity, which Python's reader accepts and JSON cannot repeat."""

from __future__ import annotations

import json
import math

__all__ = ["FINITE_JSON"]


def _finite(number: str) -> float:
    """Reject NaN, and 1e999, which Python reads as infinity."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


FINITE_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
"""Raises ValueError for a number that is not finite, as for other text that is no JSON."""
