"""Function calls, as services really write them: the shapes are those of their answers, their bugs among them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from voicepipe.events import Function, FunctionCall, FunctionCalled, FunctionCallWritten, Generation, MaxTokensReached
from voicepipe.llm.errors import LlmError, LlmGarbled
from voicepipe.llm.openai.stream import Answer
from voicepipe.llm.openai.tool_calls import Calls, NotACall, Said, offered
from voicepipe.testing.servers.chat_rules import check

Delta = dict[str, Any]


def piece(name: Any = None, arguments: Any = None, **more: Any) -> Delta:
    """One piece of a call; what is None is not in it."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**more, "function": function}


def answer(*deltas: Delta | None, finish: str | None = "tool_calls", done: bool = True) -> bytes:
    """A stream of these deltas; `finish` stands in a chunk of its own, as OpenAI has it."""
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if finish is not None:
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    chunks = [{"id": "1", "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
    return events(*chunks) + (b"data: [DONE]\n\n" if done else b"")


def events(*chunks: Any) -> bytes:
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks)


def pieces(*calls: Delta) -> Delta:
    return {"tool_calls": list(calls)}


def said(stream: bytes) -> list[Said]:
    reading = Answer("here", max_event_bytes=100_000)
    heard = list(reading.feed(stream))
    assert reading.complete
    return heard


def calls(stream: bytes) -> list[tuple[str, str, str]]:
    """Id, name and arguments of those that are complete; what was written of each before is the same."""
    heard = said(stream)
    done = [one.call for one in heard if isinstance(one, FunctionCalled)]
    for call in done:
        written = [one for one in heard if isinstance(one, FunctionCallWritten) and one.id == call.id]
        assert {one.name for one in written} == {call.name}
        assert ("".join(one.delta for one in written) or "{}") == call.arguments
    return [(call.id, call.name, call.arguments) for call in done]


PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'


# ---- as they write them ----------------------------------------------------------------------------------------------


def test_openai() -> None:
    """Text, then a call that is named once and numbered, its arguments in pieces of a token, then the next."""
    stream = answer(
        {"role": "assistant", "content": None},
        {"content": "Let me look."},
        pieces(piece("weather", "", index=0, id="call_8aXo", type="function")),
        *(pieces(piece(arguments=part, index=0)) for part in ('{"', "city", '":"', "Paris", '"}')),
        pieces(piece("weather", "", index=1, id="call_Hq2s", type="function")),
        pieces(piece(arguments=ROME, index=1)),
    )
    assert calls(stream) == [("call_8aXo", "weather", PARIS), ("call_Hq2s", "weather", ROME)]
    heard = said(stream)
    assert heard[:3] == [
        "Let me look.",
        FunctionCallWritten("call_8aXo", "weather", ""),
        FunctionCallWritten("call_8aXo", "weather", '{"'),
    ]
    assert heard.index(FunctionCalled(FunctionCall("call_8aXo", "weather", PARIS))) == 7  # before the next is begun


def test_vllm() -> None:
    """An empty id, or null for a name, in later pieces; the end of the arguments in the chunk that ends the answer; a
    call without arguments has none."""
    last = {"index": 0, "delta": pieces(piece(None, ':"Rome"}', index=1, id="")), "finish_reason": "tool_calls"}
    stream = answer(
        {"role": "assistant", "content": ""},
        pieces({"id": "chatcmpl-tool-c9ZC", "type": "function", "index": 0, "function": {"name": "now"}}),
        pieces({"index": 1, "id": "chatcmpl-tool-HfzZ", "function": {"name": "weather", "arguments": None}}),
        pieces({"index": 1, "id": "", "function": {"name": None, "arguments": '{"city"'}}),
        finish=None,
        done=False,
    )
    assert calls(stream + events({"choices": [last]}) + b"data: [DONE]\n\n") == [
        ("chatcmpl-tool-c9ZC", "now", "{}"),
        ("chatcmpl-tool-HfzZ", "weather", ROME),
    ]


def test_vllm_where_all_calls_have_one_index() -> None:
    """As its parsers had it for some models; so has NVIDIA's Dynamo."""
    assert calls(
        answer(
            pieces(piece("weather", "", index=0, id="chatcmpl-tool-c9ZC")),
            pieces(piece(None, PARIS, index=0, id="")),
            pieces(piece("weather", "", index=0, id="chatcmpl-tool-HfzZ")),
            pieces(piece(None, ROME, index=0, id="")),
        )
    ) == [("chatcmpl-tool-c9ZC", "weather", PARIS), ("chatcmpl-tool-HfzZ", "weather", ROME)]


def test_sglang_and_lmdeploy() -> None:
    """The id with each piece, and it is only the number of the call."""
    assert calls(
        answer(
            pieces(piece("weather", "", index=0, id="0")),
            pieces(piece(None, PARIS, index=0, id="0")),
            pieces(piece("weather", "", index=0, id="1")),
            pieces(piece(None, ROME, index=0, id="1")),
        )
    ) == [("0", "weather", PARIS), ("1", "weather", ROME)]


def test_llama_cpp() -> None:
    """As OpenAI, behind an empty text; older ones repeat the name with each piece, and have the id elsewhere."""
    assert calls(
        answer(
            {"role": "assistant", "content": None},
            pieces(piece("weather", "{", index=0, id="fIhrMeKdPBWg", type="function")),
            pieces(piece(None, '"city":', index=0)),
            pieces(piece(None, '"Paris"}', index=0)),
        )
    ) == [("fIhrMeKdPBWg", "weather", PARIS)]
    old = [{"index": 0, "function": {"id": "x", "name": "weather", "arguments": part}} for part in ("{", "}")]
    ((call_id, name, arguments),) = calls(answer(*map(pieces, old)))
    assert (call_id[:5], name, arguments) == ("call_", "weather", "{}")


def test_ollama() -> None:
    """Each call in one piece, numbered; some versions have 0 for all, older ones no number."""
    first, second = piece("weather", PARIS, id="call_zcs6n6", type="function"), piece("now", "{}", id="call_4qpq")
    expected = [("call_zcs6n6", "weather", PARIS), ("call_4qpq", "now", "{}")]
    for numbers in ((0, 1), (0, 0), (None, None)):
        numbered = [
            {**one, "index": at} if at is not None else one for one, at in zip((first, second), numbers, strict=True)
        ]
        apart = [{"role": "assistant", "content": "", "tool_calls": [one]} for one in numbered]
        assert calls(answer(*apart, {"role": "assistant", "content": ""})) == expected
        assert calls(answer({"role": "assistant", "content": "", "tool_calls": numbered}, finish="stop")) == expected


def test_mistral() -> None:
    """Everything in the chunk that ends the answer."""
    done = {
        "content": "",
        **pieces(piece("weather", PARIS, id="D681PevKs", index=0), piece("now", "{}", id="x", index=1)),
    }
    chunk = {"choices": [{"index": 0, "delta": done, "finish_reason": "tool_calls"}], "usage": {"total_tokens": 9}}
    start = answer({"role": "assistant", "content": ""}, finish=None, done=False)
    assert calls(start + events(chunk) + b"data: [DONE]\n\n") == [("D681PevKs", "weather", PARIS), ("x", "now", "{}")]


def test_gemini() -> None:
    """No number; a signature, which it wants to read again with the call, there or in a piece of its own; and the
    answer ends as any other."""
    signed = {"extra_content": {"google": {"thought_signature": "EjQK"}}}
    first = {**piece("weather", PARIS, id="call_297140", type="function"), **signed}
    second = piece("weather", ROME, id="call_297141", type="function")
    stream = answer({"role": "assistant", **pieces(first)}, pieces(second), finish="stop")
    assert calls(stream) == [("call_297140", "weather", PARIS), ("call_297141", "weather", ROME)]
    one, other = [heard.call for heard in said(stream) if isinstance(heard, FunctionCalled)]
    assert (one.extra, other.extra) == (signed, {})
    start, end = {**piece("now", "{", id="x"), **signed}, piece(None, "}")
    assert said(answer(pieces(start), pieces(end), finish="stop"))[-1] == FunctionCalled(
        FunctionCall("x", "now", "{}", signed)
    )
    alone = answer(pieces(piece("now", "{}", id="x")), pieces(signed), finish="stop")
    assert said(alone)[-1] == FunctionCalled(FunctionCall("x", "now", "{}", signed))


def test_gemini_without_ids() -> None:
    """Each call gets one of ours; where a name comes again behind whole arguments, it is another call."""
    same = calls(answer(pieces(piece("weather", PARIS, id="")), pieces(piece("weather", ROME, id="")), finish="stop"))
    assert [call[1:] for call in same] == [("weather", PARIS), ("weather", ROME)]
    assert len({call_id for call_id, *_ in same}) == 2
    other = calls(answer(pieces(piece("now", ""), piece("weather", "{}")), finish="stop"))
    assert [call[1:] for call in other] == [("now", "{}"), ("weather", "{}")]


def test_minimax() -> None:
    """The arguments are an object instead of a text."""
    stream = answer(pieces(piece("weather", {"city": "Zürich"}, index=0, id="1")))
    assert calls(stream) == [("1", "weather", '{"city": "Zürich"}')]


def test_one_id_for_two_calls() -> None:
    """Xinference, and some proxies: results could not be told apart, so that the second gets one of ours."""
    first, second = calls(
        answer(pieces(piece("weather", PARIS, index=0, id="call_1"), piece("weather", ROME, index=1, id="call_1")))
    )
    assert first == ("call_1", "weather", PARIS)
    assert second[0].startswith("call_")
    assert (second[0] != "call_1", second[1:]) == (True, ("weather", ROME))


# ---- where an answer ends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finish", ["tool_calls", "stop", "function_call", None])
@pytest.mark.parametrize("done", [True, False])
def test_whatever_the_end_is_called_the_last_call_is_complete(finish: str | None, done: bool) -> None:
    """By a reason to finish, by `[DONE]`, or by both."""
    if finish or done:
        stream = answer(pieces(piece("weather", PARIS, index=0, id="1")), finish=finish, done=done)
        assert calls(stream) == [("1", "weather", PARIS)]


def test_an_answer_that_breaks_off_has_not_called() -> None:
    """Nobody knows what would have come."""
    reading = Answer("here", max_event_bytes=10_000)
    heard = list(reading.feed(answer(pieces(piece("weather", PARIS, index=0, id="1")), finish=None, done=False)))
    assert heard == [FunctionCallWritten("1", "weather", PARIS)]
    with pytest.raises(LlmError, match="broke off in the middle of its answer"):
        list(reading.finish())


def test_an_answer_cut_at_its_length_says_so_behind_its_calls() -> None:
    """A call that was cut in its midst is none."""
    whole = pieces(piece("weather", PARIS, index=0, id="1"))
    call, limited = FunctionCalled(FunctionCall("1", "weather", PARIS)), MaxTokensReached()
    assert said(answer(whole, finish="length"))[1:] == [call, limited]
    half = pieces(piece("now", '{"city', index=1, id="2"))
    assert said(answer(whole, half, finish="length"))[1:] == [call, FunctionCallWritten("2", "now", '{"city'), limited]
    assert said(answer({"content": "It is"}, finish="length")) == ["It is", limited]


def test_what_comes_behind_the_end_is_ignored() -> None:
    """A second reason to finish, a call that is too late."""
    late = answer(pieces(piece("now", "{}", index=1, id="2")), finish="length")
    assert calls(answer(pieces(piece("weather", PARIS, index=0, id="1")), done=False) + late) == [
        ("1", "weather", PARIS)
    ]


def test_no_calls_are_none() -> None:
    """However it is written."""
    nothings: list[Delta] = [{"tool_calls": None}, {"tool_calls": []}, {"content": "", "tool_calls": []}]
    for nothing in nothings:
        assert said(answer(nothing, {"content": "Hi."}, finish="stop")) == ["Hi."]
    with pytest.raises(LlmError, match="gave an empty answer"):
        said(answer(pieces({"index": 0}, piece("", "", index=0)), finish="stop"))


# ---- what is no call -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        "weather",
        None,
        {"function": "weather"},
        {"function": ["weather"]},
        piece(3, "{}"),
        piece("weather", 3),
        piece("weather", ["Paris"]),
        piece(None, '{"city"'),
        piece("", '{"city"', index=0, id="1"),
    ],
)
def test_what_is_no_piece_of_a_call_is_garbled(wrong: Any) -> None:
    """The reply fails with what was sent, instead of calling something else."""
    with pytest.raises(NotACall):
        list(Calls().take(wrong))
    with pytest.raises(LlmGarbled, match="no part of a chat completion is"):
        said(answer({"tool_calls": [wrong]}))


