"""The quirks of servers over real sockets, in virtual time: the client against the fake server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_llm import options_for

from voicepipe.conversation import Conversation
from voicepipe.engine.http import Http
from voicepipe.events import Function, FunctionCalled, Generation, StageFailed
from voicepipe.llm.errors import LlmError, LlmFiltered, LlmSaidNothing
from voicepipe.llm.openai.client import OpenAiLlm
from voicepipe.stage import StageError
from voicepipe.testing import Marbles
from voicepipe.testing.servers import LlmServer
from voicepipe.testing.servers.quirks import QUIRKS

HI = Conversation("Be brief.", generation=Generation((Function("weather"),))).user_said("hi")


class Bench:
    """A service with a quirk, and the one LLM that asks it."""

    def __init__(self, marbles: Marbles, server: LlmServer, http: Http) -> None:
        self.marbles, self.server = marbles, server
        options = options_for(server.url, max_tokens=200, first_text_s=5, next_text_s=1)
        self.llm = OpenAiLlm(options, http.session)

    def ask(self, quirk: str | None) -> tuple[str, list[str], LlmError | None]:
        """Return the spoken text, the names of the called functions, and the error."""
        self.server.quirk = None if quirk is None else QUIRKS[quirk]
        got = self.marbles.record(self.llm(HI))
        text = "".join(one.value for one in got if isinstance(one.value, str))
        calls = [one.value.call.name for one in got if isinstance(one.value, FunctionCalled)]
        failed = next((one.value for one in got if isinstance(one.value, StageError | StageFailed)), None)
        cause = failed.error if isinstance(failed, StageFailed) else failed and failed.cause
        assert cause is None or isinstance(cause, LlmError)
        return text.rstrip(), calls, cause


@pytest.fixture
def bench(marbles: Marbles) -> Iterator[Bench]:
    """The client session is closed at the end, and then the service: what is left would be a leak."""
    server, http = LlmServer(first_token_s=0.1, token_s=0.02), Http(keep_alive_s=300, resolve_every_s=10)
    marbles.loop.run(server.start())
    yield Bench(marbles, server, http)
    marbles.loop.run(http.close())
    marbles.loop.run(server.stop())


NAME_IS_CUT = ("name-cut", "hermes-call-cut")
"""There the fake server cannot put the offered function's name in."""


@pytest.mark.parametrize("name", [name for name in QUIRKS if name not in NAME_IS_CUT])
def test_a_quirk_is_read_as_it_is_meant(bench: Bench, name: str) -> None:
    """An offered function is called, and an answer that is none is an error."""
    quirk = QUIRKS[name]
    text, calls, error = bench.ask(name)
    assert (text, calls) == (quirk.text, ["weather"] * quirk.calls)
    assert quirk.fails in str(error) if quirk.fails else error is None


@pytest.mark.parametrize("name", ["empty", "only-spaces", "only-reasoning", "only-audio", "calls-none"])
def test_an_empty_answer_is_asked_for_once_more(bench: Bench, name: str) -> None:
    """Then it is an error that says what was in it."""
    _, _, error = bench.ask(name)
    assert isinstance(error, LlmSaidNothing)
    assert error.user_message == "The language model (LLM) gave an empty answer."
    assert error.detail in ("nothing in it", "only spaces", "only reasoning")
    assert len(bench.server.requests) == 2


def test_a_refusal_is_said_and_not_asked_for_again(bench: Bench) -> None:
    """Its words are for the user, and the reason is in the error."""
    text, _, error = bench.ask("refusal")
    assert text == "I cannot help with that."
    assert isinstance(error, LlmFiltered)
    assert error.detail == "I cannot help with that."
    assert len(bench.server.requests) == 1


def test_a_model_that_begins_with_reasoning_is_known_after_one_answer(bench: Bench) -> None:
    """Of its later answers the reasoning is not said; a model that stops doing so is heard again."""
    assert bench.ask("think-end-only")[0] == "Hi."
    assert bench.ask("think-end-only")[0] == "Hi."
    assert bench.ask("role-only-first")[0] == "Hi."
    assert bench.ask("finish-with-text")[0] == "Hi."
