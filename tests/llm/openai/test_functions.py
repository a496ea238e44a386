"""An OpenAI-compatible service that is asked with functions, and calls them: over real sockets in virtual time, by a
server that refuses what OpenAI refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from examples import examples
from fake_llm import options_for
from hypothesis import given, settings
from hypothesis import strategies as some

from voicepipe.conversation import Conversation
from voicepipe.conversation.chat_prompt import NOTED
from voicepipe.engine.http import Http
from voicepipe.events import (
    Event,
    Function,
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    FunctionReturned,
    Generation,
    ItemCreated,
    ItemDeleted,
    MaxTokensReached,
    ReplyInterrupted,
    ReplyStarted,
    TokensCounted,
    TurnEnded,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.llm.errors import LlmError, LlmRefused, LlmTimeout, LlmUnavailable
from voicepipe.llm.history import latest, recent, whole
from voicepipe.llm.openai.client import OpenAiLlm
from voicepipe.stage import StageError
from voicepipe.testing import Marbles, Recorded
from voicepipe.testing.servers import Fails, LlmServer
from voicepipe.testing.servers.chat_rules import check

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER, TIME = Function("weather", "How warm it is.", CITY), Function("time")
PARIS = FunctionCall("c1", "weather", '{"city": "Paris"}')
ROME = FunctionCall("c2", "weather", '{"city": "Rome"}')
BOTH = Generation((WEATHER, TIME))
HI = Conversation("Be brief.", generation=BOTH).user_said("hi")


class Bench:
    """A service, and the one LLM that asks it."""

    def __init__(self, marbles: Marbles, server: LlmServer, http: Http) -> None:
        self.marbles, self.server, self.http = marbles, server, http
        self.options = options_for(server.url, max_tokens=50, first_text_s=2, next_text_s=1)

    def llm(self, **options: Any) -> OpenAiLlm:
        return OpenAiLlm(replace(self.options, **options), self.http.session)

    def ask(self, conversation: Conversation = HI, answer: Any = PARIS, **options: Any) -> list[Recorded]:
        """Return the items without their costs, each with its time; `answer` is the model's answer to "hi"."""
        self.server.answers = {"hi": answer}
        heard = self.marbles.record(self.llm(**options)(conversation))
        return [one for one in heard if not isinstance(one.value, TokensCounted)]

    def said(self, conversation: Conversation = HI, answer: Any = PARIS, **options: Any) -> list[Any]:
        """Return the items with the text in one piece, and the pieces of a call left out."""
        said: list[Any] = []
        for one in self.ask(conversation, answer, **options):
            if isinstance(one.value, str) and said and isinstance(said[-1], str):
                said[-1] += one.value
            elif one.kind == "next" and not isinstance(one.value, FunctionCallWritten):
                said.append(one.value)
        return said

    def asked(self, conversation: Conversation, **options: Any) -> dict[str, Any]:
        """Return the request to the service; it answers, so that the request was right."""
        self.said(conversation, [PARIS, FunctionCall("c2", "time")], **options)
        assert self.server.visits[-1].fails is None
        return self.server.requests[-1]

    def error(self, conversation: Conversation = HI, answer: Any = PARIS, **options: Any) -> LlmError:
        last = self.ask(conversation, answer, **options)[-1]
        assert isinstance(last.value, StageError)
        assert isinstance(last.value.cause, LlmError)
        return last.value.cause


@pytest.fixture
def bench(marbles: Marbles) -> Iterator[Bench]:
    """The client session is closed at the end, and then the service: what is left would be a leak."""
    server = LlmServer()
    marbles.loop.run(server.start())
    http = Http(keep_alive_s=300, resolve_every_s=10)
    yield Bench(marbles, server, http)
    marbles.loop.run(http.close())
    marbles.loop.run(server.stop())


def wanting(**wishes: Any) -> Conversation:
    return replace(HI, generation=replace(BOTH, **wishes))


# ---- what is asked ---------------------------------------------------------------------------------------------------


def test_functions_are_offered(bench: Bench) -> None:
    """Each with its schema; one without parameters takes an empty object. Without functions there is no word of it."""
    asked = bench.asked(HI)
    assert asked["tools"] == [
        {"type": "function", "function": {"name": "weather", "description": "How warm it is.", "parameters": CITY}},
        {
            "type": "function",
            "function": {"name": "time", "description": "", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    assert asked["tool_choice"] == "auto"
    assert {"tools", "tool_choice"} & bench.asked(replace(HI, generation=Generation())).keys() == set()


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"choice": "none"}, "none"),
        ({"choice": "required"}, "required"),
        ({"must_call": "time"}, {"type": "function", "function": {"name": "time"}}),
    ],
)
def test_what_must_be_called(bench: Bench, wish: dict[str, Any], told: Any) -> None:
    """In each of its forms; the service does as it is told."""
    assert bench.asked(wanting(**wish))["tool_choice"] == told
    calls = [one.call.name for one in bench.said(wanting(**wish), [PARIS, FunctionCall("c2", "time")])[-2:]
             if isinstance(one, FunctionCalled)]  # fmt: skip
    assert calls == {"none": [], "required": ["weather", "time"]}.get(str(told), ["time"])