def test_a_new_number_without_a_name_is_garbled() -> None:
    """The call before it is complete all the same."""
    reading, heard = Calls(), list[Said]()
    list(reading.take(piece("now", "{}", index=0, id="1")))
    with pytest.raises(NotACall):
        heard.extend(reading.take(piece(None, "{}", index=1)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "{}", '{"a":']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["index", "id", "function", "name", "arguments", "extra_content"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=examples(50))
@given(st.lists(json_values, max_size=5))
def test_whatever_is_sent_is_a_call_or_none(sent: list[Any]) -> None:
    """Nothing but NotACall comes out, and every call that does has a name and an id of its own."""
    reading, heard = Calls(), list[Said]()
    for one in sent:
        try:
            heard.extend(reading.take(one))
        except NotACall:
            break
    heard.extend(reading.finish())
    done = [one.call for one in heard if isinstance(one, FunctionCalled)]
    assert all(call.name and call.id and call.arguments for call in done)
    assert len({call.id for call in done}) == len(done)


# ---- however it is cut -----------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
functions = st.tuples(st.sampled_from(["weather", "now"]), st.dictionaries(texts, texts | st.integers(), max_size=2))


@st.composite
def written(draw: st.DrawFn) -> tuple[list[tuple[str, str, str]], bytes]:
    """Some calls, and a stream that holds them: by number or by id, in any pieces, with keep-alives between."""
    made = [
        (f"call_{at}", name, json.dumps(given))
        for at, (name, given) in enumerate(draw(st.lists(functions, max_size=3)))
    ]
    numbered, repeats_id = draw(st.booleans()), draw(st.booleans())
    deltas: list[Delta] = []
    for at, (call_id, name, arguments) in enumerate(made):
        index = {"index": at} if numbered else {}
        cuts = [0, *sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=4))), len(arguments)]
        for number, (start, stop) in enumerate(pairwise(cuts)):
            is_first = number == 0
            given_id = {"id": call_id} if is_first or repeats_id else {}
            deltas.append(pieces(piece(name if is_first else None, arguments[start:stop], **index, **given_id)))
            deltas.extend(draw(st.lists(st.sampled_from([{}, {"content": ""}, {"content": None}]), max_size=1)))
    return made, answer({"content": "Well."}, *deltas)


