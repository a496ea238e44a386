"""libopus itself, with its settings, which sphn does not offer: that of PyAV's wheel, or of the system.

PyAV is not imported, which would take 20 MB and 0.1 s: only this one library of its wheel is loaded.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from voicepipe.events import Samples

__all__ = ["OPUS", "OpusEncoder", "OpusSettings", "libopus"]

# Constants of `opus_defines.h`.
_RESTRICTED_LOWDELAY: Final = 2051
_SET_BITRATE, _SET_COMPLEXITY, _GET_LOOKAHEAD = 4002, 4010, 4027
_MOST_BYTES: Final = 1275  # of a packet (RFC 6716, 3.2.1)


@cache
def libopus() -> ctypes.PyDLL | None:
    """Return the library; None where there is none.

    Calls keep the GIL: each takes tens of microseconds, and to get the GIL back from a busy thread takes up to 5 ms.
    """
    for place in _places():
        try:
            library = ctypes.PyDLL(place)
        except OSError:
            continue
        library.opus_decoder_create.restype = library.opus_encoder_create.restype = ctypes.c_void_p
        sound_and_packet = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int32]
        library.opus_encode_float.argtypes = sound_and_packet
        return library
    return None


def _places() -> Iterator[str]:
    spec = find_spec("av")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        yield from map(str, (*package.parent.glob("av.libs/*opus*"), *package.glob(".dylibs/*opus*")))
    if (found := find_library("opus")) is not None:
        yield found


@dataclass(frozen=True, slots=True)
class OpusSettings:
    """Settings of libopus.

    Args:
        application: A constant of `opus_defines.h`.
        bitrate: Bits per second.
        complexity: 0 to 10.
    """

    application: int
    bitrate: int
    complexity: int


OPUS: Final = OpusSettings(_RESTRICTED_LOWDELAY, 48_000, 2)
"""CELT with its least delay, 2.5 ms. On 36 s of real speech: 33 µs for 20 ms instead of sphn's 278 (SILK at full
complexity), and a log-mel distance to the original of 1.3 dB instead of 3.7, for 48 kbit/s instead of 24
(`python -m benchmarks.opus`)."""


class OpusEncoder:
    """Encodes mono sound in packets of 20 ms.

    Args:
        library: What `libopus` returns.
        rate_hz: 8, 12, 16, 24 or 48 kHz; ValueError for others.
        settings: Quality, and what it costs.
    """

    def __init__(self, library: ctypes.PyDLL, rate_hz: int, settings: OpusSettings = OPUS) -> None:
        self.settings = settings
        failed = ctypes.c_int()
        state = library.opus_encoder_create(rate_hz, 1, settings.application, ctypes.byref(failed))
        if failed.value:
            raise ValueError(f"libopus has no encoder for {rate_hz} Hz: error {failed.value}")
        self._state = ctypes.c_void_p(state)
        weakref.finalize(self, library.opus_encoder_destroy, self._state)
        for request, value in ((_SET_BITRATE, settings.bitrate), (_SET_COMPLEXITY, settings.complexity)):
            library.opus_encoder_ctl(self._state, request, ctypes.c_int(value))
        delay = ctypes.c_int()
        library.opus_encoder_ctl(self._state, _GET_LOOKAHEAD, ctypes.byref(delay))
        self._encode = library.opus_encode_float
        self.frame = rate_hz // 50
        # Its delay, in samples.
        self.delay = delay.value
        self._packet = ctypes.create_string_buffer(_MOST_BYTES)

    def __call__(self, samples: Samples) -> list[bytes]:
        """Return a packet for each 20 ms; the number of samples is a multiple of `frame`."""
        sound = np.ascontiguousarray(samples, np.float32)
        begin, step = sound.ctypes.data, self.frame * sound.itemsize
        return [self._encoded(begin + at) for at in range(0, sound.nbytes, step)]

    def _encoded(self, address: int) -> bytes:
        length = self._encode(self._state, address, self.frame, self._packet, _MOST_BYTES)
        if length < 0:
            raise ValueError(f"libopus could not encode {self.frame} samples: error {length}")
        return ctypes.string_at(self._packet, length)
