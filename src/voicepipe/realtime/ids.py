"""Ids of events, sessions and items, in OpenAI's form."""

from __future__ import annotations

import os
import random
import string
from typing import NewType

__all__ = ["WireItemId", "new_id"]

WireItemId = NewType("WireItemId", str)
"""A client's id of an item. The pipeline's ids are of another type (`voicepipe.conversation.ItemId`)."""

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21

_random = random.Random()  # not the common one: a program that seeds it still gets new ids
if hasattr(os, "register_at_fork"):  # two processes that are forks of one would give the same ids
    os.register_at_fork(after_in_child=_random.seed)


def new_id(kind: str) -> str:
    """Return a unique id like ``event_BJhGUIswO2u7vA2Cxw3Jy``. It is not a secret: it can be guessed."""
    return f"{kind}_{''.join(_random.choices(_ALPHABET, k=_LENGTH))}"
