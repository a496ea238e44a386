"""GGUF files: what their headers say, and whether one can be talked to in this process.

The format is a magic number, a version, two counts, and typed key-value pairs before the tensors:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only the pairs are read here, which takes a tenth of a second
for a vocabulary of 150,000 tokens, so that a file that cannot work is refused before anything is loaded.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from voicepipe.weights.registry import ModelError

__all__ = ["GgufError", "GgufFile", "available_bytes", "check_gguf", "read_gguf"]

CONTEXT = 4096
"""Tokens of prompt and answer in each conversation, where the model was made for as many."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Bytes of a key or a value that are read: a chat template has 10 kB. A longer one is a broken file.
_LONGEST_TEXT = 1 << 20
_MOST_PAIRS = 100_000
# What llama.cpp needs besides weights and cache: buffers for computing, the vocabulary.
_OVERHEAD_BYTES = 150_000_000
_HALF_FLOAT = 2
_ENCODERS = ("bert", "nomic-bert", "jina-bert-v2", "t5encoder", "clip", "whisper", "wavtokenizer-dec")


class GgufError(ModelError):
    """A file cannot be used as a language model. The message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The values of a header. `cache_bytes` is the memory that each token of context takes."""

    path: Path
    size_bytes: int
    name: str
    architecture: str
    trained_context: int
    has_chat_template: bool
    cache_bytes: int

    @property
    def context(self) -> int:
        """Tokens that a conversation gets: `CONTEXT`, or fewer where the model was made for fewer."""
        return min(CONTEXT, self.trained_context or CONTEXT)


def read_gguf(path: Path) -> GgufFile:
    """The header of the file at `path`.

    Raises:
        GgufError: the file is absent, cannot be read, or is no GGUF file.
    """
    if not path.exists():
        raise GgufError(f"{path} does not exist: --llm takes the path of a GGUF file, or the URL of a service")
    if not path.is_file():
        raise GgufError(f"{path} is no file: name the GGUF file in it")
    try:
        with path.open("rb") as file:
            values = dict(_pairs(file, path))
    except OSError as error:
        raise GgufError(f"{path} cannot be read: {error.strerror or error}") from error
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise GgufError(f"{path} is a broken GGUF file, perhaps a download that was cut short: {error}") from error
    return _described(path, values)


def check_gguf(path: Path, *, sessions: int, available: int | None = None) -> GgufFile:
    """The header of a file with which `sessions` conversations can be held.

    Args:
        path: the file.
        sessions: how many conversations hold a context at once.
        available: bytes of memory that may be used; None asks the system.

    Raises:
        GgufError: as `read_gguf`, and for a model that cannot chat or does not fit into memory.
    """
    file = read_gguf(path)
    if not file.has_chat_template or file.architecture in _ENCODERS:
        raise GgufError(
            f"{path} is no chat model ({file.architecture}, without a chat template): take one whose name says "
            "Instruct or Chat"
        )
    free = available_bytes() if available is None else available
    needed = file.size_bytes + file.cache_bytes * file.context * sessions + _OVERHEAD_BYTES
    if free is not None and needed > free:
        raise GgufError(
            f"{path} needs {needed / 1e9:.1f} GB of memory for {sessions} "
            f"{'conversation' if sessions == 1 else 'conversations'}, and {free / 1e9:.1f} GB are free: take a smaller "
            "model, one with fewer bits, or fewer conversations (--max-sessions)"
        )
    return file


def available_bytes() -> int | None:
    """Memory that programs can have now; all that the machine has where only this is known; None where nothing is."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


# ---- the header ------------------------------------------------------------------------------------------------------


def _described(path: Path, values: dict[str, Any]) -> GgufFile:
    architecture = str(values.get("general.architecture", "unknown"))

    def number(key: str) -> int:
        value = values.get(f"{architecture}.{key}", 0)
        return value if isinstance(value, int) else 0

    heads = number("attention.head_count")
    kv_heads = number("attention.head_count_kv") or heads
    width = number("attention.key_length") or (number("embedding_length") // heads if heads else 0)
    return GgufFile(
        path=path,
        size_bytes=path.stat().st_size,
        name=str(values.get("general.name", "")) or path.stem,
        architecture=architecture,
        trained_context=number("context_length"),
        has_chat_template=bool(values.get("tokenizer.chat_template")),
        cache_bytes=2 * number("block_count") * kv_heads * width * _HALF_FLOAT,
    )


def _pairs(file: BinaryIO, path: Path) -> Iterator[tuple[str, Any]]:
    """Keys with their values; arrays are skipped, and come as None."""
    if (magic := file.read(4)) != _MAGIC:
        raise GgufError(f"{path} is no GGUF file: it begins with {magic!r}, not with {_MAGIC!r}")
    (version,) = _unpacked(file, "I")
    if version not in _VERSIONS:
        raise GgufError(f"{path} is a GGUF file of version {version}: versions 2 and 3 can be read")
    _, pairs = _unpacked(file, "QQ")
    if pairs > _MOST_PAIRS:
        raise ValueError(f"{pairs} keys")
    for _ in range(pairs):
        key = _text(file)
        (kind,) = _unpacked(file, "I")
        yield key, _value(file, kind)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        return _skip_array(file)
    if kind not in _SCALARS:
        raise ValueError(f"a value of the unknown type {kind}")
    return _unpacked(file, _SCALARS[kind])[0]


def _skip_array(file: BinaryIO) -> None:
    kind, count = _unpacked(file, "IQ")
    if kind in _SCALARS:
        file.seek(count * struct.calcsize(f"<{_SCALARS[kind]}"), os.SEEK_CUR)
        return
    if kind != _STRING:
        raise ValueError(f"an array of the unknown type {kind}")
    for _ in range(count):
        file.seek(_unpacked(file, "Q")[0], os.SEEK_CUR)


def _text(file: BinaryIO) -> str:
    (length,) = _unpacked(file, "Q")
    if length > _LONGEST_TEXT:
        raise ValueError(f"a text of {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("it ends in the middle of a text")
    return text.decode()


def _unpacked(file: BinaryIO, kinds: str) -> tuple[Any, ...]:
    layout = f"<{kinds}"
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
