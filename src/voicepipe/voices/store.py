"""Where the embeddings of cloned voices are kept."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from voicepipe.voices.catalog import CUSTOM

__all__ = ["MemoryVoices", "VoiceStore", "VoiceStoreDown", "new_voice_name"]


class VoiceStoreDown(ConnectionError):
    """The place where cloned voices are kept cannot be reached. It may be back for the next call."""


class VoiceStore(Protocol):
    """Where the embeddings of cloned voices are kept, for a while. An embedding is MessagePack, as it was made."""

    async def put(self, name: str, embedding: bytes) -> None:
        """Keep it. Raises VoiceStoreDown."""
        ...

    async def get(self, name: str) -> bytes | None:
        """None when there is none of this name, or none any more. Raises VoiceStoreDown."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def new_voice_name() -> str:
    """`custom:` and a UUID, which nobody guesses."""
    return f"{CUSTOM}{uuid.uuid4()}"


class MemoryVoices(VoiceStore):
    """In this process: each for `kept_s` on `clock`, and `most` at once; of more, the oldest goes."""

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
        """There is nothing to let go of."""

    def _expire(self) -> None:
        """They end in the order in which they came."""
        now = self._clock()
        while self._voices and next(iter(self._voices.values()))[0] <= now:
            self._voices.popitem(last=False)
