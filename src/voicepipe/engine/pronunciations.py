"""A user's pronunciations: a YAML file of words, and of how they are said."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from voicepipe._yaml import YamlError, read_yaml

__all__ = ["read_pronunciations"]


@lru_cache
def read_pronunciations(path: Path | None) -> dict[str, str]:
    """Return the words of a file; none without a file.

    Raises:
        YamlError: the file cannot be read, or an entry is no single word.
    """
    if path is None:
        return {}
    words = read_yaml(path, dict[str, str])
    for word in words:
        if word.split() != [word]:
            raise YamlError(path, word, "it is not a single word")
    return words
