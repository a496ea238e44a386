"""The second half of a `Scenario`'s calls: `.at(2).user_says("hello")`, `.by(4).bot_is_interrupted()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Literal, TypeVar

from voicepipe.conversation import ItemId
from voicepipe.events import (
    ClientEvent,
    ConversationEnded,
    Event,
    Function,
    Generation,
    InputCleared,
    ItemCreated,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    StageFailed,
    TurnTaking,
)
from voicepipe.events.application import is_app_event_type
from voicepipe.testing.player.acts import Act, ScenarioActions
from voicepipe.testing.player.transcript import Transcript
from voicepipe.testing.scenario import facts
from voicepipe.testing.scenario.facts import Expectation, Window
from voicepipe.testing.scenario.steps import call

__all__ = ["Claim", "Moment"]

S = TypeVar("S")
"""The result of a call: the scenario that it was called on."""

COUGH_S = 0.2


def _check_registered(kind: type[Event]) -> None:
    if not is_app_event_type(kind):
        raise TypeError(f"{kind.__name__} does not travel: register it with app_event")


class Moment(Generic[S]):
    """Add something that happens at a time, or a while after the bot has said something."""

    def __init__(self, add: Callable[[Act], S], at_s: float, cue: str | None = None) -> None:
        self._add, self._at_s, self._cue = add, at_s, cue

    def user_says(self, text: str) -> S:
        """Let the user say a text, 0.3 s a word or as `Scenario.user_speaks` says. It is recognised word by word."""
        return self._act(call("user_says", text), lambda do: do.say(text), 0.3 * len(text.split()))

    def user_coughs(self, lasts_s: float | None = None) -> S:
        """Let the user make a sound without words, of `lasts_s` seconds; None: 0.2 s."""
        length_s = COUGH_S if lasts_s is None else lasts_s
        return self._act(call("user_coughs", lasts_s), lambda do: do.cough(length_s), length_s)

    def microphone_is_muted(self) -> S:
        """Let the client send no sound from here on; what the user says is not heard."""
        return self._act("microphone_is_muted()", lambda do: do.mute(True))

    def microphone_comes_back(self) -> S:
        """Let the client send sound again, after `microphone_is_muted`."""
        return self._act("microphone_comes_back()", lambda do: do.mute(False))

    def network_stalls(self, lasts_s: float) -> S:
        """Let nothing of the client arrive for `lasts_s` seconds; then all of it arrives at once."""
        return self._act(call("network_stalls", lasts_s), lambda do: do.hold_network(lasts_s), lasts_s)

    def machine_stalls(self, lasts_s: float) -> S:
        """Let the server's machine stand still for `lasts_s` seconds."""
        return self._act(call("machine_stalls", lasts_s), lambda do: do.stall(lasts_s), inside=True)

    def client_leaves(self) -> S:
        """Let the client disconnect: the conversation ends."""
        return self._act("client_leaves()", lambda do: do.leave())

    def bot_is_told(self, prompt: str) -> S:
        """Send `session.update` with new instructions."""
        return self._act(call("bot_is_told", prompt), lambda do: do.send(SettingsChanged(prompt)))

    def voice_is_changed(self, voice: str) -> S:
        """Send `session.update` with another voice."""
        return self._act(call("voice_is_changed", voice), lambda do: do.send(SettingsChanged(voice=voice)))

    def turns_are_detected(self, detected: bool = True, *, idle_s: float | None = None) -> S:
        """Let the client lead: turns are detected, with an idle time, or are not (`turn_detection: null`)."""
        turns = TurnTaking(idle_s=idle_s) if detected else TurnTaking("client", answers=False, interrupts=False)
        code = call("turns_are_detected", None if detected else False, idle_s=idle_s)
        return self._act(code, lambda do: do.send(SettingsChanged(turns=turns)))

    def recogniser_fails(self) -> S:
        """Let the recogniser fail for good."""
        return self._act("recogniser_fails()", lambda do: do.deafen(), inside=True)

    def user_writes(self, text: str) -> S:
        """Let the client add a written message of the user's, and request the answer to it."""
        item = ItemId(f"={self._cue or ''}{self._at_s:g}")
        said, asked = ItemCreated(item, "user", text), ReplyRequested(ItemId(f"{item}r"))
        return self._act(call("user_writes", text), lambda do: (do.send(said), do.send(asked)))

    def client_sends(self, event: Event) -> S:
        """Send an application's event (`app_event`), or any client event (`voicepipe.events.ClientEvent`)."""
        if not isinstance(event, ClientEvent):
            _check_registered(type(event))
        return self._act(call("client_sends", event), lambda do: do.send(event))

    def client_asks_for_a_reply(self, instructions: str | None = None, *, aloud: bool | None = None) -> S:
        """Send `response.create`: a reply now, by these instructions, spoken or (`aloud=False`) written."""
        code = call("client_asks_for_a_reply", instructions, aloud=aloud)
        asked = ReplyRequested(ItemId(f"={self._cue or ''}{self._at_s:g}a"), instructions, aloud=aloud)
        return self._act(code, lambda do: do.send(asked))

    def client_cancels_the_reply(self) -> S:
        """Send `response.cancel`."""
        return self._act("client_cancels_the_reply()", lambda do: do.send(ReplyCancelled()))

    def client_writes(self, text: str, role: Literal["user", "assistant", "system"] = "user") -> S:
        """Send `conversation.item.create`: a message in text, which is not answered until a reply is asked for."""
        event = ItemCreated(ItemId(f"written-{self._at_s:g}"), role, text)
        return self._act(call("client_writes", text, None if role == "user" else role), lambda do: do.send(event))

    def client_returns(self, name: str, output: str) -> S:
        """Send `conversation.item.create`: the result of the client's function `name`, as the bot called it last."""
        return self._act(call("client_returns", name, output), lambda do: do.return_result(name, output))

    def client_changes_settings(
        self,
        instructions: str | None = None,
        *,
        voice: str | None = None,
        aloud: bool | None = None,
        turns: TurnTaking | None = None,
        functions: Sequence[Function] | None = None,
    ) -> S:
        """Send `session.update`; what is None stays as it is. `functions` are the client's own."""
        given: dict[str, Any] = {"voice": voice, "aloud": aloud, "turns": turns}
        code = call("client_changes_settings", instructions, **given, functions=functions)
        generation = None if functions is None else Generation(tuple(functions))
        event = SettingsChanged(instructions, **given, generation=generation)
        return self._act(code, lambda do: do.send(event))

    def client_commits_audio(self) -> S:
        """Send `input_audio_buffer.commit`: the user's turn ends here."""
        return self._act("client_commits_audio()", lambda do: do.commit())

    def client_clears_audio(self) -> S:
        """Send `input_audio_buffer.clear`: what was said since the last turn is discarded."""
        return self._act("client_clears_audio()", lambda do: do.send(InputCleared()))

    def client_truncates(self, heard_ms: float) -> S:
        """Send `conversation.item.truncate`: of the last reply's sound no more than this was heard."""
        return self._act(call("client_truncates", float(heard_ms)), lambda do: do.truncate(heard_ms))

    def _act(
        self, code: str, perform: Callable[[ScenarioActions], object], length_s: float = 0.0, *, inside: bool = False
    ) -> S:
        return self._add(Act(self._at_s, self._cue, code, perform, length_s, inside))


