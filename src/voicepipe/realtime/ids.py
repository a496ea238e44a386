"""Names for events, sessions and items, as OpenAI writes them."""

from __future__ import annotations

import random
import string

__all__ = ["new_id"]

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21

_random = random.SystemRandom()


def new_id(kind: str) -> str:
    """A name that is not given twice, like ``event_BJhGUIswO2u7vA2Cxw3Jy``: 125 bits of chance."""
    return f"{kind}_{''.join(_random.choices(_ALPHABET, k=_LENGTH))}"
