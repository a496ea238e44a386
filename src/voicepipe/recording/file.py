"""The file of a recording: frames of a length, a checksum and MessagePack, which are only ever appended.

A file that ends in the middle of a frame, because the process or the machine has died, is read up to there.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from voicepipe.conversation import ClientInfo
from voicepipe.recording.records import (
    EchoJudged,
    Emitted,
    Entry,
    Header,
    RecordingEnded,
    SessionClosed,
    SoundDecoded,
    Withdrawn,
)
from voicepipe.recording.values import Packer, Unpacker

__all__ = ["MAGIC", "SUFFIX", "BadRecording", "Framer", "Recording", "header_of", "may_be_recording", "read"]

MAGIC = b"voicepipe recording 1\n"
"""The first bytes of a file. The number is that of the format: a reader of another number does not read it."""

SUFFIX = ".recording"

_HEAD = 8  # bytes of a frame before its message: length and CRC-32, little-endian
_LONGEST = 64_000_000


class BadRecording(Exception):
    """A file is no recording, or cannot be read. The message names the file and says what to do."""


class Framer:
    """Make the bytes of records, one after the other: the first with the beginning of the file."""

    def __init__(self) -> None:
        self._packer, self._begins = Packer(), True

    def frames(self, record: object) -> bytes:
        """Return the bytes to append for a record."""
        framed = b"".join(map(_frame, self._packer.pack(record)))
        begins, self._begins = self._begins, False
        return MAGIC + framed if begins else framed


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded session.

    Args:
        path: The file.
        header: What the session ran with.
        records: What followed, in order.
        lost_bytes: The bytes at the end that are no whole frame.
    """

    path: Path
    header: Header
    records: tuple[Any, ...]
    lost_bytes: int = 0

    @property
    def is_withdrawn(self) -> bool:
        """Return whether the client has withdrawn its consent."""
        return any(isinstance(record, Withdrawn) for record in self.records)

    @property
    def is_whole(self) -> bool:
        """Return whether the recording goes to the end of the session."""
        return any(isinstance(record, SessionClosed) for record in self.records[-3:])

    @property
    def ended(self) -> str:
        """Return how the recording ended."""
        for record in reversed(self.records[-2:]):
            match record:
                case SessionClosed(reason=reason):
                    return reason or "the session ended"
                case RecordingEnded(why=why):
                    return f"the recording ended before the session: {why}"
                case _:
                    pass
        return "the server was killed"

    @property
    def duration_s(self) -> float:
        """Return the time from the session's begin to the last entry."""
        last = next((record.at_s for record in reversed(self.records) if isinstance(record, Entry)), self.header.at_s)
        return last - self.header.at_s

    def emitted(self) -> Iterator[tuple[float, Any]]:
        """Yield the events that left the graph, each with the session's clock."""
        at_s = self.header.at_s
        for record in self.records:
            if isinstance(record, Entry):
                at_s = record.at_s
            elif isinstance(record, Emitted):
                yield at_s, record.event


def read(path: Path) -> Recording:
    """Read a recording, whole or cut off.

    Raises:
        BadRecording: It cannot be read, or is of another format.
    """
    data = _bytes(path)
    records, at = _records(path, data)
    if not records or not isinstance(records[0], Header):
        raise BadRecording(f"{path} is empty: the server was killed before it had written the session's first event")
    return Recording(path, records[0], tuple(records[1:]), len(data) - at)


def header_of(path: Path) -> Header | Withdrawn | None:
    """Return the first record of a file; None if it ends before that: it was cut off.

    Raises:
        OSError: The file cannot be read.
        BadRecording: It is damaged, or no recording of this version.
    """
    with path.open("rb") as file:
        data = file.read(_HEADER_BYTES)
    if not data.startswith(MAGIC) and not MAGIC.startswith(data):
        raise BadRecording(f"{path} is no recording of this voicepipe")
    records, _ = _records(path, data)
    if records and isinstance(records[0], Header | Withdrawn):
        return records[0]
    if len(data) == _HEADER_BYTES:
        raise BadRecording(f"{path} has no header in its first {_HEADER_BYTES} bytes")
    return None


