"""Sound files: read recordings, and write conversations."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import sphn

from voicepipe.audio import resampled
from voicepipe.events import Audio, Samples

__all__ = ["BadRecording", "read_recording", "write_blocks", "write_mono", "write_stereo"]

Opener: TypeAlias = Callable[[str, int], int]

FORMATS = "WAV, AIFF, FLAC, MP3, Ogg-Vorbis and Ogg-Opus"
# An Ogg file names its codec in its first page: at byte 28, after a header of 27 bytes and one segment length.
_HEAD_BYTES = 64


class BadRecording(Exception):
    """The file is absent, not sound, or in a format that is not read; the message is one sentence for the user."""


def read_recording(path: Path, rate_hz: int = 24_000) -> Samples:
    """Read the whole file, mixed to one channel and resampled to `rate_hz`.

    Reads WAV (PCM, float, ADPCM, G.711), AIFF, CAF, FLAC, MP3, Ogg-Vorbis and Ogg-Opus; AAC and WebM are not read.

    Args:
        path: The file.
        rate_hz: The rate of the result.

    Raises:
        BadRecording: It is no such file; the message says what it is.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BadRecording(f"cannot read {path}: {error.strerror}") from None
    try:
        channels, file_hz = _decode(path, head)
    except BaseException as error:  # a panic of the Rust decoder is not an Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise BadRecording(_unreadable(path, head)) from None
    if channels.size == 0:
        raise BadRecording(f"{path} has no sound in it")
    mono = np.ascontiguousarray(channels.mean(axis=0), np.float32)
    return resampled(Audio(mono, file_hz), rate_hz).samples


def _decode(path: Path, head: bytes) -> tuple[Samples, int]:
    """Return samples of shape (channels, n), and the file's rate."""
    reader: Any = sphn
    return reader.read_opus(str(path)) if b"OpusHead" in head else reader.read(str(path))


def _unreadable(path: Path, head: bytes) -> str:
    if not head:
        return f"{path} is empty"
    way_out = f"convert it: ffmpeg -i {path} {path.with_suffix('.wav').name}"
    return f"{path} is of no format that is read here ({FORMATS}), or damaged; {way_out}"


def write_stereo(path: Path, left: Samples, right: Samples, rate_hz: int = 24_000) -> None:
    """Write a 16-bit WAV file; the shorter side is padded with silence. Raises OSError.

    Args:
        path: The file.
        left: The user's sound, float32, shape (n,).
        right: The bot's, shape (m,).
        rate_hz: The rate of both.
    """
    both = np.zeros((max(len(left), len(right)), 2), np.float32)
    both[: len(left), 0], both[: len(right), 1] = left, right
    write_blocks(path, [both], 2, rate_hz)


def write_mono(path: Path, samples: Samples, rate_hz: int = 24_000, opener: Opener | None = None) -> None:
    """Write a 16-bit WAV file with one channel. Raises OSError.

    Args:
        path: The file.
        samples: The sound, float32, shape (n,).
        rate_hz: Its rate.
        opener: Opens the file, as that of `open` does.
    """
    write_blocks(path, [samples[:, np.newaxis]], 1, rate_hz, opener)


def write_blocks(
    path: Path, blocks: Iterable[Samples], channels: int, rate_hz: int, opener: Opener | None = None
) -> None:
    """Write a 16-bit WAV file a block at a time. Raises OSError.

    Args:
        path: The file.
        blocks: Float32, each of shape (n, channels).
        channels: One or two.
        rate_hz: The rate.
        opener: Opens the file, as that of `open` does.
    """
    with path.open("wb") if opener is None else open(path, "wb", opener=opener) as sink, wave.open(sink, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        for block in blocks:
            file.writeframesraw(np.rint(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
