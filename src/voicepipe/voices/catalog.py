"""The catalogue of voices: those of a file, and the names of cloned ones."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from voicepipe._yaml import YamlError, read_yaml

__all__ = ["CUSTOM", "Synthesiser", "offered_voices"]


Synthesiser: TypeAlias = Literal["embedded", "kyutai", "openai"]

CUSTOM = "custom:"
"""The prefix of the name of a cloned voice."""


# ---- the voices that are offered -------------------------------------------------------------------------------------


class _CatalogModel(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class _Source(_CatalogModel):
    source_type: Literal["file", "freesound"]
    path_on_server: str = Field(min_length=1)


class _CatalogVoice(_CatalogModel):
    name: str | None = None
    good: bool | None = None
    comment: str | None = None
    instructions: dict[str, Any] | None = None
    source: _Source


_ByTts: TypeAlias = dict[Synthesiser, list[_CatalogVoice]]


def offered_voices(path: Path | None, synthesiser: Synthesiser) -> list[dict[str, Any]]:
    """Return the good voices of a file, or of the package's own, without comments.

    A file holds a list, or a list for each TTS. Raises YamlError, which names the file and the key.

    >>> [voice["name"] for voice in offered_voices(None, "embedded")]
    ['Robin', 'Quizmaster', 'Sphinx', 'Newsreader', 'Guide']
    """
    read = _own_file() if path is None else _read(path)
    voices = read if isinstance(read, list) else read.get(synthesiser, [])
    return [voice.model_dump(exclude={"comment"}, exclude_unset=True) for voice in voices if voice.good]


@functools.cache
def _own_file() -> list[_CatalogVoice] | _ByTts:
    """Return the package's own voices, which do not change while the process runs."""
    return _read(Path(__file__).with_name("voices.yaml"))


def _read(path: Path) -> list[_CatalogVoice] | _ByTts:
    read: Any = read_yaml(path, object)
    if not isinstance(read, list | dict):
        raise YamlError(path, "", "should be a list of voices")
    return read_yaml(path, list[_CatalogVoice]) if isinstance(read, list) else read_yaml(path, _ByTts)


# ---- cloned voices ---------------------------------------------------------------------------------------------------
