"""The quirks of OpenAI-compatible servers: what their streams have in them that OpenAI's have not.

Each quirk has a name, a stream, and what a client makes of it. `LlmServer(quirk=NAME)` and `voicepipe fake-services
--quirk NAME` speak it; a row is what at least one released server has sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

__all__ = ["FUNCTION", "QUIRKS", "Quirk"]

Chunk: TypeAlias = dict[str, Any] | str | bytes
"""A chunk as an object, its JSON, or the bytes of the event, as they are."""

FUNCTION = "look_up"
"""The function that the streams call; the fake server puts the first offered one in its place."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """A quirk of a stream.

    Args:
        servers: where it was seen
        chunks: the stream, in order
        text: what the answer says
        calls: how many functions it calls
        fails: a part of the error's message, where the answer fails, with or without text
    """

    servers: str
    chunks: tuple[Chunk, ...]
    text: str = ""
    calls: int = 0
    fails: str = ""

    def events(self, function: str = FUNCTION) -> Iterator[bytes]:
        """Yield the events of the stream, which call `function`."""
        for chunk in self.chunks:
            if isinstance(chunk, bytes):
                yield chunk
            else:
                data = chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False)
                yield f"data: {data.replace(FUNCTION, function)}\n\n".encode()


# ---- parts of streams ------------------------------------------------------------------------------------------------


def _chunk(**top: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", **top}


def _choice(**fields: Any) -> dict[str, Any]:
    return _chunk(choices=[{"index": 0, **fields}])


def _delta(text: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return _choice(delta={**({} if text is None else {"content": text}), **more}, finish_reason=finish)


def _call(name: str = FUNCTION, arguments: Any = "{}", *, call_id: Any = "call_1", **more: Any) -> dict[str, Any]:
    return {"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def _calls(*pieces: dict[str, Any]) -> dict[str, Any]:
    return _delta(tool_calls=list(pieces))


def _part(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"type": kind, **fields}]


def _thinking(text: str) -> list[dict[str, Any]]:
    return _part("thinking", thinking=_part("text", text=text))


def _texts(*texts: str) -> tuple[dict[str, Any], ...]:
    return tuple(map(_delta, texts))


def _ended(chunk: dict[str, Any], reason: Any) -> dict[str, Any]:
    return {**chunk, "choices": [{**chunk["choices"][0], "finish_reason": reason}]}


_STOP, _CALLED, _DONE = _delta(finish="stop"), _delta(finish="tool_calls"), "[DONE]"
_END = (_STOP, _DONE)
_HI = _delta("Hi.")
_PIECE = {"index": 0, "function": {"name": "_up", "arguments": "{}"}}
_HERMES = f'<tool_call>\n{{"name": "{FUNCTION}", "arguments": {{}}}}\n</tool_call>'
_EMPTY = "gave an empty answer"
_HERMES_CUT = tuple(_HERMES[at : at + 3] for at in range(0, len(_HERMES), 3))
_BROKEN = "failed in the middle of its answer"

# ---- the table -------------------------------------------------------------------------------------------------------

_FRAMES = {
    "role-only-first": Quirk("all", (_delta(role="assistant"), _HI, *_END), "Hi."),
    "null-content-first": Quirk("llama.cpp, Ollama", (_delta(content=None, role="assistant"), _HI, *_END), "Hi."),
    "no-choices-first": Quirk("Azure", (_chunk(choices=[], prompt_filter_results=[{}]), _HI, *_END), "Hi."),
    "null-choices": Quirk("gateways", (_chunk(choices=None), _HI, *_END), "Hi."),
    "null-delta": Quirk("gateways", (_choice(delta=None), _HI, *_END), "Hi."),
    "no-delta": Quirk("Azure", (_HI, _choice(content_filter_results={}), *_END), "Hi."),
    "no-delta-but-finish": Quirk("Azure", (_HI, _choice(finish_reason=None, content_filter_offsets={}), *_END), "Hi."),
    "comments": Quirk("OpenRouter", (b": OPENROUTER PROCESSING\n\n", b": keep-alive\n\n", _HI, *_END), "Hi."),
    "blank-lines": Quirk("DeepSeek", (b"\n\n\n", _HI, *_END), "Hi."),
    "crlf": Quirk(
        "Gemini, Azure",
        (b'data: {"choices":[{"index":0,"delta":{"content":"Hi."}}]}\r\n\r\n', b"data: [DONE]\r\n\r\n"),
        "Hi.",
    ),
    "no-space-after-data": Quirk(
        "proxies", (b'data:{"choices":[{"index":0,"delta":{"content":"Hi."}}]}\n\n', b"data:[DONE]\n\n"), "Hi."
    ),
    "byte-order-mark": Quirk(
        "IIS", (b'\xef\xbb\xbfdata: {"choices":[{"index":0,"delta":{"content":"Hi."}}]}\n\n', *_END), "Hi."
    ),
    "ping-event": Quirk("Anthropic gateways", (b'event: ping\ndata: {"type": "ping"}\n\n', _HI, *_END), "Hi."),
    "empty-data": Quirk("proxies", (b"data:\n\n", _HI, *_END), "Hi."),
    "two-choices": Quirk(
        "gateways",
        (_chunk(choices=[{"index": 0, "delta": {"content": "Hi."}}, {"index": 1, "delta": {"content": "Yo."}}]), *_END),
        "Hi.",
    ),
    "second-choice-alone": Quirk(
        "gateways", (_HI, _chunk(choices=[{"index": 1, "delta": {"content": "Yo."}}]), *_END), "Hi."
    ),
    "usage-behind-the-end": Quirk(
        "OpenAI, Groq, vLLM",
        (_HI, _STOP, _chunk(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1}), _DONE),
        "Hi.",
    ),
    "null-usage": Quirk("vLLM, OpenAI", ({**_HI, "usage": None}, *_END), "Hi."),
    "x-groq": Quirk("Groq", ({**_delta("", role="assistant"), "x_groq": {"id": "r"}}, _HI, *_END), "Hi."),
    "provider-fields": Quirk("OpenRouter", ({**_HI, "provider": "X", "system_fingerprint": None}, *_END), "Hi."),
    "logprobs": Quirk("Fireworks", (_choice(delta={"content": "Hi."}, logprobs={"content": []}), *_END), "Hi."),
    "citations": Quirk("Perplexity", ({**_delta("Hi [1]."), "citations": ["https://e.example"]}, *_END), "Hi [1]."),
}

_ENDS = {
    "no-done": Quirk("Gemini", (_HI, _STOP), "Hi."),
    "no-finish-reason": Quirk("old proxies", (_HI, _DONE), "Hi."),
    "no-end-at-all": Quirk("old llama.cpp, gateways", (_HI,), "Hi."),
    "finish-with-text": Quirk("Gemini, Mistral", (_delta("Hi"), _delta(".", finish="stop"), _DONE), "Hi."),
    "empty-finish-reason": Quirk("gateways", (_ended(_delta("Hi"), ""), _ended(_delta("."), ""), *_END), "Hi."),
    "null-as-text-finish-reason": Quirk(
        "DashScope", (_ended(_delta("Hi"), "null"), _ended(_delta("."), "null"), *_END), "Hi."
    ),
    "finish-eos": Quirk("Together, Anthropic gateways", (_HI, _delta(finish="eos"), _DONE), "Hi."),
}

_CONTENT = {
    "list-of-parts": Quirk("Mistral", (_delta(_thinking("Hm.")), _delta(_part("text", text="Hi.")), *_END), "Hi."),
    "parts-then-texts": Quirk(
        "Magistral", (_delta(_thinking("Hm,")), _delta(_part("text", text="Good")), *_texts(" morning."), *_END),
        "Good morning.",
    ),
    "both-in-one-list": Quirk("Mistral", (_delta(_thinking("Hm.") + _part("text", text="Hi.")), *_END), "Hi."),
    "empty-list": Quirk("Mistral", (_delta([]), _HI, *_END), "Hi."),
    "reference-part": Quirk(
        "Mistral", (_delta("Good"), _delta(_part("reference", reference_ids=[1])), _delta(" day."), *_END), "Good day."
    ),
    "message-for-delta": Quirk(
        "caches, LM Studio",
        (_choice(message={"role": "assistant", "content": "Hi."}, finish_reason="stop"), _DONE),
        "Hi.",
    ),
    "message-grows": Quirk(
        "DashScope", (_choice(message={"content": "Good"}), _choice(message={"content": "Good day."}), *_END),
        "Good day.",
    ),
    "repeated-whole": Quirk(
        "Perplexity", (_choice(delta={"content": "Hi."}, message={"content": "Hi."}), *_END), "Hi."
    ),
    "text-for-delta": Quirk("llama.cpp", (_choice(text="Hi.", finish_reason="stop"), _DONE), "Hi."),
    "reasoning-content": Quirk("DeepSeek, vLLM", (_delta(reasoning_content="Hm.", content=None), _HI, *_END), "Hi."),
    "reasoning-details": Quirk(
        "OpenRouter, Groq", (_delta("", reasoning="Hm.", reasoning_details=[{"type": "x"}]), _HI, *_END), "Hi."
    ),
    "think-tags": Quirk("Ollama, llama.cpp", (*_texts("<think>", "Hm.", "</think>", "Hi."), *_END), "Hi."),
    "think-tags-cut": Quirk("SGLang", (*_texts("<th", "ink>Hm.</", "thi", "nk>\n\nHi", "."), *_END), "Hi."),
    "thinking-tags": Quirk("Anthropic gateways", (*_texts("<thinking>Hm.</thin", "king>Hi."), *_END), "Hi."),
    "thought-tags": Quirk("Gemini", (_delta("<thought>Hm.</thought>"), _HI, *_END), "Hi."),
    "think-end-only": Quirk("vLLM with DeepSeek-R1", (*_texts("</think>", "\n\nHi."), *_END), "Hi."),
    "harmony-channels": Quirk(
        "gpt-oss without a parser",
        (
            *_texts("<|channel|>ana", "lysis<|message|>Hm.<|end|><|start|>assistant<|chan"),
            *_texts("nel|>final<|message|>Hi", ".<|return|>"), *_END,
        ),
        "Hi.",
    ),
    "end-token": Quirk("llama.cpp, LM Studio", (*_texts("Hi.", "<|im_end|>"), *_END), "Hi."),
    "end-token-cut": Quirk("llama.cpp", (*_texts("Hi.", "<|eot", "_id", "|>"), *_END), "Hi."),
    "next-turn": Quirk("base models", (*_texts("Hi.<|im_end|>\n<|im_start|>user\nAnd", " you?"), *_END), "Hi."),
    "leading-newline": Quirk("Llama 3 by Together", (*_texts("\n\n", "Hi."), *_END), "Hi."),
    "half-surrogates": Quirk(
        "Ollama, gateways",
        (
            '{"choices":[{"index":0,"delta":{"content":"Hi \\ud83d"}}]}',
            '{"choices":[{"index":0,"delta":{"content":"\\ude00."}}]}', *_END,
        ),
        "Hi \U0001f600.",
    ),
    "lone-surrogate": Quirk(
        "gateways", ('{"choices":[{"index":0,"delta":{"content":"Hi\\ud83d"}}]}', *_texts("."), *_END), "Hi."
    ),
    "replacement-characters": Quirk("vLLM, TGI", (*_texts("Hi\ufffd", "\ufffd."), *_END), "Hi."),
    "nul": Quirk("llama.cpp", (_delta("Hi\u0000."), *_END), "Hi."),
}  # fmt: skip

_FUNCTIONS = {
    "call-in-one-chunk": Quirk("Ollama, Gemini", (_delta("", tool_calls=[_call()]), _CALLED, _DONE), calls=1),
    "call-and-stop": Quirk("Gemini, Ollama", (_calls(_call()), *_END), calls=1),
    "call-without-index": Quirk(
        "Gemini, Mistral", (_calls({k: v for k, v in _call().items() if k != "index"}), *_END), calls=1
    ),
    "call-without-id": Quirk("Gemini, llama.cpp", (_calls(_call(call_id="")), *_END), calls=1),
    "call-with-null-id": Quirk("vLLM", (_calls(_call(call_id=None)), *_END), calls=1),
    "one-index-for-two-calls": Quirk(
        "Gemini, Ollama", (_calls(_call()), _calls(_call(call_id="call_2")), *_END), calls=2
    ),
    "object-arguments": Quirk("Ollama, gateways", (_calls(_call(arguments={"a": 1})), *_END), calls=1),
    "null-arguments": Quirk("Mistral, gateways", (_calls(_call(arguments=None)), _CALLED, _DONE), calls=1),
    "empty-arguments": Quirk("OpenAI", (_calls(_call(arguments="")), _CALLED, _DONE), calls=1),
    "name-cut": Quirk("vLLM", (_calls(_call("look", "")), _calls(_PIECE), _CALLED, _DONE), calls=1),
    "name-repeated": Quirk(
        "DashScope", (_calls(_call(arguments='{"a"')), _calls(_call(arguments=": 1}")), _CALLED, _DONE), calls=1
    ),
    "null-calls": Quirk("Groq, vLLM", (_delta("Hi.", tool_calls=None), *_END), "Hi."),
    "no-calls": Quirk("vLLM, SGLang", (_delta("Hi.", tool_calls=[]), *_END), "Hi."),
    "function-call": Quirk(
        "old Azure, gateways",
        (_delta(function_call={"name": FUNCTION, "arguments": "{}"}), _delta(finish="function_call"), _DONE),
        calls=1,
    ),
    "hermes-call": Quirk("vLLM without a parser, Ollama", (_delta(_HERMES), *_END), calls=1),
    "hermes-call-cut": Quirk("llama.cpp", (*_texts(*_HERMES_CUT), *_END), calls=1),
    "qwen-coder-call": Quirk(
        "vLLM with Qwen3-Coder",
        (
            *_texts(f"<tool_call>\n<function={FUNCTION}>\n<parameter=city>\nParis\n</parameter>\n"),
            *_texts("</function>\n</tool_call>"), *_END,
        ),
        calls=1,
    ),
    "llama-call": Quirk(
        "vLLM, Together",
        (*_texts("<|python_tag|>", f'{{"name": "{FUNCTION}", "parameters": {{}}}}', "<|eom_id|>"), *_END),
        calls=1,
    ),
    "llama-function-tag": Quirk("Groq", (*_texts(f"<function={FUNCTION}>", "{}</function>"), *_END), calls=1),
    "llama-bare-call": Quirk(
        "Ollama with Llama 3.2", (*_texts('{"name": ', f'"{FUNCTION}", "parameters": {{}}', "}"), *_END), calls=1
    ),
    "mistral-calls": Quirk(
        "vLLM", (_delta(f'[TOOL_CALLS][{{"name": "{FUNCTION}", "arguments": {{}}}}]'), *_END), calls=1
    ),
    "mistral-args": Quirk("vLLM", (*_texts(f"[TOOL_CALLS]{FUNCTION}[ARGS]", "{}"), *_END), calls=1),
    "harmony-call": Quirk(
        "gpt-oss without a parser",
        (_delta(f"<|channel|>commentary to=functions.{FUNCTION} <|constrain|>json<|message|>{{}}<|call|>"), *_END),
        calls=1,
    ),
}  # fmt: skip

_FAILURES = {
    "empty": Quirk("Gemini, Groq, Ollama", (_delta("", role="assistant"), *_END), fails=_EMPTY),
    "only-spaces": Quirk("small models", (*_texts("  ", "\n\n"), *_END), fails=_EMPTY),
    "only-reasoning": Quirk("Ollama with Qwen3", (*_texts("<think>", "Hm.", "</think>"), *_END), fails=_EMPTY),
    "only-audio": Quirk("gpt-4o-audio", (_delta(audio={"transcript": "Hi."}), *_END), fails=_EMPTY),
    "calls-none": Quirk("SGLang", (_delta(tool_calls=[]), _CALLED, _DONE), fails=_EMPTY),
    "refusal": Quirk(
        "OpenAI, Azure", (_delta(refusal="I cannot"), _delta(refusal=" help with that."), *_END),
        "I cannot help with that.", fails="refused to answer",
    ),
    "filtered": Quirk("Azure, Gemini", (_delta("Well,"), _delta(finish="content_filter"), _DONE), "Well,",
                      fails="stopped by a content filter"),
    "filtered-at-once": Quirk("Azure", (_delta(finish="content_filter"), _DONE), fails="stopped by a content filter"),
    "error-chunk": Quirk(
        "OpenRouter, vLLM", (_delta("Well,"), {"error": {"message": "Rate limit", "code": 429}}), "Well,", fails=_BROKEN
    ),
    "error-in-choice": Quirk(
        "OpenRouter",
        (_delta("Well,"), _choice(delta={"content": ""}, finish_reason="error", error={"code": 502, "message": "x"})),
        "Well,", fails=_BROKEN,
    ),
    "error-event": Quirk(
        "Groq, Mistral", (_delta("Well,"), b'event: error\ndata: {"error":{"message":"x","status_code":400}}\n\n'),
        "Well,", fails=_BROKEN,
    ),
    "error-object": Quirk(
        "Mistral, vLLM", (_delta("Well,"), {"object": "error", "message": "Internal", "code": 500}), "Well,",
        fails=_BROKEN,
    ),
    "bare-detail": Quirk("FastAPI proxies", (_delta("Well,"), {"detail": "upstream lost"}), "Well,", fails=_BROKEN),
    "lines-of-json": Quirk(
        "Ollama's own API", (b'{"message":{"content":"Hi."},"done":true}\n',), fails="broke off"
    ),
}  # fmt: skip

QUIRKS: Final[Mapping[str, Quirk]] = {**_FRAMES, **_ENDS, **_CONTENT, **_FUNCTIONS, **_FAILURES}
"""The quirks by name."""
