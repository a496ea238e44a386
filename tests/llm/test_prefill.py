"""Reading what the user says while they say it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.boundary.workers import Workers
from voicepipe.conversation import Conversation
from voicepipe.events import Event, SettingsChanged, TurnEnded, WordRecognised
from voicepipe.llm.prefill import PromptPrefill
from voicepipe.rx import merge
from voicepipe.rx.defer import defer
from voicepipe.rx.early_subscription import EarlySubscription
from voicepipe.testing import Marbles

OPENED = Conversation("Be brief.").user_said("Hi.")
HEARD = {name: WordRecognised(text, 0, 1) for name, text in {"a": "what", "b": "time", "c": "is"}.items()}


class Reader:
    """Stands for the model: notes what it read. `gate` closed: it reads until it is told to stop."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.stopped: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.error: Exception | None = None

    def __call__(self, messages: list[dict[str, str]], cancelled: Callable[[], bool]) -> None:
        self.read.append(" | ".join(message["content"] for message in messages))
        self.began.set()
        if self.error is not None:
            raise self.error
        while not self.gate.wait(0.001):
            if cancelled():
                self.stopped.append(messages[-1]["content"])
                return


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def ahead(marbles: Marbles, reader: Reader) -> Iterator[PromptPrefill]:
    workers = Workers(1, "llm")
    yield PromptPrefill(reader, workers)
    workers.close(1)


def answered(marbles: Marbles, ahead: PromptPrefill, conversation: Conversation = OPENED, text: str = "a-b|") -> None:
    """The model has answered, and "Good day." was said."""
    llm = marbles.llm({}, default=text, a="Good", b=" day.")
    marbles.record(ahead.before(llm)(conversation))


def hear(marbles: Marbles, ahead: PromptPrefill, diagram: str) -> None:
    """Everything passes, when it comes."""
    events: dict[str, Event] = {**HEARD, "e": TurnEnded("", 1.0)}
    marbles.expect(marbles.cold(diagram, table=events).pipe(ahead.stage()), diagram, table=events)


