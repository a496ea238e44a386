"""A language model in this process as a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Function,
    FunctionCall,
    FunctionCalled,
    FunctionReturned,
    Generation,
    MaxTokensReached,
    TokensCounted,
    Warned,
)
from voicepipe.events.fold import fold
from voicepipe.llm.in_process import TokenUse, in_process
from voicepipe.stage import StageError
from voicepipe.testing import Marbles, ScriptedError
from voicepipe.testing.loop.napping import NappingWorkers

HI = Conversation("Be brief.").user_said("Hi.")
LOOK, WAIT = Function("look"), Function("wait")


class Model:
    """Says one word after the other, each in 20 ms, and stops where it is told to, or breaks behind the words."""

    def __init__(self, workers: NappingWorkers, *words: str, breaks: bool = False) -> None:
        self.asked = list[list[dict[str, str]]]()
        self.slots = list[int | None]()
        self.prompt: tuple[int, int] = (0, 0)
        self.cancelled = 0
        self._workers, self._words, self._breaks = workers, words, breaks

    def stream(
        self,
        messages: list[dict[str, str]],
        on_text: Callable[[str], None],
        *,
        cancelled: Callable[[], bool],
        max_tokens: int,
        slot: int | None = None,
        use: TokenUse | None = None,
    ) -> None:
        self.asked.append(messages)
        self.slots.append(slot)
        assert use is not None
        use.tokens, use.known = self.prompt
        for word in self._words[:max_tokens]:
            self._workers.nap(0.02)
            if cancelled():
                self.cancelled += 1
                return
            use.written += 1
            on_text(word)
        if self._breaks:
            raise ScriptedError("broken")


@pytest.fixture
def workers(marbles: Marbles) -> Iterator[NappingWorkers]:
    pool = NappingWorkers(1, "models", marbles.loop)
    yield pool
    pool.close(1)


def values(marbles: Marbles, llm: Any, conversation: Conversation) -> list[Any]:
    """Return the values, without the completion at the end."""
    *out, end = marbles.record(llm(conversation))
    assert end.kind == "completed"
    return [one.value for one in out]


def test_the_answer_comes_in_pieces_from_a_thread(marbles: Marbles, workers: NappingWorkers) -> None:
    """In the slot that is the session's."""
    model = Model(workers, "Good", " day.")
    llm = in_process(model, workers, max_tokens=9, slot=3)
    marbles.expect(llm(HI), "-a(b|)", a="Good", b=" day.")
    assert (model.asked, model.slots) == ([HI.prompt()], [3])


def test_it_declines_to_call_functions_once(marbles: Marbles, workers: NappingWorkers) -> None:
    """The user is told which, and what to do about it, and is answered; of each session the first answer says so."""
    model = Model(workers, "Good", " day.")
    llm = in_process(model, workers, max_tokens=9, slot=None)
    offered = replace(HI, generation=Generation((LOOK, WAIT), choice="required"))
    assert values(marbles, llm, HI) == ["Good", " day."]
    warned, *said = values(marbles, llm, offered)
    assert warned == Warned(
        "The embedded language model cannot call functions (look, wait): it answers without them. A service can, set "
        "with llm_url."
    )
    assert said == values(marbles, llm, offered) == ["Good", " day."]
    assert isinstance(values(marbles, in_process(model, workers, max_tokens=9, slot=None), offered)[0], Warned)


def test_it_reads_nothing_of_calls(marbles: Marbles, workers: NappingWorkers) -> None:
    """Of a talk that was with another model; its template might not know them."""
    call = FunctionCalled(FunctionCall("1", "look"), server_side=True)
    model = Model(workers, "Good")
    talk = fold(fold(HI, call), FunctionReturned("1", "Nobody.")).bot_said("Nobody.").user_said("Sure?")
    values(marbles, in_process(model, workers, max_tokens=9, slot=None), talk)
    assert [message["role"] for message in model.asked[0]] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize(("ours", "theirs", "said"), [(2, None, 2), (9, 2, 2), (2, 9, 2), (9, 9, 3), (9, None, 3)])
def test_an_answer_that_is_cut_says_so(
    marbles: Marbles, workers: NappingWorkers, ours: int, theirs: int | None, said: int
) -> None:
    """At the client's limit or at ours, whichever is lower; behind the text."""
    words = ["Good", " day", " to you."]
    llm = in_process(Model(workers, *words), workers, max_tokens=ours, slot=None)
    limited = [MaxTokensReached()] if said < len(words) else []
    assert values(marbles, llm, replace(HI, generation=Generation(max_tokens=theirs))) == [*words[:said], *limited]


def test_what_it_has_cost_comes_last(marbles: Marbles, workers: NappingWorkers) -> None:
    """Also where the answer is shortened, which stops the model."""
    model = Model(workers, "Good", " day", " to you.")
    model.prompt = (7, 3)
    whole = in_process(model, workers, max_tokens=2, slot=None)
    assert values(marbles, whole, HI) == ["Good", " day", MaxTokensReached(), TokensCounted(7, 2, 3)]
    short = in_process(model, workers, max_tokens=9, slot=None, shorten=rx_ops.take(1))
    assert values(marbles, short, HI) == ["Good", TokensCounted(7, 1, 3)]
    values(marbles, whole, HI)  # the thread is free again
    assert model.cancelled == 1


def test_disposing_stops_it(marbles: Marbles, workers: NappingWorkers) -> None:
    """Within a token; nothing comes any more."""
    model = Model(workers, "Good", " day", " to", " you.")
    llm = in_process(model, workers, max_tokens=9, slot=None)
    out = marbles.record(llm(replace(HI, generation=Generation((LOOK,)))), "^ 30ms !")
    assert [one.t_ms for one in out] == [0, 20, 40]
    assert values(marbles, llm, HI)[-1] == " you."  # the thread is free again
    assert model.cancelled == 1


def test_a_model_that_breaks_is_a_failure_of_the_llm(marbles: Marbles, workers: NappingWorkers) -> None:
    """Behind what it has said; also where that was as much as it might say."""
    llm = in_process(Model(workers, "Good", breaks=True), workers, max_tokens=1, slot=None)
    said, failed = marbles.record(llm(HI))
    assert (said.value, failed.kind) == ("Good", "error")
    assert isinstance(failed.value, StageError)
    assert (failed.value.stage, str(failed.value.cause)) == ("LLM", "broken")


def test_an_empty_answer_is_asked_for_once_more(marbles: Marbles, workers: NappingWorkers) -> None:
    """Then it is an error, not a reply without a word."""
    model = Model(workers, " ", "\n")
    *_, end = marbles.record(in_process(model, workers, max_tokens=9, slot=None)(HI))
    assert isinstance(end.value, StageError)
    assert str(end.value.cause) == "The language model (LLM) at this process gave an empty answer: 2 times"
    assert len(model.asked) == 2
