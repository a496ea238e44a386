"""Moonshine tiny: speech to text, English, for one utterance at a time.

The weights are part of the installed package `moonshine-voice`, which is never imported. The network was published in
"Moonshine: Speech Recognition for Live Transcription and Voice Commands" (Jeffries et al., 2024): an encoder with work
in proportion to the sound's length, and a decoder that gives a token at a time.

Give it 200 ms of sound before and after the speech (word errors fall by half), and less than 15 s at once.

Measured on one core: 0.5 s to load, 150 MB; 8 ms a second of sound for the encoder and 3…4 ms a token for the decoder,
so that a clip of 2 s takes 40 ms and one of 8 s 190 ms. When a clip that grows by 320 ms at a time is read again with
the last reading as `draft`, a reading takes 82 ms instead of 126 ms in the mean, for clips of 1…13 s. Of 119 words of
read speech 6 are wrong, and 7 with drafts: reading several tokens at once rounds differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicepipe.events import Samples, TokenLogprob
from voicepipe.weights import registry as models

__all__ = ["RATE_HZ", "STOP", "Decoding", "Moonshine", "Token", "Tokenizer", "drop_repeats"]

RATE_HZ = 16_000

# Samples, 100 ms: shorter clips have no words (the encoder takes at least 895 samples).
_SHORTEST = 1600

# The limit of tokens. The paper's is 6.5 a second; a clip of one word needs some more.
_TOKENS_PER_S, _TOKENS_MORE = 8, 5

# The tokens before and behind each text.
_START: Final = 1
STOP: Final = 2
# The range of text tokens. Below are the unknown, start and stop tokens, above are reserved ones.
_WORDS_FROM, _WORDS_TO = 3, 32_000

_LAYERS, _HEADS, _WIDTH = 6, 8, 36
_HEARD = [f"{layer}.encoder.{part}" for layer in range(_LAYERS) for part in ("key", "value")]
_SAID = [f"{layer}.decoder.{part}" for layer in range(_LAYERS) for part in ("key", "value")]

# Punctuation that the network repeats by mistake; three dots are intended.
_DOUBLED = re.compile(r"([,;:?!])\1+")

Feed: TypeAlias = dict[str, NDArray[Any]]
Decoding: TypeAlias = Callable[[Sequence[Sequence[int]]], NDArray[np.float32]]


def never() -> bool:
    """Return False: a call that is not cancelled."""
    return False


class Token(NamedTuple):
    """A token of the vocabulary, and the natural logarithm of its probability."""

    number: int
    logprob: float


class Moonshine:
    """The network, loaded once. Thread-safe: any number of threads may transcribe at a time.

    Args:
        folder: The folder of `encoder_model.ort`, `decoder_model_merged.ort` and `tokenizer.bin`; None takes the
            registry's, and raises ModelMissing if it is absent.
        threads: How many cores one call may use.
    """

    def __init__(self, folder: Path | None = None, *, threads: int = 1) -> None:
        folder = folder or models.require("moonshine")
        self._encoder = models.open_onnx(folder / "encoder_model.ort", threads)
        self._decoder = models.open_onnx(folder / "decoder_model_merged.ort", threads)
        self.tokenizer = Tokenizer((folder / "tokenizer.bin").read_bytes())

    def transcribe(self, samples_16k: Samples, *, cancelled: Callable[[], bool] = never) -> str:
        """Transcribe one clip.

        Args:
            samples_16k: float32 of shape (n,) at 16 kHz.
            cancelled: Called before every token; when it returns True, the text so far is returned.

        Returns:
            Punctuated English; empty if nothing is said.
        """
        return self.text(self.tokens(samples_16k, cancelled=cancelled))

    def text(self, tokens: Sequence[Token]) -> str:
        """Return the text of `tokens`, without phrases that the network repeats by mistake."""
        return drop_repeats(_DOUBLED.sub(r"\1", self.tokenizer.text([token.number for token in tokens])))

    def logprobs(self, tokens: Sequence[Token]) -> tuple[TokenLogprob, ...]:
        """Return what each of `tokens` says, with its probability; spaces stand before words."""
        return tuple(TokenLogprob(self.tokenizer.piece(token.number), token.logprob) for token in tokens)

    def tokens(
        self, samples_16k: Samples, *, draft: Sequence[Token] = (), cancelled: Callable[[], bool] = never
    ) -> list[Token]:
        """Return the most likely tokens, one after the other (greedily), at most 8 a second and 5.

        `draft` is a guess, such as the tokens of the same clip when it was shorter: its correct part costs one pass of
        the decoder in all instead of one per token. A wrong part costs a pass, but no words.
        """
        if len(samples_16k) < _SHORTEST or cancelled():
            return []
        most = _TOKENS_MORE + _TOKENS_PER_S * len(samples_16k) // RATE_HZ
        reading = _Reading(self._decoder, *self._hear(samples_16k))
        said: list[Token] = []
        guess = [token.number for token in draft[:most]]
        while len(said) < most and not cancelled():
            new = reading.following(said[-1].number if said else _START, guess)
            said += new
            if new[-1].number == STOP:
                return said[:-1]
            # A word was probably replaced; the rest of the guess may hold, unless nothing of it has held.
            guess = guess[len(new) :] if len(new) > 1 else []
        return said[:most]

    def decoding(self, samples_16k: Samples) -> Decoding:
        """Return the decoder on one clip, which is encoded once: a function of texts, as tokens.

        It returns the logits behind each token of each text, and before the first, of shape (texts, tokens + 1,
        vocabulary), in one pass. Shorter texts are filled up.
        """
        heard, everything = self._hear(samples_16k)
        return partial(_logits, self._decoder, heard, everything)

    def _hear(self, samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the encoder's output, shape (1, frames, 288), and the mask of the *sound*: all of it counts."""
        everything = np.ones((1, len(samples)), np.int64)
        (heard,) = self._encoder.run(None, {"input_values": samples[None], "attention_mask": everything})
        return heard, everything


