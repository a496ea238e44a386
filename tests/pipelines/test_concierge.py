"""The concierge: a model behind a real API calls Python functions, and the user hears what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import options_for
from talk import Talk

from voicepipe.boundary.workers import Workers
from voicepipe.conversation.chat_prompt import STILL_RUNNING
from voicepipe.engine.http import Http
from voicepipe.events import (
    FunctionCall,
    FunctionCalled,
    FunctionDelayed,
    FunctionReturned,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechEncoded,
    StageFailed,
    Warned,
)
from voicepipe.llm.in_process import in_process
from voicepipe.llm.openai.client import OpenAiLlm
from voicepipe.testing import Marbles
from voicepipe.testing.servers import LlmServer

CONCIERGE = str(Path(__file__).parents[2] / "pipelines" / "concierge.py")

FOR_TWO = FunctionCall("c1", "free_tables", '{"people": 2}')
LATE = FunctionCall("c2", "book_table", '{"at": "20:15", "people": 2}')
TOO_MANY = FunctionCall("c3", "book_table", '{"at": "20:15", "people": 9}')


class Evening:
    """The language model, and one conversation with the concierge."""

    def __init__(self, marbles: Marbles, server: LlmServer, llm: OpenAiLlm) -> None:
        self.marbles, self.server = marbles, server
        self.talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=200))

    def run(self, answers: Any, *script: tuple[float, str], until_s: float = 12) -> None:
        self.server.answers = {"Hello.": "Good evening.", **answers}
        self.talk.run(list(script), until_s, CONCIERGE)
        assert not self.talk.events(StageFailed)

    @property
    def replies(self) -> list[str]:
        return [reply.text for reply in self.talk.events(ReplyEnded)]

    @property
    def results(self) -> list[Any]:
        """Return the results of the functions as the model reads them."""
        outputs = [returned.output for returned in self.talk.events(FunctionReturned)]
        return [json.loads(output) if output[0] in "[{" else output for output in outputs]

    @property
    def asked(self) -> list[list[dict[str, Any]]]:
        """The messages of each request, without the system prompt."""
        return [request["messages"][1:] for request in self.server.requests]


@pytest.fixture
def evening(marbles: Marbles) -> Iterator[Evening]:
    server, http = LlmServer(), Http(keep_alive_s=300, resolve_every_s=10)
    marbles.loop.run(server.start())
    options = options_for(server.url, max_tokens=100, first_text_s=3, next_text_s=3)
    yield Evening(marbles, server, OpenAiLlm(options, http.session))
    marbles.loop.run(http.close())
    marbles.loop.run(server.stop())


def test_the_user_hears_what_a_function_gave(evening: Evening) -> None:
    """The arguments are filled; the model reads the result behind its call, and the conversation keeps both."""
    answers = {"is there a table": ["One moment.", FOR_TWO], '["18:30","20:15"]': "At 18:30 or 20:15."}
    evening.run(answers, (2.0, "is there a table"), until_s=9)
    assert evening.replies == ["Good evening.", "One moment. Let me see. At 18:30 or 20:15."]
    assert evening.results == [["18:30", "20:15"]]
    said, called, returned = evening.asked[-1][-3:]
    assert said == {"role": "user", "content": "is there a table"}
    assert called["content"] == "One moment."
    assert called["tool_calls"][0]["function"] == {"name": "free_tables", "arguments": '{"people": 2}'}
    assert returned == {"role": "tool", "tool_call_id": "c1", "content": '["18:30","20:15"]'}
    kept = evening.talk.events(ReplyEnded)[-1].conversation.prompt(calls=True, unfinished=True)
    assert [message["role"] for message in kept[3:]] == ["user", "assistant", "tool", "assistant"]


def test_when_it_is_said(evening: Evening) -> None:
    """Words before the call are spoken at once, the filler 0.8 s after the call, the rest with the
    result: 2 s after it."""
    answers = {"is there a table": ["One moment.", FOR_TWO], '["18:30","20:15"]': "At 18:30 or 20:15."}
    evening.run(answers, (2.0, "is there a table"), until_s=9)
    (called,), (delayed,), (returned,) = map(evening.talk.times, (FunctionCalled, FunctionDelayed, FunctionReturned))
    assert (delayed - called, returned - called) == (pytest.approx(0.8), pytest.approx(2.0))
    written = {one.event.delta.strip(): one.at_s for one in evening.talk.heard if isinstance(one.event, ReplyText)}
    assert written["moment."] <= called
    assert written["see."] == pytest.approx(delayed, abs=0.01)
    assert written["At"] == pytest.approx(returned + 0.12, abs=0.03)  # the service's first token, and the next one
    assert [at_s for at_s in evening.talk.sounding() if called < at_s < delayed], "the voice waits for the function"


def test_one_thing_after_the_other(evening: Evening) -> None:
    """A table is looked for and booked in one reply; the model is offered all three functions each time."""
    answers = {
        "a table for two": FOR_TWO,
        '["18:30","20:15"]': LATE,
        "a table for 2 at 20:15 is booked": "It is booked.",
        "and another one": FunctionCall("c4", "free_tables", '{"people": 2}'),
        '["18:30"]': "Only at 18:30.",
    }
    evening.run(answers, (2.0, "a table for two"), (9.0, "and another one"), until_s=16)
    assert evening.replies[1:] == ["Let me see. It is booked.", "Let me see. Only at 18:30."]
    offered = [[tool["function"]["name"] for tool in request["tools"]] for request in evening.server.requests]
    assert offered == [["today", "free_tables", "book_table"]] * 6
    called = evening.server.requests[1]["tools"][2]["function"]
    assert called["description"] == "Book a table for this evening."
    assert called["parameters"]["properties"]["people"] == {"type": "integer", "description": "how many will come"}


def test_what_cannot_be_is_told_to_the_model(evening: Evening) -> None:
    """An exception of a function, and arguments that do not fit: it makes the best of it."""
    wrong = FunctionCall("c5", "free_tables", '{"people": "a few"}')
    answers = {
        "nine at eight": TOO_MANY,
        "for some friends": wrong,
    }
    evening.run(answers, (2.0, "nine at eight"), (6.0, "for some friends"))
    first, second = (result["error"] for result in evening.results)
    assert "there is no table for 9 at 20:15" in first
    assert second.startswith("people: Input should be a valid integer")
    assert [reply[:13] for reply in evening.replies[1:]] == ["The result is"] * 2


def test_two_at_once(evening: Evening) -> None:
    """Side by side: the second does not wait for the first."""
    for_eight = FunctionCall("c6", "free_tables", '{"people": 6}')
    evening.run({"two or six": [FOR_TWO, for_eight]}, (2.0, "two or six"), until_s=9)
    assert evening.results == [["18:30", "20:15"], ["18:30"]]
    first, second = evening.talk.times(FunctionReturned)
    assert second - first == pytest.approx(0, abs=0.001)
    assert evening.asked[-1][-3]["tool_calls"][1]["id"] == "c6"


def test_a_user_who_speaks_meanwhile_is_answered(evening: Evening) -> None:
    """The function goes on, and nothing is heard of it; the model knows that it runs, and later what it gave."""
    answers = {"is there a table": FOR_TWO, "no never mind": "As you wish.", "are you there": "Yes."}
    evening.run(answers, (2.0, "is there a table"), (3.9, "no never mind"), (9.0, "are you there"), until_s=14)
    (called,) = evening.talk.times(FunctionCalled)
    (returned,) = evening.talk.times(FunctionReturned)
    assert (called, returned) == (pytest.approx(called), pytest.approx(called + 2, abs=0.01))
    assert len(evening.talk.events(ReplyInterrupted)) == 1
    assert evening.replies == ["Good evening.", "As you wish.", "Yes."]
    meanwhile, later = evening.asked[-2:]
    assert [message["role"] for message in meanwhile[-5:]] == ["user", "assistant", "tool", "assistant", "user"]
    assert meanwhile[-3]["content"] == STILL_RUNNING
    assert later[-3]["content"] == '["18:30","20:15"]'


def test_a_model_that_only_calls_has_to_speak_in_the_end(evening: Evening) -> None:
    """After three rounds it may not call any more; the filler is said once."""
    evening.run({"go": FOR_TWO, '["18:30","20:15"]': FOR_TWO}, (2.0, "go"), until_s=14)
    assert len(evening.talk.events(FunctionReturned)) == 3
    assert [request["tool_choice"] for request in evening.server.requests] == ["auto"] * 4 + ["none"]
    assert evening.replies[-1] == 'Let me see. The result is ["18:30","20:15"]'


def test_a_function_in_a_thread(evening: Evening) -> None:
    """`today` is no async function; what it says is what the clock says."""
    evening.run({"what day is it": FunctionCall("c7", "today")}, (2.0, "what day is it"), until_s=8)
    assert evening.results[0].count(":") == 1
    assert evening.replies[-1] == f"The result is {evening.results[0]}"
    assert len(evening.talk.events(ReplyStarted)) == 2


class Embedded:
    """A model in this process: its text is a function of what was said."""

    def stream(self, messages: list[dict[str, str]], on_text: Any, **_: Any) -> None:
        for word in f"You said {messages[-1]['content']}".split():
            on_text(f"{word} ")


def test_an_embedded_model_says_that_it_cannot_and_converses(marbles: Marbles) -> None:
    """Once, which function it is about and what would help; nothing is called."""
    pool = Workers(threads=1, name="models")
    llm = in_process(Embedded(), pool, max_tokens=50, slot=0)  # pyright: ignore[reportArgumentType]
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=200))
    talk.run([(2.0, "is there a table")], 7, CONCIERGE)
    pool.close(timeout_s=1)
    (warned,) = talk.events(Warned)
    assert warned.message == (
        "The embedded language model cannot call functions (today, free_tables, book_table): it answers without them. "
        "A service can, set with llm_url."
    )
    assert [reply.text for reply in talk.events(ReplyEnded)] == ["You said Hello.", "You said is there a table"]
    assert not talk.events(FunctionCalled)
    assert talk.events(SpeechEncoded)
