"""GGUF files: what a header says, and the sentence for each file that cannot be used."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from voicepipe.llm.gguf import GgufError, check_gguf, read_gguf
from voicepipe.weights import registry

CHAT: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Tiny Chat",
    "llama.context_length": 8192,
    "llama.block_count": 4,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["<s>", "</s>", "ä"],
    "tokenizer.ggml.scores": [0.0, 1.0, 2.0],
    "tokenizer.ggml.add_bos_token": True,
    "tokenizer.chat_template": "{{ messages[0]['content'] }}",
}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def typed(value: Any) -> bytes:
    """A value behind its type, as the format has it."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case str():
            return struct.pack("<I", 8) + text(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
        case _:
            return struct.pack(f"<IIQ{len(value)}f", 9, 6, len(value), *value)


def gguf(path: Path, values: Mapping[str, Any], *, version: int = 3) -> Path:
    """A file with this header, and some bytes behind it."""
    pairs = b"".join(text(key) + typed(value) for key, value in values.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", version, 0, len(values)) + pairs + bytes(1000))
    return path


def test_a_header_is_read(tmp_path: Path) -> None:
    """Behind the vocabulary, too; the cache has keys and values of two heads of eight numbers, in four layers."""
    file = check_gguf(gguf(tmp_path / "chat.gguf", CHAT), sessions=2, available=10**9)
    assert (file.name, file.architecture, file.context, file.has_chat_template) == ("Tiny Chat", "llama", 4096, True)
    assert file.cache_bytes == 2 * 4 * 2 * 8 * 2


def test_a_model_of_a_short_context_gets_no_longer_one(tmp_path: Path) -> None:
    """llama.cpp would take more, and the model would talk nonsense."""
    assert read_gguf(gguf(tmp_path / "short.gguf", {**CHAT, "llama.context_length": 512})).context == 512


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in CHAT.items() if key not in keys}


def test_a_base_model_cannot_chat(tmp_path: Path) -> None:
    """It has no chat template; the sentence says what to look for."""
    path = gguf(tmp_path / "base.gguf", without("tokenizer.chat_template"))
    with pytest.raises(GgufError, match=r"base\.gguf is no chat model .* Instruct or Chat"):
        check_gguf(path, sessions=1, available=10**9)


def test_a_model_of_embeddings_cannot_chat(tmp_path: Path) -> None:
    """Even if a template came with it."""
    path = gguf(tmp_path / "embed.gguf", {**CHAT, "general.architecture": "nomic-bert"})
    with pytest.raises(GgufError, match="no chat model"):
        check_gguf(path, sessions=1, available=10**9)


def test_a_model_that_is_too_large_says_how_much_it_needs(tmp_path: Path) -> None:
    """And what is free: the weights, the cache of each conversation, and what llama.cpp needs besides."""
    path = gguf(tmp_path / "large.gguf", {**CHAT, "llama.embedding_length": 65536, "llama.block_count": 80})
    with pytest.raises(GgufError, match=r"needs 43\.1 GB of memory for 2 conversations, and 2\.0 GB are free"):
        check_gguf(path, sessions=2, available=2 * 10**9)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    """With what the option takes."""
    with pytest.raises(GgufError, match=r"absent\.gguf does not exist: --llm takes"):
        read_gguf(tmp_path / "absent.gguf")
    with pytest.raises(GgufError, match="is no file"):
        read_gguf(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not a model", r"is no GGUF file: it begins with b'not '"),
        (b"", r"is no GGUF file: it begins with b''"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(16), "of version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2), "is a broken GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "is a broken GGUF file"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 60) + b"key", "is a broken GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("key") + struct.pack("<I", 99), "unknown type 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("key") + struct.pack("<IQ", 8, 9) + b"cut", "middle of a text"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2) + b"\xff\xfe", "is a broken GGUF file"),
    ],
)
def test_what_is_no_gguf_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    """By what is wrong with it; nothing is read without a bound."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(GgufError, match=told):
        read_gguf(path)


@pytest.mark.models
def test_the_embedded_models_file_can_be_used_like_any_other() -> None:
    """Its header names it, and it fits."""
    path = registry.find("smollm2")
    if path is None:
        pytest.skip("run `voicepipe models fetch smollm2`")
    file = check_gguf(path, sessions=2)
    assert (file.architecture, file.context) == ("llama", 4096)
    assert file.has_chat_template
    assert file.cache_bytes == 2 * 30 * 3 * 64 * 2
