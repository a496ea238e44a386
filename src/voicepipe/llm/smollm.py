"""SmolLM2, or any other GGUF model, in this process: llama.cpp through xllamacpp.

The default, SmolLM2-135M-Instruct in 4 bits, shows timing and is no conversation partner: quick anywhere, not clever.
Temperature 0, a repeat penalty of 1.1, one sentence of instructions and a few examples suit it. The chat template is
that of the file.

Measured on two cores (on one, in brackets): 0.3…0.5 s to load; a prompt is read at 250…350 (130…200) tokens/s: a cold
first token takes 0.2…0.3 s for a prompt of 46 tokens, and 11 ms (14 ms) when the slot has read that prompt before, 70
ms (110 ms) when only the user's new sentence is left to read; then 85…110 (60…78) tokens/s. Two streams at once share
the work of a batch, at 60 tokens/s each. 250 MB with two slots of 2048 tokens. A cancelled stream ends 5…10 ms later
while the model speaks, 80…170 ms later while it reads.

When a conversation outgrows its context, the oldest messages are forgotten; what the slot has read of the others is
moved (llama.cpp's cache reuse), so that the turn in which this happens is as quick as others: 0.3 s, not 1.7 s.

xllamacpp's server insists on listening. It is made to listen on a Unix socket in a folder that only this user may enter
and that is deleted as soon as the model is loaded, so that no program can connect. Where there are no Unix sockets
(Windows), it listens on a random port of 127.0.0.1 and requires a random key that is not published.
"""

from __future__ import annotations

import importlib
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from voicepipe.boundary.cores import usable_cores
from voicepipe.llm.in_process import TokenUse
from voicepipe.weights import registry as models

__all__ = ["LlmFailed", "Message", "SmolLM", "trim"]

Message: TypeAlias = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": …}`."""

Chunk: TypeAlias = dict[str, Any]
"""A piece of an answer, as OpenAI's streaming chat completions have them."""

# Tokens of a prompt that are read in one go, after which a stream can be cancelled.
_BATCH = 128

# How many messages are forgotten at a time when a conversation outgrows the context.
_FORGET = 8

# Which part of the context is kept for the answer: an eighth, 256 of 2048 tokens.
_ANSWER = 8

# Tokens in a row that are worth moving, rather than reading again, when older ones before them are forgotten.
_REUSE = 32

SAMPLING: Mapping[str, float] = {"temperature": 0.0, "repeat_penalty": 1.1}
"""By `python -m benchmarks answers`: without the penalty the embedded model loops; with llama.cpp's DRY sampler in its
place it still loops, and answers less often to the point; with both it does no better than with the penalty alone."""

# How often a prompt is shortened again before llama.cpp's refusal is final.
_ATTEMPTS = 3


# A listener does not wait for a model's thoughts. Templates that know no thinking ignore it.
_NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}


# An answer comes as it is written, and each piece of it with the tokens so far.
_STREAM = {"stream": True, "cache_prompt": True, "return_progress": True, "timings_per_token": True}


def never() -> bool:
    """Not cancelled."""
    return False


class LlmFailed(Exception):
    """The model could not be loaded, or did not answer. The message is llama.cpp's own where it gave one."""


class _TooLong(LlmFailed):
    """A prompt of `tokens` tokens does not fit into the context."""

    def __init__(self, message: str, tokens: int) -> None:
        super().__init__(message)
        self.tokens = tokens


