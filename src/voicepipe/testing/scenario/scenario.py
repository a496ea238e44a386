"""Whole conversations as scenarios: what the user says when, what each service does, what must be heard by when.

::

    def test_the_user_interrupts_the_bot(scenario):
        scenario(
            Scenario("The user interrupts the bot")
            .llm("hello there", "How are you today?", after_s=0.2, word_s=0.03)
            .at(2).user_says("hello there")
            .at(3.3).user_says("what time is it")
            .by(3.2).bot_says("How")
            .by(4).bot_is_interrupted()
            .never().bot_says("today?")
        )

A scenario is data; `run(scenario, pipeline)` plays it in virtual time, a minute in a fraction of a second, with real
frames of sound, and checks it against `voicepipe.testing.INVARIANTS` as well. Its `repr` is the Python that builds it.

Services that a scenario says nothing of are quick and polite: the LLM opens with "Hi!", says "Are you still there?"
when the user has long been silent ("..."), and "I see." to anything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec

from voicepipe.events import FunctionCall
from voicepipe.testing.player import acts as a
from voicepipe.testing.player.script import Answer, ServiceScript
from voicepipe.testing.scenario import expectations as x
from voicepipe.testing.scenario import facts as f
from voicepipe.testing.scenario.builder import Claim, Cue, Moment
from voicepipe.testing.scenario.steps import arguments

__all__ = ["Scenario"]

P = ParamSpec("P")

TAIL_S = 5.0
"""For how long a scenario goes on after the last time that it names."""


def _setting(method: Callable[Concatenate[Scenario, P], None]) -> Callable[Concatenate[Scenario, P], Scenario]:
    """Let a method that changes how services behave note its call, and give the scenario back."""

    @wraps(method)
    def call(self: Scenario, /, *args: P.args, **kwargs: P.kwargs) -> Scenario:
        method(self, *args, **kwargs)
        self.settings.append(f"{method.__name__}({arguments(*args, **kwargs)})")
        return self

    return call


class Scenario:
    """A conversation to be played. Every method that adds something to it gives the scenario back."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.cast = ServiceScript()
        self.settings: list[str] = []
        """The calls that have changed `cast`."""
        self.acts: list[a.Act] = []
        self.expectations: list[f.Expectation] = []

    def __repr__(self) -> str:
        calls = [*self.settings, *map(str, self.acts), *map(str, self.expectations)]
        return "\n    ".join([f"(\n    Scenario({arguments(self.title)})", *(f".{call}" for call in calls)]) + "\n)"

    # ---- the language model -----------------------------------------------------------------------------------------

    @_setting
    def llm(self, asked: str | None, answer: str, *, after_s: float = 0.1, word_s: float = 0.0) -> None:
        """The LLM answers `asked` with `answer`, `after_s` later and `word_s` a word.

        `asked` "" is the opening, "..." the prompt of a silent user, and None anything that nothing else is said of.
        """
        if asked is None:
            self.cast.anything = Answer(answer, after_s, word_s)
        else:
            self.cast.answers[asked] = Answer(answer, after_s, word_s)

    @_setting
    def llm_calls(
        self,
        asked: str,
        function: str,
        arguments: dict[str, Any] | None = None,
        *,
        says: str | None = None,
        after_s: float | None = None,
    ) -> None:
        """The LLM calls a function; several calls at one question are made at once. What a function returned is what
        the LLM is asked next."""
        before = self.cast.answers.get(asked)
        first = before if before is not None and before.calls else Answer("")
        call = FunctionCall("", function, json.dumps(arguments or {}, ensure_ascii=False))
        begins_s = first.after_s if after_s is None else after_s
        self.cast.answers[asked] = Answer(says or first.text, begins_s, calls=(*first.calls, call))

    @_setting
    def llm_fails(self, asked: str, *, words: int = 0) -> None:
        """The LLM fails at `asked`, after `words` words of its answer."""
        self.cast.change_answer(asked, fails_after=words)

    @_setting
    def llm_stalls(self, asked: str, *, words: int = 0) -> None:
        """The LLM stops at `asked` and never goes on, after `words` words of its answer."""
        self.cast.change_answer(asked, stalls_after=words)

    @_setting
    def llm_never_answers(self) -> None:
        """The LLM stalls at whatever it is asked."""
        self.cast.answers, self.cast.anything = {}, Answer("", stalls_after=0)

    @_setting
    def llm_closes_after(self, seconds: float) -> None:
        """A cancelled request takes `seconds` to close."""
        self.cast.hang_up_s = seconds

    # ---- the synthesiser --------------------------------------------------------------------------------------------

    @_setting
    def tts(self, *, delay_s: float = 0.06, word_s: float = 0.3) -> None:
        """The TTS needs `delay_s` to its first sound, and speaks `word_s` a word."""
        self.cast.tts_delay_s, self.cast.tts_word_s = delay_s, word_s

    @_setting
    def tts_fails(self, *, words: int | None = None, at: str | None = None) -> None:
        """The TTS fails after `words` words of each reply, or at the word `at`."""
        self.cast.tts_fails_after, self.cast.tts_fails_at = words, at

    @_setting
    def tts_stalls(self, *, words: int | None = None, at: str | None = None) -> None:
        """The TTS stops for ever after `words` words of each reply, or at the word `at`."""
        self.cast.tts_stalls_after, self.cast.tts_stalls_at = words, at

    # ---- the recogniser and the end-of-turn model -------------------------------------------------------------------

    @_setting
    def recogniser_needs(self, *, word_s: float = 0.5, flush_s: float = 0.0) -> None:
        """A word is recognised `word_s` after it began; the last words before a pause take `flush_s` more."""
        self.cast.recogniser_delay_s, self.cast.flush_s = word_s, flush_s

    @_setting
    def recogniser_mishears(self, said: str, heard: str) -> None:
        """The recogniser hears the word `said` as `heard`."""
        self.cast.misheard[said] = heard

    @_setting
    def recogniser_hears_nothing(self) -> None:
        """The recogniser never recognises a word."""
        self.cast.deaf = True

    @_setting
    def pause_sounds_finished(self, probability: float, *, after_s: float = 0.06) -> None:
        """The end-of-turn model gives this probability for every pause, `after_s` after it was asked."""
        self.cast.finished, self.cast.verdict_s = probability, after_s

    @_setting
    def pause_after(self, word: str, probability: float) -> None:
        """The end-of-turn model gives this probability for a pause after `word`."""
        self.cast.finished_after[word] = probability

    @_setting
    def no_end_of_turn_model(self) -> None:
        """Silence alone ends a turn."""
        self.cast.finished = None

    # ---- the user, the client, the whole ----------------------------------------------------------------------------

    @_setting
    def user_speaks(self, word_s: float) -> None:
        """The user takes `word_s` for a word."""
        self.cast.user_word_s = word_s

    @_setting
    def instructions(self, prompt: str | None) -> None:
        """What the bot is told at the start; None: nothing, so that it waits for the user."""
        self.cast.prompt = prompt

    @_setting
    def in_process(self) -> None:
        """The services are models in threads of this process, and not far away."""
        self.cast.in_process = True

    @_setting
    def lasts(self, seconds: float) -> None:
        """The scenario lasts so long; without this 5 s longer than the last time that it names."""
        self.cast.length_s = seconds

    @_setting
    def order(self, number: int) -> None:
        """Things of one instant happen in this drawn order; 0 is the order in which they were set."""
        self.cast.order = number

    @_setting
    def longest_silence(self, seconds: float) -> None:
        """The invariant "silence is bounded" takes a silence of this length for too long, in place of 15 s."""
        self.cast.silence_s = seconds

    @_setting
    def unchecked(self, *invariants: str) -> None:
        """Do not check these of `voicepipe.testing.INVARIANTS`."""
        self.cast.unchecked |= set(invariants)

    # ---- what happens, and what must --------------------------------------------------------------------------------

    def at(self, at_s: float) -> Moment[Scenario]:
        """`scenario.at(2).user_says("hello")`: seconds since the conversation began."""
        return Moment(self.act, at_s)

    def after_bot_says(self, cue: str, after_s: float) -> Cue[Scenario]:
        """`scenario.after_bot_says("How", 0.3).user_says("stop")`: the first time that the bot says it."""
        return Cue(self.act, after_s, cue)

    def by(self, end_s: float, *, times: int | None = None) -> Claim[Scenario]:
        """Something happens at `end_s` at the latest; exactly so many `times`."""
        return Claim(self.expect, x.Window(0.0, end_s), times)

    def after(self, start_s: float, *, times: int | None = None) -> Claim[Scenario]:
        """Something happens from `start_s` on."""
        return Claim(self.expect, x.Window(start_s), times)

    def between(self, start_s: float, end_s: float, *, times: int | None = None) -> Claim[Scenario]:
        """Something happens from `start_s` to `end_s`."""
        return Claim(self.expect, x.Window(start_s, end_s), times)

    def ever(self, *, times: int | None = None) -> Claim[Scenario]:
        """`scenario.ever(times=3).bot_replies()`."""
        return Claim(self.expect, x.Window(), times)

    def never(self, start_s: float = 0.0, end_s: float = x.END_S) -> Claim[Scenario]:
        """Something does not happen, in the whole conversation or from `start_s` to `end_s`."""
        return Claim(self.expect, x.Window(start_s, end_s), 0)

    def silent(self, start_s: float, end_s: float) -> Scenario:
        """The bot makes no sound from `start_s` to `end_s`."""
        return self.expect(f.BotSilent(start_s, end_s))

    def speaking(self, start_s: float, end_s: float) -> Scenario:
        """The bot is heard from `start_s` to `end_s`, without a break."""
        return self.expect(f.BotSpeaks(start_s, end_s))

    def answers_within(self, limit_s: float) -> Scenario:
        """In every turn, from the user's last loud sample to the first sound of the answer."""
        return self.expect(f.AnswersWithin(limit_s))

    def remembers(self, role: Literal["user", "assistant"], text: str) -> Scenario:
        """A whole message is in the conversation at the end; one that was cut ends with "—"."""
        return self.expect(f.Remembers(role, text))

    def act(self, act: a.Act) -> Scenario:
        """Add something that happens, as `at` and `after_bot_says` do."""
        self.acts.append(act)
        return self

    def expect(self, expectation: f.Expectation) -> Scenario:
        """Add something that must come of it."""
        self.expectations.append(expectation)
        return self

    @property
    def length_s(self) -> float:
        """For how long it is played, unless the conversation ends before."""
        times = [act.at_s + act.length_s for act in self.acts if isinstance(act, a.Timed)]
        return self.cast.length_s or max([0.0, *times, *(one.until_s for one in self.expectations)]) + TAIL_S
