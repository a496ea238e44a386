"""The likelihood of given phrases: what else a clip may have been, asked of the decoder that wrote its text.

A recogniser writes the likeliest text. Of a short clip it is often wrong ("Darted" for "Got it"), and the right text is
then nearly as likely. Asked for a list of phrases, the recogniser names the one that was probably said, which cannot be
told from the letters of what it wrote.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from voicepipe.events import Resemblance, Samples
from voicepipe.stt.moonshine import STOP, Decoding, Moonshine, Token, Tokenizer

__all__ = ["Phrases"]

_MARKS = (".", "?", "!", ",")
_IMPOSSIBLE = -math.inf
# Noise may be any of them: the 16 whose beginnings are the likeliest take 60 ms.
_COMPARED = 16


class Phrases:
    """Phrases that Moonshine compares a clip with.

    A comparison is one pass of the encoder and two to four of the decoder: 10 to 30 ms of CPU for a clip of a second. A
    phrase is given up where its first token alone is too unlikely, as most are.

    Args:
        model: The recogniser that wrote the text.
        phrases: The phrases as the recogniser spells them, without a mark at their ends: "Got it".
    """

    def __init__(self, model: Moonshine, phrases: Sequence[str]) -> None:
        self._model, self._phrases = model, phrases

    def likeliest(self, samples_16k: Samples, said: Sequence[Token], *, within: float) -> Resemblance:
        """Return the likeliest of the phrases, or none, if none is likely enough.

        Args:
            samples_16k: The clip, float32 of shape (n,) at 16 kHz.
            said: What the model has written for it.
            within: A phrase may be less likely than that by this many nats.
        """
        written = _without_mark([token.number for token in said], self._model.tokenizer)
        if not written:
            return Resemblance("", -within)
        decoding = self._model.decoding(samples_16k)
        (likely,) = self._whole(decoding, [written])
        first = _logprobs(decoding([()])[0, 0])
        possible = [phrase for phrase, tokens in self._tokens.items() if first[tokens[0]] >= likely - within]
        possible = sorted(possible, key=lambda phrase: -first[self._tokens[phrase][0]])[:_COMPARED]
        scores = self._whole(decoding, [self._tokens[one] for one in possible], likely - within) if possible else []
        score, best = max(zip(scores, possible, strict=True), default=(_IMPOSSIBLE, ""))
        return Resemblance(best, score - likely) if score >= likely - within else Resemblance("", -within)

    @cached_property
    def _tokens(self) -> Mapping[str, tuple[int, ...]]:
        return {phrase: self._model.tokenizer.tokens(f" {phrase}") for phrase in self._phrases}

    @cached_property
    def _ends(self) -> list[int]:
        return [STOP, *(number for mark in _MARKS for number in self._model.tokenizer.tokens(mark))]

    def _whole(self, decoding: Decoding, texts: Sequence[Sequence[int]], least: float = _IMPOSSIBLE) -> list[float]:
        """Return how likely each text is as all that was said, with the likeliest mark behind it; where it is less
        likely than `least`, it need not be exact."""
        begun = [_sums(logits, text) for logits, text in zip(decoding(texts), texts, strict=True)]
        scores = [words for words, _ in begun]
        marked = [(at, self._ends[int(behind[self._ends].argmax())], behind) for at, (_, behind) in enumerate(begun)]
        ended = {at: (mark, float(behind[mark])) for at, mark, behind in marked if scores[at] >= least}
        rows = [(*texts[at], mark) for at, (mark, _) in ended.items() if mark != STOP]
        stops = iter(decoding(rows) if rows else ())
        for at, (mark, logprob) in ended.items():
            stop = 0.0 if mark == STOP else float(_logprobs(next(stops)[len(texts[at]) + 1])[STOP])
            scores[at] += logprob + stop
        return scores


def _sums(logits: NDArray[np.float32], text: Sequence[int]) -> tuple[float, NDArray[np.float32]]:
    """Return the logarithm of the probability of a text's words, and those of each token behind them."""
    rows = [_logprobs(logits[at]) for at in range(len(text) + 1)]
    return float(sum(rows[at][token] for at, token in enumerate(text))), rows[-1]


def _logprobs(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    most = logits.max()
    return logits - (most + np.log(np.exp(logits - most).sum()))


def _without_mark(tokens: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    kept = list(tokens)
    while kept and not any(map(str.isalnum, tokenizer.piece(kept[-1]))):
        kept.pop()
    return kept
