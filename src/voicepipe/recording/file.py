"""The file of a recording: frames of a length, a checksum and MessagePack, which are only ever appended.

A file that ends in the middle of a frame, because the process or the machine has died, is read up to there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ormsgpack

from voicepipe.recording.records import Emitted, Entry, Header, RecordingEnded, SessionClosed, Withdrawn
from voicepipe.recording.values import Packer, Unpacker

__all__ = ["MAGIC", "SUFFIX", "BadRecording", "Framer", "Recording", "header_of", "read"]

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
    """Return the first record of a file; None if there is none: the file was cut off, or is no recording.

    Raises:
        OSError: The file cannot be read.
        BadRecording: It is damaged.
    """
    with path.open("rb") as file:
        data = file.read(_HEADER_BYTES)
    if not data.startswith(MAGIC):
        return None
    records, _ = _records(path, data)
    return records[0] if records and isinstance(records[0], Header | Withdrawn) else None


_HEADER_BYTES = 65_536
_NAME_BYTES = 20  # of `MAGIC`, in front of the format's number


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise BadRecording(f"{path} is a folder; `voicepipe recordings {path}` lists what is in it") from None
    except OSError as error:
        raise BadRecording(f"{path} cannot be read: {error.strerror}") from error
    if not MAGIC.startswith(data[:_NAME_BYTES]):
        raise BadRecording(f"{path} is no recording of voicepipe; their names end in {SUFFIX}")
    if not data.startswith(MAGIC) and len(data) >= len(MAGIC):
        raise BadRecording(f"{path} was written by a newer voicepipe in another format; update voicepipe to read it")
    return data


def _records(path: Path, data: bytes) -> tuple[list[Any], int]:
    """Return the records, and where the last whole frame ends."""
    unpacker, records, at = Unpacker(), list[Any](), len(MAGIC)
    while (message := _message(data, at)) is not None:
        try:
            is_value, value = unpacker.unpack(message)
        except (ValueError, KeyError, TypeError, ormsgpack.MsgpackDecodeError) as error:
            raise BadRecording(f"{path} is damaged at byte {at}: {error}") from error
        if is_value:
            records.append(cast("object", value))
        at += _HEAD + len(message)
    return records, min(at, len(data))


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
