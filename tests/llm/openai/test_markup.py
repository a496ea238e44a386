"""Markup in a model's text, and the part that is spoken."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.llm.openai.markup import Markup
from voicepipe.llm.openai.written_calls import WrittenCall

TALKS = [
    ("<think>Hm.</think>Hi.", "Hi."),
    ("<THINK>Hm.</Think>\n\nHi.", "Hi."),
    ("<seed:think>Hm.</seed:think>Hi.", "Hi."),
    ("[THINK]Hm.[/THINK]Hi.", "Hi."),
    ("◁think▷Hm.◁/think▷Hi.", "Hi."),
    ("One. <think>Hm.</think>Two.", "One. Two."),
    ("<think>Hm.", ""),
    ("a < b, b > c and [1]", "a < b, b > c and [1]"),
    ("<|im_start|>assistant\nHi.<|im_end|>", "Hi."),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nHi.<|eot_id|>", "Hi."),
    ("Hi.</s>[INST] And you? [/INST]", "Hi.[INST] And you? "),
    ("<|channel|>commentary<|message|>Wait.<|end|><|start|>assistant<|channel|>final<|message|>Hi.", "Wait.Hi."),
    ("<|channel|>analysis<|message|>Hm.", ""),
]


@pytest.mark.parametrize(("text", "said"), TALKS)
def test_reasoning_and_tokens_are_not_said(text: str, said: str) -> None:
    """In the forms of the models."""
    assert read(text) == [said] or (said, read(text)) == ("", [])


@given(st.sampled_from([text for text, _ in TALKS]), st.lists(st.integers(0, 90), max_size=9))
def test_any_cut_is_read_in_the_same_way(text: str, places: list[int]) -> None:
    """Byte by byte, too."""
    edges = sorted({0, len(text), *(place for place in places if place < len(text))})
    assert read(*(text[a:b] for a, b in pairwise(edges))) == read(text)


def read(*pieces: str) -> list[str | WrittenCall]:
    markup, out = Markup(["f"], reasoning_first=False), list[str | WrittenCall]()
    for said in [*(said for piece in pieces for said in markup.feed(piece)), *markup.finish()]:
        if isinstance(said, str) and out and isinstance(out[-1], str):
            out[-1] += said
        else:
            out.append(said)
    return out


def test_an_answer_that_is_cut_has_no_half_call() -> None:
    """Reasoning is not spoken either."""
    markup = Markup(["f"], reasoning_first=False)
    assert list(markup.feed('<tool_call>{"name": "f"')) == list(markup.finish(cut=True)) == []
    thinking = Markup(["f"], reasoning_first=True)
    assert list(thinking.feed("Hm, the user")) == list(thinking.finish(cut=True)) == []


def test_a_model_that_reasons_without_a_tag_and_then_with_one() -> None:
    """The tag that it writes itself counts."""
    markup = Markup([], reasoning_first=True)
    said = [said for piece in ("<think>", "Hm.", "</think>", "Hi.") for said in markup.feed(piece)]
    assert said == ["Hi."]
