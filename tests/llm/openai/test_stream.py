"""What the bytes of an answer say, and what a refusal means."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.llm.errors import LlmError
from voicepipe.llm.openai.stream import Answer, Usage, refusal, retry_after_s


def stream(deltas: list[str]) -> bytes:
    chunks: list[object] = [{"choices": [{"delta": {"content": delta}}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}})
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"


@given(st.lists(st.text(max_size=10), max_size=6), st.lists(st.integers(0, 5000), max_size=20))
def test_any_cut_of_the_bytes_gives_the_same_deltas(deltas: list[str], places: list[int]) -> None:
    """The text, the end and the count, letter for letter."""
    whole = stream(deltas)
    edges = [0, *sorted(place % len(whole) for place in places), len(whole)]
    answer = Answer("here", max_event_bytes=10_000)
    said = [text for a, b in pairwise(edges) for text in answer.feed(whole[a:b])]
    assert said == [delta for delta in deltas if delta]
    assert answer.complete
    assert answer.usage == Usage(5, 3)


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_no_bytes_raise_anything_but_an_llm_error(chunks: list[bytes], framed: bool) -> None:
    """Whatever a service sends."""
    answer = Answer("here", max_event_bytes=100)
    try:
        for chunk in chunks:
            list(answer.feed(b"data: " + chunk + b"\n\n" if framed else chunk))
        list(answer.finish())
    except LlmError:
        pass


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "function", "error", "usage", "code", "finish_reason"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_json_raises_anything_but_an_llm_error(value: object) -> None:
    """Shapes that nobody has thought of are nonsense, not crashes."""
    try:
        said = list(Answer("here", max_event_bytes=10_000).feed(f"data: {json.dumps(value)}\n\n".encode()))
    except LlmError:
        return
    assert all(said)


@given(st.binary(max_size=40), json_values, st.integers(100, 599), st.text(max_size=5))
def test_every_refusal_is_an_error_with_a_sentence(body: bytes, value: object, status: int, wait: str) -> None:
    """Whatever is in the body and the headers."""
    for said in (body, json.dumps(value).encode()):
        error = refusal("here", status, {"Retry-After": wait}, said, model="m", models=None)
        assert str(error).startswith("The language model (LLM) at here ")


def test_a_date_is_read_against_the_servers_own_clock() -> None:
    """Ours may be wrong."""
    headers = {"Retry-After": "Sun, 22 Nov 2026 10:00:07 GMT", "Date": "Sun, 22 Nov 2026 10:00:05 GMT"}
    assert retry_after_s(headers) == 2
    assert retry_after_s({"Retry-After": headers["Retry-After"]}) is None
    assert retry_after_s({**headers, "Retry-After": "soon"}) is None
    assert retry_after_s({"Retry-After": "-3"}) == 0
    assert retry_after_s({"Retry-After": "nan"}) is None
