"""An embedded language model that reads what the user says while they say it.

Reading is what the first token waits for: 4 ms a token on two cores. When the user's turn ends, most of it is read: in
conversations of a dozen words a turn, on two busy cores, the first token came after 105 ms instead of 170. (What the
bot has said itself is in the model's memory already: reading that again after a reply gains nothing.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import reactivex
from reactivex import Observable, abc
from reactivex import operators as rx_ops

from voicepipe.boundary.workers import Outcome, Priority, Ticket, Workers
from voicepipe.conversation import Conversation
from voicepipe.events import ClientMessage, Event, SettingsChanged, WordRecognised
from voicepipe.events.fold import fold
from voicepipe.llm.history import History, whole
from voicepipe.rx import scheduler_of, transduce
from voicepipe.stage import Stage

__all__ = ["PromptPrefill"]

Llm = Callable[[Conversation], Observable[str | Event]]

Read = Callable[[list[dict[str, str]], Callable[[], bool]], None]
"""Blocks until the messages have been read; stops soon after the second argument says that it is cancelled."""


class PromptPrefill:
    """One session's. `read` is called in a thread of `workers`, one call at a time, never while an answer is written.

    What is read is what the model will be asked if the bot was heard to its end and the words are right so far; where
    they are not, it reads from the first difference on, as it would have anyway. `history` is what the model is told of
    a conversation, here as when it is asked: what it forgets, it forgets while the user speaks.
    """

    def __init__(self, read: Read, workers: Workers, history: History = whole) -> None:
        self._read, self._workers, self._history = read, workers, history
        self._asked: Conversation | None = None
        self._has_asked = False
        self._answer: list[str] = []
        self._words: list[str] = []
        self._read_words = 0
        self._reading: Ticket | None = None

    def before(self, llm: Llm) -> Llm:
        """The same model; being asked ends the reading.

        Where it is asked ahead (`speculate`), what is known of the conversation changes when the answer is used.
        """

        def ask(conversation: Conversation) -> Observable[str | Event]:
            def begin(scheduler: abc.SchedulerBase) -> Observable[str | Event]:
                self.close()
                answer: list[str] = []
                scheduler_of(scheduler).when_used(lambda: self._begin(conversation, answer))
                return llm(self._history(conversation)).pipe(
                    rx_ops.do_action(lambda said: answer.append(said) if isinstance(said, str) else None)
                )

            return reactivex.defer(begin)

        return ask

    def read(self, conversation: Conversation, line: str) -> None:
        """Begin to read `conversation`, in which the bot is about to say `line`, which the model did not write."""
        self._begin(conversation, [line])
        self._submit()

    def stage(self) -> Stage[Event, Event]:
        """Everything passes; each `WordRecognised` is read as soon as those before it are.

        .. marbles::

            heard   w-w-w---e|     w: WordRecognised   e: any other event
            stage   w-w-w---e|
        """
        return transduce(lambda _: self._hear)

    def instructed(self) -> Stage[ClientMessage, ClientMessage]:
        """Everything passes; the client's instructions are read when they come, before it asks for its first reply.

        .. marbles::

            received     s-a-a|     s: SettingsChanged   a: any other message
            instructed   s-a-a|
        """
        return transduce(lambda _: self._take)

    def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _begin(self, conversation: Conversation, answer: list[str]) -> None:
        """Note what is answered; `answer` grows."""
        self.close()
        self._has_asked = True
        self._asked, self._answer, self._words, self._read_words = conversation, answer, [], 0

    def _hear(self, event: Event) -> Iterator[Event]:
        yield event
        if isinstance(event, WordRecognised):
            self._words.append(event.text)
            self._go_on()

    def _take(self, message: ClientMessage) -> Iterator[ClientMessage]:
        yield message
        if isinstance(message, SettingsChanged) and message.system_prompt is not None and not self._has_asked:
            self.close()
            self._asked = fold(Conversation(), message)
            if message.written:  # the server's own settings, which come first, are replaced by the client's as a rule
                self._submit()

    def _go_on(self) -> None:
        if self._asked is None or self._reading is not None or self._read_words == len(self._words):
            return
        self._submit()

    def _submit(self) -> None:
        assert self._asked is not None
        self._read_words = len(self._words)
        answer = "".join(self._answer).strip()
        talk = self._asked.bot_said(answer) if answer else self._asked
        talk = talk.user_said(" ".join(self._words)) if self._words else talk
        messages = self._history(talk).prompt(unfinished=True)
        self._reading = self._workers.submit(
            lambda ticket: self._read(messages, lambda: ticket.cancelled),
            self._done,
            priority=Priority.PARTIAL,
            what="llm_prefill",
        )

    def _done(self, _: Outcome[None]) -> None:
        """A model that cannot read will say so when it is asked."""
        self._reading = None
        self._go_on()
