"""Codecs between the wire's bytes and samples, and resampling."""

from voicepipe.audio.codec import BadAudio, Codec, Decoder, Encoder
from voicepipe.audio.formats import ClientCodec, codec_of
from voicepipe.audio.g711 import G711
from voicepipe.audio.opus import OggOpus
from voicepipe.audio.pcm import Pcm16
from voicepipe.audio.resample import Resampler, resample, resampled, resampler

__all__ = [
    "G711",
    "BadAudio",
    "ClientCodec",
    "Codec",
    "Decoder",
    "Encoder",
    "OggOpus",
    "Pcm16",
    "Resampler",
    "codec_of",
    "resample",
    "resampled",
    "resampler",
]
