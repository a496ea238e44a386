"""`OpusDecoder`: libopus with its concealment and its in-band FEC, which PyAV does not offer."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator

from voicepipe.audio.libopus import libopus

__all__ = ["OpusDecoder", "has_fec"]

_LONGEST_MS = 120  # of one packet (RFC 6716, 3.2.5)


def _loaded() -> ctypes.PyDLL:
    """Return libopus. Raises ImportError."""
    if (library := libopus()) is not None:
        return library
    raise ImportError("there is no libopus, neither in PyAV's wheel nor in the system")


_LIBOPUS = _loaded()


class OpusDecoder:
    """Decode one stream of Opus packets to PCM16, mono.

    Args:
        rate_hz: Of the sound: 8, 12, 16, 24 or 48 kHz.
    """

    def __init__(self, rate_hz: int) -> None:
        failed = ctypes.c_int()
        self._state = ctypes.c_void_p(_LIBOPUS.opus_decoder_create(rate_hz, 1, ctypes.byref(failed)))
        if failed.value:
            raise ValueError(f"libopus has no decoder for {rate_hz} Hz: error {failed.value}")
        weakref.finalize(self, _LIBOPUS.opus_decoder_destroy, self._state)
        self._pcm = ctypes.create_string_buffer(2 * rate_hz * _LONGEST_MS // 1000)
        self._frame = rate_hz // 50
        self._lost = 0

    def lose(self) -> None:
        """Note that the packet that is next in order is lost. Its sound comes with the one behind it."""
        self._lost += 1

    def decode(self, packet: bytes) -> bytes:
        """Return the sound of a packet, behind the sound of lost packets before it.

        The last of them is restored from this packet's copy of it, where the sender has put one in (FEC). All others go
        on as the sound before them did, and fade. So does a packet that is not Opus.
        """
        return b"".join(self._pieces(packet))

    def _pieces(self, packet: bytes) -> Iterator[bytes]:
        while self._lost:
            self._lost -= 1
            yield self._piece(None if self._lost else packet, restored=not self._lost) or self._piece(None)
        yield self._piece(packet) or self._piece(None)

    def _piece(self, packet: bytes | None, *, restored: bool = False) -> bytes:
        """Return 20 ms for a lost packet, else what is in the packet; nothing where it is not Opus."""
        longest = self._frame if packet is None or restored else len(self._pcm) // 2
        length = len(packet) if packet else 0
        count = _LIBOPUS.opus_decode(self._state, packet or None, length, self._pcm, longest, int(restored))
        if packet is not None and not restored and count > 0:
            self._frame = count
        return self._pcm.raw[: 2 * count] if count > 0 else b""


def has_fec(packet: bytes) -> bool:
    """Return whether a packet has a copy of the one before it."""
    return _LIBOPUS.opus_packet_has_lbrr(packet, len(packet)) > 0