class _Reading:
    """The decoder on one clip: its attention to the clip, computed once, and to its own output, which grows.

    Binding the arrays to buffers of onnxruntime was tried and saves nothing: a token's time goes into reading 30 MB of
    weights.
    """

    def __init__(self, decoder: Any, heard: NDArray[np.float32], everything: NDArray[np.int64]) -> None:
        self._decoder = decoder
        self._fixed: Feed = {"encoder_hidden_states": heard, "encoder_attention_mask": everything}
        nothing = np.zeros((1, _HEADS, 0, _WIDTH), np.float32)
        self._past: Feed = {f"past_key_values.{name}": nothing for name in _HEARD + _SAID}
        self._begun = False

    def following(self, token: int, guess: Sequence[int]) -> list[Token]:
        """Return the tokens that follow `token`: the correct ones of `guess`, and the next one."""
        names = _SAID if self._begun else _SAID + _HEARD
        feed = {"input_ids": np.array([[token, *guess]]), "use_cache_branch": np.array([self._begun])}
        wanted = ["logits", *(f"present.{name}" for name in names)]
        logits, *present = self._decoder.run(wanted, {**self._fixed, **self._past, **feed})
        best: list[int] = logits[0].argmax(axis=-1).tolist()
        right = next((at for at, guessed in enumerate(guess) if best[at] != guessed), len(guess))
        self._past.update(zip((f"past_key_values.{name}" for name in names), present, strict=True))
        self._forget(len(guess) - right)
        self._begun = True
        return [Token(best[at], _logprob(logits[0][at])) for at in range(right + 1)]

    def _forget(self, wrong: int) -> None:
        """Drop the last `wrong` tokens."""
        for name in _SAID if wrong else ():
            key = f"past_key_values.{name}"
            self._past[key] = self._past[key][:, :, :-wrong]


def _logits(
    decoder: Any, heard: NDArray[np.float32], everything: NDArray[np.int64], texts: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    ids = np.full((len(texts), max(map(len, texts)) + 1), STOP, np.int64)
    ids[:, 0] = _START
    for row, text in enumerate(texts):
        ids[row, 1 : len(text) + 1] = text
    nothing = np.zeros((len(texts), _HEADS, 0, _WIDTH), np.float32)
    feed: Feed = {
        "input_ids": ids,
        "use_cache_branch": np.array([False]),
        "encoder_hidden_states": heard.repeat(len(texts), axis=0),
        "encoder_attention_mask": everything.repeat(len(texts), axis=0),
        **{f"past_key_values.{name}": nothing for name in _HEARD + _SAID},
    }
    (logits,) = decoder.run(["logits"], feed)
    return logits


def _logprob(logits: NDArray[np.float32]) -> float:
    """Return the logarithm of the likeliest token's probability: 40 µs of the 3 ms that a token takes."""
    return -float(np.log(np.exp(logits - logits.max()).sum()))


class Tokenizer:
    """The texts of the tokens, as `tokenizer.bin` lists them: the length of each in bytes, then the bytes.

    A length of 128 or more takes two bytes, the low seven bits first with the top bit set. `▁` is a space; 256 tokens
    are single bytes, for text without a token of its own. Raises ValueError if the file ends within a token.
    """

    def __init__(self, data: bytes) -> None:
        self._texts = list(_texts(data))

    def __len__(self) -> int:
        return len(self._texts)

    def piece(self, token: int) -> str:
        """Return the text of one token."""
        return self._texts[token].decode("utf-8", errors="replace").replace("▁", " ")

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        """The token of each text: the last one, where a single byte is a token, too."""
        return {self.piece(number): number for number in range(_WORDS_FROM, _WORDS_TO)}

    def tokens(self, text: str) -> tuple[int, ...]:
        """Return a text's tokens, the longest first. Raises KeyError for a letter that has none."""
        left, found = text, list[int]()
        while left:
            length = next((size for size in range(len(left), 1, -1) if left[:size] in self._numbers), 1)
            found.append(self._numbers[left[:length]])
            left = left[length:]
        return tuple(found)

    def text(self, tokens: Sequence[int]) -> str:
        spelled = b"".join(self._texts[token] for token in tokens if _WORDS_FROM <= token < _WORDS_TO)
        return spelled.decode("utf-8", errors="replace").replace("▁", " ").strip()


def _texts(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = length - 128 + 128 * data[at], at + 1
        if at + length > len(data):
            raise ValueError(f"the tokenizer's file ends within a token, at byte {at}")
        yield data[at : at + length]
        at += length


def drop_repeats(text: str) -> str:
    """Return `text` with repeated phrases once: three words or more said twice, fewer words four times.

    People say "no, no, no" but do not repeat a whole clause; a network in a loop does.
    """
    words = text.split()
    bare = [word.strip(".,!?;:").lower() for word in words]
    at = 0
    while at < len(words):
        for length in range(1, (len(words) - at) // 2 + 1):
            times = _times(bare, at, length)
            if times >= (2 if length >= 3 else 4):
                del words[at + length : at + length * times], bare[at + length : at + length * times]
                break
        at += 1
    return " ".join(words)


def _times(words: Sequence[str], at: int, length: int) -> int:
    """Return how often the phrase of `length` words at `at` is repeated without a break."""
    phrase = words[at : at + length]
    times = 1
    while words[at + times * length : at + (times + 1) * length] == phrase:
        times += 1
    return times
