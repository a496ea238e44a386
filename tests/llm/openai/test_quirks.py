"""The quirks of servers: each is said, called, or told as an error, however its bytes are cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from voicepipe.events import FunctionCalled
from voicepipe.llm.errors import LlmError
from voicepipe.llm.openai.stream import Answer
from voicepipe.testing.servers.quirks import FUNCTION, QUIRKS, Quirk


def read(events: Iterable[bytes]) -> tuple[str, list[str], str]:
    """Return what an answer says, the names that it calls, and its error."""
    answer, text, calls, error = Answer("there", max_event_bytes=10**6, functions=[FUNCTION]), "", list[str](), ""
    try:
        for data in events:
            for said in answer.feed(data):
                text += said if isinstance(said, str) else ""
                calls += [said.call.name] if isinstance(said, FunctionCalled) else []
        if not answer.complete:
            text += "".join(said for said in answer.finish() if isinstance(said, str))
    except LlmError as failed:
        error = str(failed)
    return text.rstrip(), calls, error


def expect(quirk: Quirk, events: Iterable[bytes]) -> None:
    text, calls, error = read(events)
    assert (text, calls) == (quirk.text, [FUNCTION] * quirk.calls)
    assert quirk.fails in error if quirk.fails else not error
    text.encode()


@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_is_read_as_it_is_meant(name: str) -> None:
    """By the table."""
    expect(QUIRKS[name], QUIRKS[name].events())


@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_is_read_byte_by_byte(name: str) -> None:
    """A connection may cut anywhere."""
    whole = b"".join(QUIRKS[name].events())
    expect(QUIRKS[name], (whole[at : at + 1] for at in range(len(whole))))


def test_the_table_has_the_quirks_that_were_tried() -> None:
    """67 were tried against other voice systems."""
    assert len(QUIRKS) >= 67