class SmolLM:
    """A language model, loaded once, that answers up to `slots` conversations at a time; more of them wait.

    Thread-safe. Prints nothing. `close` frees the memory, as does leaving a `with` block.

    Args:
        path: A GGUF file; None is the one of the registry.
        slots: How many conversations are answered at a time. Each slot keeps what it has read last: a conversation that
            comes back to its slot (0 … slots - 1) has only the new messages read.
        context: The tokens of prompt and answer that a slot holds.
        threads: The cores that the model uses; by default half of them: threads that wait for each other lose more than
            they win where another program needs a core, too.
        sampling: llama.cpp's fields for each answer, which `stream`'s own arguments overrule.

    Raises:
        ModelMissing: The registry's model has not been fetched.
        LlmFailed: llama.cpp cannot load the file.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        slots: int,
        context: int = 2048,
        threads: int | None = None,
        sampling: Mapping[str, float] = SAMPLING,
    ) -> None:
        self.slots, self.context, self._sampling = slots, context, dict(sampling)
        path = path or models.require("smollm2")
        if not path.is_file():
            raise LlmFailed(f"there is no model at {path}")
        self._server: Any = _load(path, slots, context, threads or max(1, usable_cores() // 2))

    def stream(
        self,
        messages: Sequence[Message],
        on_text: Callable[[str], None],
        *,
        cancelled: Callable[[], bool] = never,
        temperature: float | None = None,
        max_tokens: int = 256,
        slot: int | None = None,
        use: TokenUse | None = None,
    ) -> TokenUse:
        """Answer `messages`: `on_text` gets the text a token at a time, in the calling thread. Blocks until the end.

        `cancelled` is asked after each token and each batch of the prompt; once it says True, nothing more is given to
        `on_text` and the call returns within a token. Messages that do not fit are left out as `trim` says. With `slot`
        None, the slot is the one whose last conversation is most alike. Returns `use`, which is kept up to date while
        the model works: not all of the prompt was read where the stream was cancelled before the answer began.
        LlmFailed when the model fails, ValueError for a slot that is not there; what `on_text` raises ends the stream
        and comes out of here.
        """
        options: dict[str, Any] = {**self._sampling, "max_tokens": max_tokens, **_NO_THINKING}
        if temperature is not None:
            options["temperature"] = temperature
        if slot is not None:
            if slot not in range(self.slots):  # llama.cpp would take any other
                raise ValueError(f"there is no slot {slot}, but {self.slots}, counted from 0")
            options["id_slot"] = slot
        # The same room for every call, so that `warm` and `stream` forget the same messages.
        room = limit = self.context - self.context // _ANSWER
        use = use or TokenUse()
        for _ in range(_ATTEMPTS):
            try:
                return self._answer(trim(messages, room), options, on_text, cancelled, use)
            except _TooLong as error:
                # The estimate of `trim` was too low for this text; now its length is known.
                room = room * limit // (error.tokens + 1)
        return self._answer(trim(messages, room), options, on_text, cancelled, use)

    def warm(self, messages: Sequence[Message], slot: int, *, cancelled: Callable[[], bool] = never) -> None:
        """Have `slot` read `messages`, so that the next `stream` that begins with them there has them read already.

        Costs what reading takes (4 ms a token on two cores, less what the slot has read before) and one token.
        """
        self.stream(messages, lambda text: None, cancelled=cancelled, max_tokens=1, slot=slot)

    def close(self) -> None:
        """Free the model. Streams that are under way must have ended; later ones raise LlmFailed."""
        self._server = None

    def __enter__(self) -> SmolLM:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(
        self,
        messages: Sequence[Message],
        options: dict[str, Any],
        on_text: Callable[[str], None],
        cancelled: Callable[[], bool],
        use: TokenUse,
    ) -> TokenUse:
        if self._server is None:
            raise LlmFailed("the model has been closed")
        raised: list[Exception] = []

        def take(chunk: Chunk) -> bool:
            """True ends the stream. An exception must not fly through llama.cpp."""
            try:
                _count(chunk, use)
                if cancelled():
                    return True
                if text := _text(chunk):
                    on_text(text)
                return cancelled()
            except Exception as error:
                raised.append(error)
                return True

        request = {"messages": list(messages), **_STREAM, **options}
        try:
            self._server.handle_chat_completions(request, take)
        except Exception as error:
            raise LlmFailed(str(error)) from error
        if raised:
            raise raised[0]
        return use


def trim(messages: Sequence[Message], tokens: int) -> list[Message]:
    """The messages that fit into `tokens`: the system prompt and the latest ones, beginning with a user's.

    The oldest are forgotten eight at a time, so that a slot has to read the rest again once in a few turns and not
    at each. When the system prompt and the last message are too long together, the last one keeps its end.
    Tokens are estimated at three bytes each, which English text (over four) stays below.
    """
    system = [message for message in messages[:1] if message["role"] == "system"]
    said = list(messages[len(system) :])
    while len(said) > 1 and _tokens([*system, *said]) > tokens:
        del said[: min(_FORGET, len(said) - 1)]
        while len(said) > 1 and said[0]["role"] != "user":
            del said[0]
    if said and (over := _tokens([*system, *said]) - tokens) > 0:
        content = said[0]["content"].encode()
        said = [{**said[0], "content": content[min(3 * over, len(content)) :].decode(errors="ignore")}]
    return [*system, *said]


def _tokens(messages: Sequence[Message]) -> int:
    """About how many tokens these are, rather too many than too few: eight are the frame of a message."""
    return sum(8 + len(message["content"].encode()) // 3 for message in messages)


def _count(chunk: Chunk, use: TokenUse) -> None:
    """Note what a chunk says of the tokens: first of the prompt's, then of the answer's."""
    if progress := chunk.get("prompt_progress"):
        use.tokens, use.known, use.read = progress["total"], progress["cache"], progress["processed"]
    if timings := chunk.get("timings"):
        use.written = timings["predicted_n"]


def _text(chunk: Chunk) -> str:
    """The text in a chunk: often none."""
    if error := chunk.get("error"):
        if error.get("type") == "exceed_context_size_error":
            raise _TooLong(error["message"], error["n_prompt_tokens"])
        raise LlmFailed(error.get("message", str(error)))
    choices = chunk.get("choices")
    return (choices[0]["delta"].get("content") or "") if choices else ""


def _load(path: Path, slots: int, context: int, threads: int) -> Any:
    """An `xllamacpp.Server` that cannot be reached from outside."""
    xllamacpp: Any = importlib.import_module("xllamacpp")  # has no types
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_parallel, settings.n_ctx = slots, slots * context
    settings.n_batch = settings.n_ubatch = _BATCH
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.verbosity = -1  # not even errors: these are raised
    settings.fit_params = False  # the context is what was asked for, whatever memory is free
    settings.n_cache_reuse = _REUSE
    settings.cache_ram_mib = 0  # would keep up to 8 GB of old conversations; a slot keeps its own
    settings.cache_idle_slots = False
    settings.n_threads_http = 1
    settings.ui = settings.endpoint_slots = settings.endpoint_props = settings.endpoint_metrics = False
    settings.api_keys = [secrets.token_urlsafe(32)]
    with tempfile.TemporaryDirectory(prefix="voicepipe-", ignore_cleanup_errors=True) as folder:
        if os.name == "posix":
            settings.hostnames = [str(Path(folder) / "llama.sock")]
        try:
            return xllamacpp.Server(settings)
        except RuntimeError as error:
            raise LlmFailed(f"llama.cpp cannot load {path}: {error}") from error