@pytest.mark.parametrize(
    ("wish", "max_tokens", "temperature"),
    [
        ({}, 50, 0.3),
        ({"max_tokens": 20, "temperature": 1.5}, 20, 1.5),
        ({"max_tokens": 200, "temperature": 0}, 50, 0),  # as much as is configured at most
    ],
)
def test_how_the_client_wants_it(bench: Bench, wish: dict[str, Any], max_tokens: int, temperature: float) -> None:
    """Its wishes go before what is configured; the fields of the service before all."""
    asked = bench.asked(wanting(**wish))
    assert (asked["max_tokens"], asked["temperature"]) == (max_tokens, temperature)
    assert bench.asked(wanting(**wish), extra={"temperature": 0.9})["temperature"] == 0.9


def test_the_opening_may_call(bench: Bench) -> None:
    """With its own temperature, unless the client has a wish."""
    opening = replace(HI, messages=())
    assert (bench.asked(opening)["temperature"], len(bench.asked(opening)["tools"])) == (0.7, 2)
    assert bench.asked(replace(opening, generation=replace(BOTH, temperature=0.1)))["temperature"] == 0.1


def test_what_was_called_is_told_with_what_it_gave(bench: Bench) -> None:
    """In OpenAI's order; what has given nothing has a result, too, or nobody would answer."""
    talk = HI.bot_said("One moment.").bot_called(PARIS, server_side=True).bot_called(ROME).returned("c1", "21 °C")
    asked = bench.asked(talk.user_said("hi"))
    said, *results, noted, last = asked["messages"][2:]
    assert said["content"] == "One moment."
    assert [call["function"] for call in said["tool_calls"]] == [
        {"name": "weather", "arguments": PARIS.arguments},
        {"name": "weather", "arguments": ROME.arguments},
    ]
    assert [(one["role"], one["tool_call_id"], one["content"][:7]) for one in results] == [
        ("tool", "c1", "21 °C"),
        ("tool", "c2", "There i"),
    ]
    assert noted == {"role": "assistant", "content": NOTED}
    assert last == {"role": "user", "content": "hi"}


IDS = some.sampled_from(["c1", "c2", "c3", "c4"])
ITEMS = some.sampled_from(["turn1", "turn2", "reply1", "reply2", "reply1.c1", "reply2.c2", "=mine"])
PLACES = some.one_of(some.none(), some.just(""), ITEMS)
TEXTS = some.sampled_from(["One.", "two", "...", "", " "])
CALLS = some.builds(FunctionCall, IDS, some.just("weather"))
HAPPENS: some.SearchStrategy[Event] = some.one_of(
    some.builds(TurnEnded, TEXTS, some.just(0.0), ITEMS),
    some.builds(ReplyStarted, some.just(Conversation()), some.sampled_from(["reply1", "reply2"])),
    some.builds(WordSpoken, some.sampled_from(["One.", "two"]), some.just(0.0), some.just(0.1)),
    some.builds(FunctionCalled, CALLS, some.booleans()),
    some.builds(FunctionReturned, IDS, TEXTS),
    some.just(ReplyInterrupted("", Conversation())),
    some.builds(ItemCreated, ITEMS, some.sampled_from(["user", "assistant", "system"]), TEXTS, PLACES),
    some.builds(ItemCreated, ITEMS, some.just("assistant"), some.just(""), PLACES, CALLS),
    some.builds(ItemCreated, ITEMS, some.just("tool"), TEXTS, PLACES, CALLS),
    some.builds(ItemDeleted, ITEMS),
)
"""What makes a conversation, in any order, likely or not."""


@settings(max_examples=examples(300))
@given(some.lists(HAPPENS, max_size=15), some.sampled_from([whole, recent(max_tokens=40, at_once=1), latest(turns=1)]))
def test_whatever_happens_the_messages_are_right(events: list[Event], history: Any) -> None:
    """Each call has one result behind it, and each result its call: cut short, edited by the client, or forgotten."""
    talk, called = Conversation("Be brief."), set[str]()
    for event in events:
        name = _begins(event)
        if name not in called:  # which no service gives twice in one answer
            talk = fold(talk, event)
        called |= {name} if name else set()
    check({"messages": history(talk).prompt(calls=True)})


def _begins(event: Event) -> str | None:
    """The call that is new with it."""
    match event:
        case FunctionCalled(call=call) | ItemCreated(role="assistant", call=FunctionCall() as call):
            return call.id
        case _:
            return None


# ---- what comes back -------------------------------------------------------------------------------------------------


def test_a_call_comes_piece_by_piece(bench: Bench) -> None:
    """Its name with the first, which is empty; and whole with the answer's end."""
    events = [one.value for one in bench.ask() if one.kind == "next"]
    *pieces, whole_call = events
    assert pieces[0] == FunctionCallWritten("c1", "weather", "")
    assert {(piece.id, piece.name) for piece in pieces} == {("c1", "weather")}
    assert "".join(piece.delta for piece in pieces) == PARIS.arguments
    assert len(pieces) > 3
    assert whole_call == FunctionCalled(PARIS)


