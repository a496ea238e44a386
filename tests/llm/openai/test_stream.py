"""The bytes of an answer, and the meaning of a refusal."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.events import FunctionCalled, TokensCounted
from voicepipe.llm.errors import LlmError, LlmGarbled, LlmSaidNothing
from voicepipe.llm.openai.refusals import KIND
from voicepipe.llm.openai.stream import Answer
from voicepipe.services.openai.refusals import refusal, retry_after_s


def stream(deltas: list[str]) -> bytes:
    chunks: list[object] = [{"choices": [{"delta": {"content": delta}}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}})
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"


# Without the beginnings of markers, and the characters that are removed.
letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<[{\ufffd\ufeff◁")


@given(st.lists(st.text(letters, max_size=10), max_size=6), st.lists(st.integers(0, 5000), max_size=20))
def test_any_cut_of_the_bytes_gives_the_same_deltas(deltas: list[str], places: list[int]) -> None:
    """The text, the end and the count, letter for letter; an answer without a letter is an error."""
    whole = stream(deltas)
    edges = [0, *sorted(place % len(whole) for place in places), len(whole)]
    answer, said = Answer("here", max_event_bytes=10_000), list[object]()
    try:
        for a, b in pairwise(edges):
            said.extend(answer.feed(whole[a:b]))
    except LlmSaidNothing:
        assert not "".join(deltas).strip()
        return
    assert "".join(map(str, said)) == "".join(deltas).lstrip()
    assert len(said) <= len(deltas)
    assert answer.complete
    assert answer.usage == TokensCounted(5, 3)


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
        error = refusal(KIND, "here", status, {"Retry-After": wait}, said, model="m", models=None)
        assert str(error).startswith("The language model (LLM) at here ")


def test_a_date_is_read_against_the_servers_own_clock() -> None:
    """Ours may be wrong."""
    headers = {"Retry-After": "Sun, 22 Nov 2026 10:00:07 GMT", "Date": "Sun, 22 Nov 2026 10:00:05 GMT"}
    assert retry_after_s(headers) == 2
    assert retry_after_s({"Retry-After": headers["Retry-After"]}) is None
    assert retry_after_s({**headers, "Retry-After": "soon"}) is None
    assert retry_after_s({"Retry-After": "-3"}) == 0
    assert retry_after_s({"Retry-After": "nan"}) is None


def test_a_model_that_begins_with_reasoning_is_known_after_its_first_answer() -> None:
    """Its chat template writes the tag, so that only the end of the reasoning is in the answer."""
    whole = stream(["Hm, a greeting.", "</think>", "Hi."])
    first = Answer("here", max_event_bytes=10_000)
    assert "".join(map(str, first.feed(whole))) == "Hm, a greeting.Hi."
    assert first.begins_with_reasoning
    second = Answer("here", max_event_bytes=10_000, reasoning_first=True)
    assert list(second.feed(whole)) == ["Hi."]
    third = Answer("here", max_event_bytes=10_000, reasoning_first=True)
    assert list(third.feed(stream(["Hi", " there."]))) == ["Hi there."]
    assert third.begins_with_reasoning is False


def test_a_written_call_is_text_where_no_function_was_offered() -> None:
    """The model may speak about calls; its end tokens are not said all the same."""
    text = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    answer = Answer("here", max_event_bytes=10_000, functions=[])
    assert "".join(map(str, answer.feed(stream([text, "<|im_end|>"])))) == text


def test_a_json_answer_is_text_where_it_calls_nothing_that_was_offered() -> None:
    """Without a marker only a known name is a call."""
    for text in ('{"name": "Ada", "arguments": {}}', '{"age": 3}', "[1] and [2]", '{"name": "f", '):
        answer = Answer("here", max_event_bytes=10_000, functions=["f"])
        assert "".join(map(str, answer.feed(stream([text])))) == text.rstrip() + text[len(text.rstrip()) :]


def test_a_written_call_that_cannot_be_read_is_an_error() -> None:
    """It is not spoken, and not dropped in silence."""
    for text in ("<tool_call>Well</tool_call>", "[TOOL_CALLS]", '<|python_tag|>{"name": 3}'):
        with pytest.raises(LlmGarbled):
            list(Answer("here", max_event_bytes=10_000, functions=["f"]).feed(stream([text])))


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (
            '<tool_call>{"name":"f","arguments":{}}</tool_call>\n<tool_call>{"name":"g","arguments":{}}</tool_call>',
            "fg",
        ),
        ('<|tool_call|>[{"name":"f","arguments":{"a":1}},{"name":"g","arguments":{}}]', "fg"),
        ('<|python_tag|>{"name":"f","parameters":{}}; {"name":"g","parameters":{}}', "fg"),
        ('{"name":"f","parameters":{}}; {"name":"g","parameters":{}}', "fg"),
        ('[{"name":"f","parameters":{}},{"name":"g","parameters":{}}]', "fg"),
        ('{"type":"function","function":{"name":"f","arguments":"{}"}}', "f"),
        ("[TOOL_CALLS]f[ARGS]{}[TOOL_CALLS]g[ARGS]{}", "fg"),
        ("[TOOL_CALLS]f[CALL_ID]x1[ARGS]{}", "f"),
        ('<function=f>{"a": "<b>"}</function>', "f"),
        ('<tool_call>{"name":"f","arguments":{}}', "f"),
    ],
)
def test_calls_in_the_forms_of_chat_templates(text: str, calls: str) -> None:
    """Each call is called, and nothing of it is said."""
    answer = Answer("here", max_event_bytes=10_000, functions=["f", "g"])
    said = list(answer.feed(stream([text])))
    names = [one.call.name for one in said if isinstance(one, FunctionCalled)]
    assert names == list(calls)
    assert not any(isinstance(one, str) for one in said)
