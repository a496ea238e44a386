"""Names for events, sessions and items, as OpenAI writes them."""

from __future__ import annotations

import random
import string

__all__ = ["new_id"]

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21

_random = random.Random()  # our own, so that a program that seeds the common one gets new names all the same


def new_id(kind: str) -> str:
    """A name that is not given twice, like ``event_BJhGUIswO2u7vA2Cxw3Jy``. No secret: it can be guessed."""
    return f"{kind}_{''.join(_random.choices(_ALPHABET, k=_LENGTH))}"
