"""`VoiceStore`: stores the embeddings of cloned voices."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from voicepipe.voices.catalog import CUSTOM

__all__ = ["MemoryVoices", "VoiceStore", "VoiceStoreDown", "new_voice_name"]


class VoiceStoreDown(ConnectionError):
    """The store of cloned voices cannot be reached. The next call may succeed."""


class VoiceStore(Protocol):
    """Stores the embeddings of cloned voices for a while. An embedding is MessagePack, as the service made it."""

    async def put(self, name: str, embedding: bytes) -> None:
        """Store an embedding. Raises VoiceStoreDown."""
        ...

    async def get(self, name: str) -> bytes | None:
        """Return an embedding; None if the name is unknown or expired. Raises VoiceStoreDown."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


def new_voice_name() -> str:
    """Return `custom:` and a UUID, which cannot be guessed."""
    return f"{CUSTOM}{uuid.uuid4()}"


class MemoryVoices(VoiceStore):
    """Store voices in this process: each for `kept_s` on `clock`, up to `most`; then the oldest is dropped."""

    def __init__(self, *, kept_s: float, most: int, clock: Callable[[], float]) -> None:
        self._kept_s, self._most, self._clock = kept_s, most, clock
        self._voices: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._voices)

    async def put(self, name: str, embedding: bytes) -> None:
        self._expire()
        self._voices[name] = (self._clock() + self._kept_s, embedding)
        while len(self._voices) > self._most:
            self._voices.popitem(last=False)

    async def get(self, name: str) -> bytes | None:
        self._expire()
        found = self._voices.get(name)
        return None if found is None else found[1]

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _expire(self) -> None:
        """Drop expired voices, in the order of their arrival."""
        now = self._clock()
        while self._voices and next(iter(self._voices.values()))[0] <= now:
            self._voices.popitem(last=False)
