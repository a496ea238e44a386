"""Words understood in a call by WebRTC whose packets are lost and late, and for how long the server holds sound back.

The opening of "A Tale of Two Cities" (44 s, in the assets of `moonshine-voice`) is encoded as a browser does: Opus,
20 ms a packet, 32 kbit/s, with in-band FEC for the loss that the server reports. A network loses packets at random, and
delays each by a time of its own, so that they overtake each other. What comes through is put in order and decoded by
the server's own parts, cut at the reader's pauses, and recognised by Moonshine. All of it in simulated time.

Measured are the word error rate, as the server hears it (lost packets restored from the ones behind them, or concealed)
and with silence in the place of each lost packet; and the time from a packet's arrival until its sound is passed on:
that of waiting for packets before it.

    python -m benchmarks.packet_loss            5 networks of each kind, about two minutes
    python -m benchmarks.packet_loss --quick    1 network of each kind
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from benchmarks.accuracy import TEXT, edits, words
from benchmarks.common import Progress, Report, Table, command, percentile
from benchmarks.common.speech import RATE_HZ, loud_pieces, recording
from voicepipe.audio.resample import resampled
from voicepipe.events import Audio
from voicepipe.server.webrtc.packet_order import PacketOrder
from voicepipe.server.webrtc.tracks import HeardSound
from voicepipe.stt.moonshine import RATE_HZ as RECOGNISED_HZ
from voicepipe.stt.moonshine import Moonshine

NETWORKS, QUICK_NETWORKS = 5, 1
PACKET_S = 0.02
FRAME = int(RATE_HZ * PACKET_S)
PADDED_S = 0.2


@dataclass(frozen=True, slots=True)
class Network:
    """The share of packets that are lost, and the longest delay, in seconds."""

    loss: float
    jitter_s: float

    def arrivals(self, count: int, seed: int) -> list[tuple[float, int]]:
        """Return the time and the number of each packet that comes, as they come."""
        chance = random.Random(seed)
        sent = [(number * PACKET_S + chance.random() * self.jitter_s, number) for number in range(count)]
        return sorted(packet for packet in sent if chance.random() >= self.loss)


KINDS = [Network(0, 0), Network(0, 0.1), Network(0.05, 0), Network(0.05, 0.1), Network(0.1, 0.1), Network(0.2, 0.1)]


def run(progress: Progress, *, quick: bool) -> Report:
    """Send the recording through each kind of network."""
    networks = QUICK_NETWORKS if quick else NETWORKS
    sound, model = np.asarray(recording("two_cities")), Moonshine()
    rows: list[list[Any]] = []
    for number, kind in enumerate(KINDS):
        progress("networks", number, len(KINDS))
        packets = encoded(sound, kind.loss)
        heard = [_sent(packets, kind, seed) for seed in range(1 if kind == Network(0, 0) else networks)]
        rates = [np.mean([_errors(model, sound, one[side]) for one in heard]) for side in (0, 1)]
        waits_ms = [wait * 1000 for one in heard for wait in one[2]]
        name = f"{kind.loss:.0%}, {kind.jitter_s * 1000:.0f} ms"
        rows.append([name, *rates, percentile(waits_ms, 50), percentile(waits_ms, 95), max(waits_ms)])
    columns = ("loss, jitter", "word errors (%)", "with silence (%)", "held p50 (ms)", "p95", "max")
    return Report("packet_loss", "Lost and late packets", tables=[Table("Of 44 s of reading", columns, rows)])


def encoded(sound: NDArray[np.float32], loss: float) -> list[bytes]:
    """Return Opus packets as a browser sends them to a server that reports this loss."""
    context: Any = AudioCodecContext.create("libopus", "w")
    context.format, context.layout, context.sample_rate = "s16", "mono", RATE_HZ
    context.bit_rate, context.time_base = 32_000, Fraction(1, RATE_HZ)
    context.options = {"application": "voip", "fec": "1", "packet_loss": f"{loss * 100:.0f}", "frame_duration": "20"}
    pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2")
    packets: list[bytes] = []
    for start in range(0, len(pcm) - FRAME, FRAME):
        frame = av.AudioFrame.from_ndarray(pcm[None, start : start + FRAME], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets


def _sent(packets: Sequence[bytes], network: Network, seed: int) -> tuple[Any, Any, list[float]]:
    """Return what the server hears, the same with silence for what is lost, and for how long each packet waited."""
    heard = HeardSound()
    came: dict[int, float] = {}
    pieces: list[bytes] = []
    waits: list[float] = []
    silent = np.ones(len(packets), bool)
    order = PacketOrder[int]()
    for at_s, number in network.arrivals(len(packets), seed):
        came[number] = at_s
        pieces.append(heard.push(number, packets[number]))
        for passed in order.push(number, number):
            if passed is not None:
                waits.append(at_s - came[passed])
                silent[passed] = False
    sound = np.frombuffer(b"".join(pieces), "<i2").astype(np.float32) / 32768
    first = min(np.flatnonzero(~silent))
    holed = sound.copy()
    for number in np.flatnonzero(silent[first:]):
        holed[number * FRAME : (number + 1) * FRAME] = 0
    pad = np.zeros(first * FRAME, np.float32)
    return np.concatenate([pad, sound]), np.concatenate([pad, holed]), waits


def _errors(model: Moonshine, original: NDArray[np.float32], sound: NDArray[np.float32]) -> float:
    said = " ".join(model.transcribe(clip) for clip in _clips(original, sound))
    reference = words(TEXT)
    return 100 * edits(reference, words(said)) / len(reference)


def _clips(original: NDArray[np.float32], sound: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    pad = int(PADDED_S * RATE_HZ)
    for start, stop in loud_pieces(original):
        clip = sound[max(0, start - pad) : stop + pad]
        yield resampled(Audio(clip, RATE_HZ), RECOGNISED_HZ).samples


if __name__ == "__main__":
    sys.exit(command("packet_loss", run, __doc__))
