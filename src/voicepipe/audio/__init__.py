"""Codecs between the wire's bytes and samples, and resampling."""

from voicepipe.audio.codec import BadAudio, Codec, Decoder, Encoder
from voicepipe.audio.formats import Formats
from voicepipe.audio.g711 import G711
from voicepipe.audio.opus import OggOpus
from voicepipe.audio.pcm import Pcm16
from voicepipe.audio.resample import Resampler, resample, resampled, resampler

__all__ = [
    "G711",
    "BadAudio",
    "Codec",
    "Decoder",
    "Encoder",
    "Formats",
    "OggOpus",
    "Pcm16",
    "Resampler",
    "resample",
    "resampled",
    "resampler",
]