class Claim(Generic[S]):
    """Add something that must happen within a window, as often as the window says."""

    def __init__(self, add: Callable[[Expectation], S], window: Window) -> None:
        self._add, self._window = add, window

    def bot_says(self, text: str) -> S:
        """Expect these whole words in a reply, heard or written, in either case of letters. Of sound, the time is that
        of the last word.
        """
        return self._that(call("bot_says", text), lambda played: facts.times_said(played, text), facts.what_was_said)

    def bot_replies(self) -> S:
        """Expect that a reply begins."""
        return self._event("bot_replies()", ReplyStarted)

    def bot_finishes(self) -> S:
        """Expect that a reply is played to its end."""
        return self._event("bot_finishes()", ReplyEnded)

    def bot_is_interrupted(self) -> S:
        """Expect that the user interrupts a reply."""
        return self._event("bot_is_interrupted()", ReplyInterrupted)

    def bot_hangs_up(self) -> S:
        """Expect that the pipeline ends the conversation (`ConversationEnded`)."""
        return self._event("bot_hangs_up()", ConversationEnded)

    def conversation_ends(self) -> S:
        """Expect that the conversation ends, for any reason: also when the client leaves, or the pipeline fails."""
        return self._that("conversation_ends()", facts.times_ended, facts.how_it_ended)

    def user_is_told(self, text: str) -> S:
        """Expect a warning or an error for the user that contains this text, in either case of letters."""
        return self._that(
            call("user_is_told", text), lambda played: facts.times_told(played, text), facts.what_the_user_was_told
        )

    def bot_calls(self, name: str) -> S:
        """Expect that the model calls the function `name`, the pipeline's or the client's."""
        return self._that(
            call("bot_calls", name), lambda played: facts.times_called(played, name), facts.what_was_called
        )

    def function_returns(self, name: str) -> S:
        """Expect that the pipeline's function `name` returns, or that its error is there for the model."""
        return self._that(
            call("function_returns", name), lambda played: facts.times_returned(played, name), inside=True
        )

    def user_is_heard_saying(self, text: str) -> S:
        """Expect a turn of the user with exactly this text."""
        return self._that(
            call("user_is_heard_saying", text), lambda played: facts.times_heard(played, text), facts.what_was_heard
        )

    def llm_is_asked(self, text: str) -> S:
        """Expect a request to the LLM with exactly this last message (see `Scenario.llm`)."""
        return self._that(
            call("llm_is_asked", text),
            lambda played: facts.times_asked(played, text),
            facts.what_was_asked,
            inside=True,
        )

    def answer_is_cancelled(self, text: str) -> S:
        """Expect that the LLM's answer to this last message is disposed before its end."""
        return self._that(
            call("answer_is_cancelled", text),
            lambda played: facts.times_cancelled(played, text),
            facts.how_answers_ended,
            inside=True,
        )

    def service_fails(self) -> S:
        """Expect that a stage fails (`StageFailed`)."""
        return self._event("service_fails()", StageFailed, facts.what_failed)

    def user_reaches_goal(self) -> S:
        """Expect that the simulated user (`Scenario.user_pursues`) says that its goal is reached."""
        return self._that("user_reaches_goal()", facts.times_reached, facts.how_the_user_fared)

    def client_receives(self, event: Event | type[Event]) -> S:
        """Expect that the client is sent an application's event that equals this one, or one of this class."""
        kind = event if isinstance(event, type) else type(event)
        _check_registered(kind)
        code = f"client_receives({kind.__name__ if event is kind else repr(event)})"
        return self._that(code, lambda played: facts.times_received(played, event), facts.what_was_received)

    def _event(self, code: str, kind: type[Any], instead: Callable[[Transcript], str] = facts.nothing) -> S:
        return self._that(code, lambda played: played.times(kind), instead)

    def _that(
        self,
        code: str,
        times: Callable[[Transcript], Iterable[float]],
        instead: Callable[[Transcript], str] = facts.nothing,
        *,
        inside: bool = False,
    ) -> S:
        return self._add(facts.happens(self._window, code, times, instead, inside=inside))