def test_a_piece_comes_when_it_is_written(bench: Bench) -> None:
    """Nothing waits for the rest; a call is whole when the next one begins."""
    bench.server.first_token_s, bench.server.token_s = 0.1, 0.02
    now = [FunctionCall("c1", "time", "{}"), FunctionCall("c2", "time", "{}")]
    times = [(one.t_ms, type(one.value).__name__) for one in bench.ask(answer=["Well,", *now]) if one.kind == "next"]
    assert times == [
        (100, "str"),
        (120, "FunctionCallWritten"),
        (140, "FunctionCallWritten"),
        (160, "FunctionCalled"),
        (160, "FunctionCallWritten"),
        (180, "FunctionCallWritten"),
        (200, "FunctionCalled"),
    ]


def test_text_and_then_several_calls(bench: Bench) -> None:
    """In the order in which they are written."""
    assert bench.said(answer=["One moment.", PARIS, ROME]) == [
        "One moment.",
        FunctionCalled(PARIS),
        FunctionCalled(ROME),
    ]


def test_an_answer_that_may_not_be_longer(bench: Bench) -> None:
    """By the client's wish, or by what is configured, which the service is told; it says so at its end."""
    assert bench.said(wanting(max_tokens=2), "one two three") == ["one two", MaxTokensReached()]
    assert bench.said(HI, "one two three", max_tokens=2) == ["one two", MaxTokensReached()]
    assert bench.said(HI, "one two", max_tokens=2) == ["one two"]


def test_a_service_that_never_stops_is_stopped_in_mid_call(bench: Bench) -> None:
    """The call is not complete, and nobody is told that it is."""
    bench.marbles.run(bench.server.fail(Fails.ENDLESS))
    assert bench.said(max_tokens=20) == [MaxTokensReached()]
    bench.marbles.run(asyncio.sleep(0.1))
    assert bench.server.visits[-1].notes[-1] == "cancelled"


def test_a_call_that_is_cut_at_its_length_is_none(bench: Bench) -> None:
    """Half of its arguments would be run; the one before it is whole."""
    assert bench.said(wanting(max_tokens=3)) == [MaxTokensReached()]
    now = FunctionCall("c0", "time", "{}")
    assert bench.said(wanting(max_tokens=4), [now, PARIS]) == [FunctionCalled(now), MaxTokensReached()]


# ---- barge-in, silence, refusals -------------------------------------------------------------------------------------


def test_disposing_in_mid_call_closes_the_request(bench: Bench) -> None:
    """In the same moment: the service stops to write for nobody."""
    bench.server.first_token_s, bench.server.token_s = 0.02, 0.02
    bench.server.answers = {"hi": PARIS}
    a, b = FunctionCallWritten("c1", "weather", ""), FunctionCallWritten("c1", "weather", '{"ci')
    bench.marbles.expect(bench.llm()(HI), "-ab!", a=a, b=b)
    bench.marbles.run(asyncio.sleep(0.01))
    (visit,) = bench.server.visits
    assert visit.notes[-1] == "cancelled"
    assert visit.ended_s is not None
    assert visit.ended_s - visit.began_s <= 0.07


def test_each_piece_of_a_call_is_waited_for_anew(bench: Bench) -> None:
    """A long call is no silence, however long it takes; and what stops in the middle has fallen silent."""
    bench.server.first_token_s, bench.server.token_s = 1.9, 0.9
    *_, last = bench.ask()
    assert (last.kind, last.t_ms) == ("completed", 1900 + 6 * 900)
    bench.server.token_s = 1.1
    error = bench.error()
    assert isinstance(error, LlmTimeout)
    assert str(error).endswith("fell silent in the middle of its answer: for 1 s")


def test_the_name_of_a_function_is_an_answer(bench: Bench) -> None:
    """The deadline for the first text is met by it, and by nothing before it."""
    bench.server.first_token_s = 2.1
    assert str(bench.error()).endswith("did not answer in time: no text within 2 s")
    bench.server.first_token_s = 1.9
    assert bench.said() == [FunctionCalled(PARIS)]


def test_a_call_that_has_begun_is_not_asked_for_again(bench: Bench) -> None:
    """It would come twice; before that nobody has noticed anything."""
    bench.marbles.run(bench.server.fail(Fails.BROKEN, times=1))
    assert bench.said() == [FunctionCalled(PARIS)]
    assert len(bench.server.visits) == 2
    bench.marbles.run(bench.server.fail(Fails.DIES, times=1))
    error = bench.error()
    assert isinstance(error, LlmUnavailable)
    assert len(bench.server.visits) == 3


def test_a_function_that_the_service_does_not_take(bench: Bench) -> None:
    """Is told with what the service says about it, and not asked for again."""
    wrong = Function("weather", "", {"type": "object", "properties": {"days": {"type": "array"}}})
    error = bench.error(replace(HI, generation=Generation((wrong,))))
    assert isinstance(error, LlmRefused)
    assert "refuses the request: 400 Invalid schema for function 'weather'" in str(error)
    assert "array schema missing items" in str(error)
    assert len(bench.server.visits) == 1
