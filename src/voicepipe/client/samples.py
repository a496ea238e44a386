"""Sample recordings: they come with the weights of the speech recogniser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voicepipe.client.recording import BadRecording, read_recording
from voicepipe.events import Samples
from voicepipe.weights import registry as models

__all__ = ["DEFAULT", "SAMPLES", "Sample", "SampleMissing", "has_samples", "read_sample"]

RATE_HZ = 24_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of a recording: `start_s` and `stop_s` lie in pauses of the speaker. `says` is its text."""

    file: str
    start_s: float
    stop_s: float
    says: str


SAMPLES = {
    # Lines of a dialogue with digital silence in between: from 23.12 to 23.76 s and from 27.42 to 28.1 s.
    "question": Sample(
        "endgame_nagg_nell.wav", 23.5, 27.6, "Do you remember the day I went and fetched you from that ditch?"
    ),
    # A reading; its noise is 35 dB below the voice, which pauses up to 0.98 s, from 4.56 to 5.02 s and so on.
    "two_cities": Sample("two_cities.wav", 0.8, 4.8, "It was the best of times, it was the worst of times,"),
    # Short sentences with pauses of up to 0.9 s: a bot may take each for the end of a turn.
    "beckett": Sample(
        "beckett.wav", 0.0, 9.4, "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
    ),
}
"""Samples by name. The files are those of moonshine-voice 0.1.0; the positions were found by the level of 20 ms."""

DEFAULT = "question"


class SampleMissing(Exception):
    """The recording is not on this machine; the message says how to get it."""


def read_sample(name: str) -> Samples:
    """Return the sample, 24 kHz mono. Raises SampleMissing; KeyError for a name that is not in `SAMPLES`."""
    sample, model = SAMPLES[name], models.REGISTRY["moonshine"]
    path = _path(sample)
    if path is None:
        raise SampleMissing(
            f"the samples come with the embedded models, in the package {model.requirement}: {model.how_to_get}"
        )
    try:
        sound = read_recording(path, RATE_HZ)
    except BadRecording as error:
        raise SampleMissing(f"the sample {name!r} cannot be played, as another release has it: {error}") from None
    stretch = sound[round(sample.start_s * RATE_HZ) : round(sample.stop_s * RATE_HZ)]
    if len(stretch) == 0:
        raise SampleMissing(f"{path} is shorter than that of {model.requirement}: {model.how_to_get}")
    return stretch


def has_samples() -> bool:
    """Return whether the default sample is on this machine."""
    return _path(SAMPLES[DEFAULT]) is not None


def _path(sample: Sample) -> Path | None:
    """Return the folder beside the recogniser's weights; the registry finds those without importing their package."""
    weights = models.find("moonshine")
    path = weights.with_name(sample.file) if weights else None
    return path if path is not None and path.is_file() else None