@settings(max_examples=examples(50))
@given(written(), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cut_of_the_stream_gives_the_same_calls(
    stream: tuple[list[tuple[str, str, str]], bytes], places: list[int]
) -> None:
    """And the same pieces of them."""
    made, whole = stream
    edges = [0, *sorted(place % len(whole) for place in places), len(whole)]
    reading = Answer("here", max_event_bytes=100_000)
    heard = [one for start, stop in pairwise(edges) for one in reading.feed(whole[start:stop])]
    assert heard == said(whole)
    assert calls(whole) == made


# ---- how functions are offered ---------------------------------------------------------------------------------------

LOOK = Function("look", "Look.", {"type": "object", "properties": {"at": {"type": "string"}}})


@pytest.mark.parametrize(
    ("generation", "fields"),
    [
        (Generation(), {}),
        (Generation(max_tokens=9, temperature=0.0), {"max_tokens": 9, "temperature": 0.0}),
        (Generation(choice="required", must_call="look"), {}),
        (Generation((LOOK,)), {"tool_choice": "auto"}),
        (Generation((LOOK,), choice="none"), {"tool_choice": "none"}),
        (Generation((LOOK,), must_call="look"), {"tool_choice": {"type": "function", "function": {"name": "look"}}}),
    ],
)
def test_functions_are_offered_as_openai_wants_them(generation: Generation, fields: dict[str, Any]) -> None:
    """And nothing where the client wishes nothing."""
    request = offered(generation)
    tools = request.pop("tools", None)
    assert request == fields
    assert (tools is not None) == bool(generation.functions)
    check({"messages": [{"role": "user", "content": "Hi."}], **offered(generation)})


def test_a_function_without_arguments_has_an_empty_object_of_them() -> None:
    """OpenAI takes no schema for one, others do not."""
    (tool,) = offered(Generation((Function("now"),)))["tools"]
    assert tool["function"] == {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}
