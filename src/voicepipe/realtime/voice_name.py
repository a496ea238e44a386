"""The name of a voice, as a client may write it: it goes into the address of a request to the synthesiser."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

__all__ = ["VoiceName"]

# Kyutai's voices are paths ("expresso/ex03-ex01_happy_001_channel1_334s.wav", "vctk/p226_023_mic1.wav"), OpenAI's are
# words, and those of other services have spaces or a prefix ("custom:…"). The longest of Kyutai's has 70 characters.
_ALLOWED = re.compile(r"[\w][\w .,:+()'@/-]*")
_MOST_CHARS = 128


def _checked(name: str) -> str:
    """Return the name. Raises ValueError for one that may lead elsewhere: with "..", or with characters of a URL."""
    if name and (not _ALLOWED.fullmatch(name) or ".." in name or "//" in name):
        raise ValueError("a voice has letters, digits, spaces and . , : + ( ) ' @ / - _ in its name, and no '..'")
    return name


VoiceName: TypeAlias = Annotated[str, Field(max_length=_MOST_CHARS), AfterValidator(_checked)]