def test_words_are_read_as_they_come(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """Behind all that was said before, the bot's answer included."""
    answered(marbles, ahead)
    hear(marbles, ahead, "a--b-e-c|")
    before = "Be brief. | Hi. | Good day. | "
    assert reader.read == [f"{before}what", f"{before}what time", f"{before}what time is"]


def test_words_that_come_together_are_read_together(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """One reading at a time; then all that has come meanwhile."""
    answered(marbles, ahead)
    hear(marbles, ahead, "(abc)|")
    assert [read.rpartition(" | ")[2] for read in reader.read] == ["what", "what time is"]


def test_an_answer_stops_the_reading(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """It must not wait for a guess; the words that it answers are not read again."""
    answered(marbles, ahead)
    reader.gate.clear()
    reader.began.clear()

    async def main() -> None:
        for word in "ab":
            list(ahead._hear(HEARD[word]))  # pyright: ignore[reportPrivateUsage]
        assert reader.began.wait(5)

    marbles.loop.run_until_complete(main())
    answered(marbles, ahead, OPENED.bot_said("Good day.").user_said("what time"), "a|")
    assert reader.stopped == ["what"]
    reader.gate.set()
    hear(marbles, ahead, "c|")
    assert reader.read[-1] == "Be brief. | Hi. | Good day. | what time | Good | is"


def test_an_answer_that_is_thrown_away_was_not_given(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """The words are read on behind what was said before; where the answer is used, behind that."""
    answered(marbles, ahead)
    hear(marbles, ahead, "a|")
    asked = OPENED.bot_said("Good day.").user_said("what")
    llm = ahead.before(marbles.llm({}, default="x|", x="Well,"))
    marbles.record(defer(lambda scheduler: _dropped(EarlySubscription(llm(asked), scheduler, 9))))
    hear(marbles, ahead, "b|")
    assert reader.read[-1] == "Be brief. | Hi. | Good day. | what time"
    marbles.record(defer(lambda scheduler: EarlySubscription(llm(asked), scheduler, 9).used()))
    hear(marbles, ahead, "c|")
    assert reader.read[-1] == "Be brief. | Hi. | Good day. | what | Well, | is"


def _dropped(ahead: EarlySubscription[str | Event]) -> Observable[str | Event]:
    return reactivex.timer(0.02).pipe(rx_ops.ignore_elements(), rx_ops.finally_action(ahead.dispose))


def test_nothing_is_read_before_the_first_question(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """Without instructions nobody knows what the prompt will be."""
    hear(marbles, ahead, "a-b|")
    assert reader.read == []


def test_a_cut_answer_that_said_nothing_is_no_message(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """The user goes on; their words join."""
    answered(marbles, ahead, text="|")
    hear(marbles, ahead, "a|")
    assert reader.read == ["Be brief. | Hi. what"]


def test_a_model_that_cannot_read_harms_no_reply(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """It will say so when it is asked."""
    answered(marbles, ahead)
    reader.error = ValueError("broken")
    hear(marbles, ahead, "a-b|")
    assert len(reader.read) == 2


def test_closing_stops_the_reading(marbles: Marbles, ahead: PromptPrefill, reader: Reader) -> None:
    """The session is over: its slot is somebody else's."""
    answered(marbles, ahead)
    reader.gate.clear()
    reader.began.clear()

    async def main() -> None:
        list(ahead._hear(HEARD["a"]))  # pyright: ignore[reportPrivateUsage]
        assert reader.began.wait(5)
        ahead.close()

    marbles.loop.run_until_complete(main())
    marbles.loop.settle()
    assert reader.read
    assert reader.stopped == ["what"]


def test_what_the_model_forgets_it_forgets_while_the_user_speaks(marbles: Marbles, reader: Reader) -> None:
    """The history is cut before the reading, as it is before the asking."""
    workers = Workers(1, "llm")
    ahead = PromptPrefill(reader, workers, lambda talk: replace(talk, messages=talk.messages[-1:]))
    llm = marbles.llm({}, default="a|", a="Good day.")
    marbles.record(ahead.before(llm)(OPENED.bot_said("Hello.").user_said("And?")))
    assert [message.text for message in llm.conversations[0].messages] == ["And?"]
    hear(marbles, ahead, "a|")
    assert reader.read == ["Be brief. | what"]
    workers.close(1)


def test_the_first_instructions_are_read_before_a_reply_is_asked_for(
    marbles: Marbles, ahead: PromptPrefill, reader: Reader
) -> None:
    """The first answer is then as quick as the second; what the user says first is read behind them."""
    own, settings = SettingsChanged("Be brief."), SettingsChanged("Be kind.", written={"instructions": "Be kind."})
    received = marbles.hot("os 200ms |", o=own, s=settings)
    heard = marbles.hot("-- 100ms a 100ms |", a=HEARD["a"])
    both = merge(received.pipe(ahead.instructed()), heard.pipe(ahead.stage()))
    marbles.record(both)
    assert reader.read == ["Be kind. | Hello.", "Be kind. | what"]


def test_the_servers_own_instructions_are_read_with_the_first_words(
    marbles: Marbles, ahead: PromptPrefill, reader: Reader
) -> None:
    """A client replaces them at once, as a rule."""
    received, heard = marbles.hot("o 200ms |", o=SettingsChanged("Be brief.")), marbles.hot("-a|", a=HEARD["a"])
    marbles.record(merge(received.pipe(ahead.instructed()), heard.pipe(ahead.stage())))
    assert reader.read == ["Be brief. | what"]


def test_later_instructions_are_read_with_the_next_answer(
    marbles: Marbles, ahead: PromptPrefill, reader: Reader
) -> None:
    """Then there is a conversation, which the settings do not have."""
    answered(marbles, ahead)
    marbles.record(marbles.hot("s|", s=SettingsChanged("Be kind.", written={"a": 1})).pipe(ahead.instructed()))
    assert reader.read == []
