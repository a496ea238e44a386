"""The speech of simulated users: the packaged samples, or the recordings of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voicepipe.client.recording import BadRecording, read_recording
from voicepipe.client.samples import read_sample
from voicepipe.events import Samples

__all__ = ["NoSpeech", "read_speech"]

_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff")
# The samples that are one turn each; in the third a bot answers between its sentences.
_TURNS = ("question", "two_cities")
# A longer recording is no turn of a conversation, and takes as long in real time.
_LONGEST_S = 30.0


class NoSpeech(Exception):
    """No speech was found; the message is a sentence for the user."""


def read_speech(folder: Path | None) -> Sequence[Samples]:
    """Return what users say, a recording for each turn, at 24 kHz.

    Args:
        folder: Recordings, each of which is a turn; None: the packaged samples.

    Raises:
        NoSpeech: The folder has no recording, or one that cannot be read or is longer than 30 s.
        SampleMissing: The samples are not on this machine.
    """
    if folder is None:
        return [read_sample(name) for name in _TURNS]
    if not folder.is_dir():
        raise NoSpeech(f"{folder} is no folder; name one with recordings, each of which is a turn")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
    if not files:
        raise NoSpeech(f"{folder} has no recording ({', '.join(_ENDINGS)})")
    return [_read(path) for path in files]


def _read(path: Path) -> Samples:
    try:
        samples = read_recording(path)
    except BadRecording as error:
        raise NoSpeech(str(error)) from None
    if len(samples) > _LONGEST_S * 24_000:
        length_s = len(samples) / 24_000
        raise NoSpeech(f"{path} lasts {length_s:.0f} s; a turn has {_LONGEST_S:g} s at most: cut it into turns")
    return samples