def may_be_recording(path: Path) -> bool:
    """Return whether a file begins as a recording of any version does, as far as it goes. Raises OSError."""
    with path.open("rb") as file:
        return MAGIC.startswith(file.read(_NAME_BYTES))


_HEADER_BYTES = 65_536
_NAME_BYTES = 20  # of `MAGIC`, in front of the format's number


def _bytes(path: Path) -> bytes:
    try:
        return _checked_bytes(path)
    except IsADirectoryError:
        raise BadRecording(f"{path} is a folder; `voicepipe recordings {path}` lists what is in it") from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise BadRecording(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _checked_bytes(path: Path) -> bytes:
    """Return the bytes of a recording; of another file only the first ones are read."""
    if not path.is_file() and path.exists() and not path.is_dir():
        raise BadRecording(f"{path} is a pipe or a device, and no file")
    with path.open("rb") as file:
        begin = file.read(len(MAGIC))
        if not MAGIC.startswith(begin[:_NAME_BYTES]):
            raise BadRecording(f"{path} is no recording of voicepipe; their names end in {SUFFIX}")
        if begin != MAGIC and len(begin) == len(MAGIC):
            what = "was written by a newer voicepipe in another format; update voicepipe to read it"
            raise BadRecording(f"{path} {what}")
        file.seek(0)
        return file.read()


def _records(path: Path, data: bytes) -> tuple[list[Any], int]:
    """Return the records, and where the last whole frame ends."""
    unpacker, records, at, clock = Unpacker(), list[Any](), len(MAGIC), _Clock()
    while (message := _message(data, at)) is not None:
        try:
            is_value, value = unpacker.unpack(message)
            clock.check(value)
        # Whatever a damaged file makes a class's constructor raise; the stack and the memory have an end, too.
        except Exception as error:
            raise BadRecording(f"{path} is damaged at byte {at}: {error or type(error).__name__}") from error
        if is_value:
            records.append(cast("object", value))
        at += _HEAD + len(message)
    return records, min(at, len(data))


class _Clock:
    """Follow the times of a file."""

    def __init__(self) -> None:
        self._now_s, self._until_s = math.inf, -math.inf

    def check(self, record: Any) -> None:
        """Raise ValueError for a record that no session writes: what reads a file relies on its times and lengths."""
        match record:
            case Header(rate_hz=rate_hz) if rate_hz not in _RATES or not _is_client(record.client):
                raise ValueError("what the session ran with cannot be")
            case Header(at_s=at_s, began_at=began_at) if math.isfinite(at_s) and 0 <= began_at < _YEAR_9999_S:
                self._now_s, self._until_s = at_s, at_s + _LONGEST_S
            case Entry(at_s=at_s) if self._now_s <= at_s <= self._until_s:
                self._now_s = at_s
            case Header() | Entry():
                raise ValueError(f"the time {record.at_s} does not follow {self._now_s}")
            case SoundDecoded(samples=samples) | EchoJudged(samples=samples) if not 0 <= samples <= _MOST_SAMPLES:
                raise ValueError(f"a packet cannot have {samples} samples")
            case _:
                pass


def _is_client(value: object) -> bool:
    return isinstance(value, ClientInfo)


_LONGEST_S = 7 * 86_400.0
_RATES = range(4_000, 192_001)
_YEAR_9999_S = 253_370_764_800
_MOST_SAMPLES = 192_000 * 600


def _message(data: bytes, at: int) -> bytes | None:
    """Return the message of the frame at a place; None if the frame is not whole."""
    if at + _HEAD > len(data):
        return None
    length, checksum = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
    message = data[at + _HEAD : at + _HEAD + length]
    # A machine that has lost its power may leave zeros at a file's end: they are no frame.
    return message if 0 < length <= _LONGEST and len(message) == length and zlib.crc32(message) == checksum else None


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(4, "little") + zlib.crc32(message).to_bytes(4, "little") + message
