"""Encoding Ogg-Opus: the CPU and the quality of sphn's encoder and of libopus with several settings, on real speech.

36 s of three speakers at 24 kHz, in packets of 20 ms. *CPU* is that of 20 ms of sound, the least of three runs, without
the pages. *Distance* is to the original, after the decoder: the root mean square difference of 40 bands of a log-mel
spectrum (25 ms windows), in dB, mean of the frames that are less than 45 dB softer than the loudest. It measures the
spectral envelope, which says most of how speech sounds; it does not hear as people do. CELT keeps the envelope by its
design, and SILK rebuilds it, so compare settings of one kind first. *Delay* is the encoder's own.

    python -m benchmarks.opus            half a minute
    python -m benchmarks.opus --quick    one run
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import sphn

from benchmarks.common import RATE_HZ, Budget, Cell, Progress, Report, Skipped, Table, command, recording
from voicepipe.audio.libopus import OpusEncoder, OpusSettings, libopus
from voicepipe.audio.ogg import OggPages
from voicepipe.events import Samples

SPEAKERS, SECONDS = ("two_cities", "beckett", "endgame_nagg_nell"), 12
FRAME = RATE_HZ // 50
WINDOW, HOP, FFT, BANDS = 600, 240, 1024, 40
SOFTEST_DB = 45.0
MOST_US, MOST_DB = 60.0, 2.0

VOIP, LOW_DELAY = 2048, 2051
SETTINGS = {
    "SILK, complexity 10": OpusSettings(VOIP, 28_000, 10),
    "SILK, complexity 5": OpusSettings(VOIP, 28_000, 5),
    "SILK, complexity 0": OpusSettings(VOIP, 28_000, 0),
    "CELT, 28 kbit/s, complexity 2": OpusSettings(LOW_DELAY, 28_000, 2),
    "CELT, complexity 0": OpusSettings(LOW_DELAY, 48_000, 0),
    "CELT, complexity 2": OpusSettings(LOW_DELAY, 48_000, 2),
    "CELT, complexity 5": OpusSettings(LOW_DELAY, 48_000, 5),
    "CELT, complexity 10": OpusSettings(LOW_DELAY, 48_000, 10),
}


def run(progress: Progress, *, quick: bool) -> Report:
    """Encode the same speech in each way."""
    library = libopus()
    if library is None:
        raise Skipped("there is no libopus: pip install av")
    sound = np.concatenate([recording(name)[: SECONDS * RATE_HZ] for name in SPEAKERS])
    sound = np.ascontiguousarray(sound[: len(sound) // (2 * FRAME) * 2 * FRAME])
    rows: list[list[Cell]] = []
    for number, (name, settings) in enumerate([("sphn", None), *SETTINGS.items()]):
        progress(name, number, len(SETTINGS) + 1)
        timed = (lambda: _sphn(sound)) if settings is None else (lambda settings=settings: _libopus(sound, settings))
        packets, cpu_s = _least(timed, 1 if quick else 3)
        kbits = 8 * sum(map(len, packets)) / (len(sound) / RATE_HZ) / 1000
        heard, delay_ms = _aligned(_decoded(library, packets), sound)
        rows.append([name, cpu_s / (len(sound) / FRAME) * 1e6, kbits, _distance_db(sound, heard), delay_ms])
    ours = OpusEncoder(library, RATE_HZ)
    chosen = next(row for row in rows if row[0] == "CELT, complexity 2")
    assert SETTINGS["CELT, complexity 2"] == ours.settings, "the settings that are measured are those that are used"
    return Report(
        "opus",
        "Encoding Ogg-Opus",
        tables=[Table("36 s of speech", ("encoder", "CPU of 20 ms, µs", "kbit/s", "distance dB", "delay ms"), rows)],
        budgets=[
            Budget("CPU to encode 20 ms", float(chosen[1] or 0), MOST_US, "µs"),
            Budget("log-mel distance to the original", float(chosen[3] or 0), MOST_DB, "dB"),
        ],
    )


def _least(timed: Callable[[], tuple[list[bytes], float]], runs: int) -> tuple[list[bytes], float]:
    return min((timed() for _ in range(runs)), key=lambda found: found[1])


def _libopus(sound: Samples, settings: OpusSettings) -> tuple[list[bytes], float]:
    library = libopus()
    assert library is not None
    encode, began_s = OpusEncoder(library, RATE_HZ, settings), time.process_time()
    packets = encode(sound)
    return packets, time.process_time() - began_s


def _sphn(sound: Samples) -> tuple[list[bytes], float]:
    writer, began_s = sphn.OpusStreamWriter(RATE_HZ), time.process_time()
    data = b"".join(bytes(writer.append_pcm(sound[at : at + 960])) for at in range(0, len(sound), 960))
    took_s = time.process_time() - began_s
    return [packet for page in OggPages().append(data) if page.granule > 0 for packet in _packets(page.data)], took_s


def _packets(page: bytes) -> Iterator[bytes]:
    """Yield the packets of a page, of less than 255 parts each."""
    lengths, at, length = page[27 : 27 + page[26]], 27 + page[26], 0
    for part in lengths:
        length += part
        if part < 255:
            yield page[at : at + length]
            at, length = at + length, 0


def _decoded(library: ctypes.PyDLL, packets: list[bytes]) -> Samples:
    state = ctypes.c_void_p(library.opus_decoder_create(RATE_HZ, 1, None))
    sound, frames = np.zeros(5760, np.float32), list[Samples]()
    for packet in packets:
        count = library.opus_decode_float(state, packet, len(packet), ctypes.c_void_p(sound.ctypes.data), len(sound), 0)
        frames.append(sound[:count].copy())
    library.opus_decoder_destroy(state)
    return np.concatenate(frames)


def _aligned(heard: Samples, sound: Samples) -> tuple[Samples, float]:
    """Return the decoded sound without the delay, and the delay in ms, by correlation."""
    part, size = sound[RATE_HZ : 3 * RATE_HZ], 1 << 17
    products = np.fft.rfft(heard[RATE_HZ : 3 * RATE_HZ + FRAME], size) * np.conj(np.fft.rfft(part, size))
    delay = int(np.argmax(np.fft.irfft(products, size)[:FRAME]))
    return heard[delay:], delay / RATE_HZ * 1000


def _distance_db(sound: Samples, heard: Samples) -> float:
    count = min(len(sound), len(heard))
    original, decoded = _log_mel(sound[:count]), _log_mel(heard[:count])
    audible = original.max(axis=1) > original.max() - SOFTEST_DB
    return float(np.sqrt(((original - decoded)[audible] ** 2).mean(axis=1)).mean())


def _log_mel(sound: Samples) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP] * np.hanning(WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2
    mel = 2595 * np.log10(1 + np.linspace(0, RATE_HZ / 2, FFT // 2 + 1) / 700)
    edges = np.linspace(0, mel[-1], BANDS + 2)
    bands = np.maximum(0, 1 - np.abs(mel[None] - edges[1:-1, None]) / (edges[1] - edges[0]))
    return 10 * np.log10(power @ bands.T + 1e-7)


if __name__ == "__main__":
    sys.exit(command("opus", run, __doc__))
