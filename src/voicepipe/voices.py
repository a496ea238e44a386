"""Voices: which ones are offered, and the embeddings of those that users have cloned."""

from __future__ import annotations

import functools
import uuid
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.yaml_file import YamlError, read_yaml

__all__ = [
    "CUSTOM",
    "MemoryVoices",
    "Synthesiser",
    "VoiceStore",
    "VoiceStoreDown",
    "new_voice_name",
    "offered_voices",
]

Synthesiser: TypeAlias = Literal["embedded", "kyutai"]

CUSTOM = "custom:"
"""Begins the name of each cloned voice."""


# ---- the voices that are offered -------------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class _Source(_Part):
    source_type: Literal["file", "freesound"]
    path_on_server: str = Field(min_length=1)


class _Voice(_Part):
    name: str | None = None
    good: bool | None = None
    comment: str | None = None
    instructions: dict[str, Any] | None = None
    source: _Source


_ByTts: TypeAlias = dict[Synthesiser, list[_Voice]]


def offered_voices(path: Path | None, synthesiser: Synthesiser) -> list[dict[str, Any]]:
    """The good voices of a file, or of our own, without their comments. YamlError names the file and the key.

    A file may hold a list, or a list for each synthesiser.

    >>> [voice["source"]["path_on_server"] for voice in offered_voices(None, "embedded")]
    ['hibari']
    """
    read = _own_file() if path is None else _read(path)
    voices = read if isinstance(read, list) else read.get(synthesiser, [])
    return [voice.model_dump(exclude={"comment"}, exclude_unset=True) for voice in voices if voice.good]


@functools.cache
def _own_file() -> list[_Voice] | _ByTts:
    """Return the package's own voices, which do not change while the process runs."""
    return _read(Path(__file__).with_name("voices.yaml"))


def _read(path: Path) -> list[_Voice] | _ByTts:
    read: Any = read_yaml(path, object)
    if not isinstance(read, list | dict):
        raise YamlError(path, "", "should be a list of voices")
    return read_yaml(path, list[_Voice]) if isinstance(read, list) else read_yaml(path, _ByTts)


# ---- cloned voices ---------------------------------------------------------------------------------------------------


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
