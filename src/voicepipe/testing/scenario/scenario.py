"""Whole conversations as scenarios: what the user says when, what each service does, what is expected by when.

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

Services that a scenario does not mention are quick and do not fail: the LLM opens with "Hi!", says "Are you still
there?" when the user has long been silent ("..."), and "I see." to anything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec

from voicepipe.conversation import ClientInfo, Conversation, DialectName
from voicepipe.events import FunctionCall
from voicepipe.testing.player.acts import Act
from voicepipe.testing.player.script import Answer, Rule, ServiceScript
from voicepipe.testing.scenario import facts
from voicepipe.testing.scenario.builder import Claim, Moment
from voicepipe.testing.scenario.facts import END_S, Expectation, Window
from voicepipe.testing.scenario.steps import arguments, call
from voicepipe.testing.simulation.judge import Judgement
from voicepipe.testing.simulation.user import UserGoal

__all__ = ["Scenario"]

P = ParamSpec("P")

TAIL_S = 5.0
"""The time, in seconds, for which a scenario goes on after the last time in it."""
TURN_S = 20.0
"""The longest time, in seconds, for a turn of a simulated user and its answer."""


def _setting(method: Callable[Concatenate[Scenario, P], None]) -> Callable[Concatenate[Scenario, P], Scenario]:
    """Let a method that changes the services record its call, and return the scenario."""

    @wraps(method)
    def record(self: Scenario, /, *args: P.args, **kwargs: P.kwargs) -> Scenario:
        method(self, *args, **kwargs)
        self.settings.append(f"{method.__name__}({arguments(*args, **kwargs)})")
        return self

    return record


class Scenario:
    """A conversation to be played. Every method that adds something to it returns the scenario."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.cast = ServiceScript()
        # The calls that have changed `cast`.
        self.settings: list[str] = []
        self.acts: list[Act] = []
        self.expectations: list[Expectation] = []

    def __repr__(self) -> str:
        calls = [*self.settings, *map(str, self.acts), *map(str, self.expectations)]
        return "\n    ".join([f"(\n    Scenario({arguments(self.title)})", *(f".{code}" for code in calls)]) + "\n)"

    # ---- the language model -----------------------------------------------------------------------------------------

    @_setting
    def llm(self, asked: str | None, answer: str, *, after_s: float = 0.1, word_s: float = 0.0) -> None:
        """Set the LLM's `answer` to `asked`, `after_s` later and with `word_s` a word.

        `asked` "" is the opening, "..." the idle prompt, and None anything without an answer of its own.
        """
        if asked is None:
            self.cast.anything = Answer(answer, after_s, word_s)
        else:
            self.cast.answers[asked] = Answer(answer, after_s, word_s)

    @_setting
    def llm_when(
        self,
        answer: str | Callable[[Conversation], str],
        *,
        system: str | None = None,
        tools: Sequence[str] | None = None,
        last_user: str | None = None,
        history: Callable[[Conversation], bool] | None = None,
        calls: tuple[str, dict[str, Any]] | None = None,
        after_s: float = 0.1,
        word_s: float = 0.0,
    ) -> None:
        """Set the LLM's answer to each request that has all of these properties; what is left out may be anything.

        The first rule that matches answers, before the answers of `llm`. A scenario with a rule has no other answer to
        what is not scripted: it fails, and says what was asked, unless `llm(None, "…")` answers everything else.

        Args:
            answer: The text, or a function that writes it for the conversation.
            system: A part of the system prompt, in either case of letters.
            tools: Names of functions that are all offered; `[]`: none is.
            last_user: Whole words of the last message, in either case of letters: the user's, the results of functions
                since, or the instructions of a reply that comes unasked. "": the bot opens.
            history: Returns whether the conversation is meant.
            calls: A function and its arguments, which the LLM calls behind its text.
            after_s: The time to the first word, in seconds.
            word_s: The time between words, in seconds.
        """
        given = {"system": system, "tools": tools, "last_user": last_user, "history": history, "calls": calls}
        called = () if calls is None else (FunctionCall("", calls[0], json.dumps(calls[1], ensure_ascii=False)),)
        text, write = (answer, None) if isinstance(answer, str) else ("", answer)
        wanted = None if tools is None else tuple(tools)
        made = Answer(text, after_s, word_s, calls=called)
        self.cast.add_rule(Rule(call("llm_when", answer, **given), made, system, wanted, last_user, history, write))

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
        """Let the LLM call a function; several calls for one question are made at once. The result of a function is the
        LLM's next `asked`."""
        before = self.cast.answers.get(asked)
        first = before if before is not None and before.calls else Answer("")
        function_call = FunctionCall("", function, json.dumps(arguments or {}, ensure_ascii=False))
        begins_s = first.after_s if after_s is None else after_s
        self.cast.answers[asked] = Answer(says or first.text, begins_s, calls=(*first.calls, function_call))

    @_setting
    def llm_fails(self, asked: str, *, words: int = 0) -> None:
        """Let the LLM fail at `asked`, after `words` words of its answer."""
        self.cast.change_answer(asked, fails_after=words)

    @_setting
    def llm_stalls(self, asked: str, *, words: int = 0) -> None:
        """Let the LLM stall at `asked` forever, after `words` words of its answer."""
        self.cast.change_answer(asked, stalls_after=words)

    @_setting
    def llm_never_answers(self) -> None:
        """Let the LLM stall at every request."""
        self.cast.answers, self.cast.anything = {}, Answer("", stalls_after=0)

    @_setting
    def llm_closes_after(self, seconds: float) -> None:
        """Let a cancelled request take `seconds` to close."""
        self.cast.hang_up_s = seconds

    # ---- the synthesiser --------------------------------------------------------------------------------------------

    @_setting
    def tts(self, *, delay_s: float = 0.06, word_s: float = 0.3) -> None:
        """Set the TTS's time to its first sound, and its time a word."""
        self.cast.tts_delay_s, self.cast.tts_word_s = delay_s, word_s

    @_setting
    def tts_fails(self, *, words: int | None = None, at: str | None = None) -> None:
        """Let the TTS fail after `words` words of each reply, or at the word `at`."""
        self.cast.tts_fails_after, self.cast.tts_fails_at = words, at

    @_setting
    def tts_stalls(self, *, words: int | None = None, at: str | None = None) -> None:
        """Let the TTS stall forever after `words` words of each reply, or at the word `at`."""
        self.cast.tts_stalls_after, self.cast.tts_stalls_at = words, at

    # ---- the recogniser and the end-of-turn model -------------------------------------------------------------------

    @_setting
    def recogniser_needs(self, *, word_s: float = 0.5, flush_s: float = 0.0) -> None:
        """Let a word be recognised `word_s` after it began; the last words before a pause take `flush_s` more."""
        self.cast.recogniser_delay_s, self.cast.flush_s = word_s, flush_s

    @_setting
    def recogniser_mishears(self, said: str, heard: str) -> None:
        """Let the recogniser hear the word `said` as `heard`."""
        self.cast.misheard[said] = heard

    @_setting
    def recogniser_hears_nothing(self) -> None:
        """Let the recogniser never recognise a word."""
        self.cast.deaf = True

    @_setting
    def pause_sounds_finished(self, probability: float, *, after_s: float = 0.06) -> None:
        """Let the end-of-turn model return this probability for every pause, `after_s` after the request."""
        self.cast.finished, self.cast.verdict_s = probability, after_s

    @_setting
    def pause_after(self, word: str, probability: float) -> None:
        """Let the end-of-turn model return this probability for a pause after `word`."""
        self.cast.finished_after[word] = probability

    @_setting
    def no_end_of_turn_model(self) -> None:
        """Let silence alone end a turn."""
        self.cast.finished = None

    @_setting
    def speculations(self, per_turn: int) -> None:
        """Let a pipeline with `speculate` begin so many replies ahead in a turn, as it does with embedded models."""
        self.cast.speculations = per_turn

    # ---- the user, the client, the whole ----------------------------------------------------------------------------

    @_setting
    def user_speaks(self, word_s: float) -> None:
        """Let the user take `word_s` for a word."""
        self.cast.user_word_s = word_s

    @_setting
    def user_pursues(self, goal: str, *, max_turns: int = 8, starts: bool = False) -> None:
        """Let a language model play the user, until it says that its goal is reached, gives up, or runs out of turns.

        It answers when a reply of the bot has ended. The scenario ends 5 s after the simulated user has finished. Its
        model is the `model` of `run`, or the scripted LLM: a rule asks for the simulated user's system prompt
        (`llm_when(…, system="You play a user")`).

        Args:
            goal: The goal, in the words in which the model is told it.
            max_turns: How often the user speaks at most.
            starts: The user speaks first; otherwise when the bot has opened.
        """
        self.cast.goal = UserGoal(goal, max_turns, starts)

    @_setting
    def instructions(self, prompt: str | None) -> None:
        """Set the bot's instructions at the start; None: none, so that it waits for the user."""
        self.cast.prompt = prompt

    @_setting
    def client(
        self,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        path: str = "/v1/realtime",
        address: str = "127.0.0.1",
        name: str = "",
        dialect: DialectName = "ga",
        model: str = "",
    ) -> None:
        """Set what the pipeline is told of its client (`session.client`, see `ClientInfo`)."""
        self.cast.client = ClientInfo(query or {}, headers or {}, path, address, name, dialect, model)

    @_setting
    def in_process(self) -> None:
        """Run the services as models in threads of this process, not as remote ones."""
        self.cast.in_process = True

    @_setting
    def lasts(self, seconds: float) -> None:
        """Set the scenario's length; by default it ends 5 s after the last time in it."""
        self.cast.length_s = seconds

    @_setting
    def order(self, number: int) -> None:
        """Draw the order of what happens at one instant; 0 is the order in which it was set."""
        self.cast.order = number

    @_setting
    def longest_silence(self, seconds: float) -> None:
        """Set the limit of the invariant "silence is bounded", which is 15 s."""
        self.cast.silence_s = seconds

    @_setting
    def idle_prompts(self, after_s: float, at_most: int) -> None:
        """Set when the pipeline breaks a silence, for the invariant "a silence is broken in time"."""
        self.cast.idle = (after_s, at_most)

    @_setting
    def unchecked(self, *invariants: str) -> None:
        """Do not check these of `voicepipe.testing.INVARIANTS`."""
        self.cast.unchecked |= set(invariants)

    # ---- what happens, and what must --------------------------------------------------------------------------------

    def at(self, at_s: float) -> Moment[Scenario]:
        """Choose a time: `scenario.at(2).user_says("hello")`, in seconds since the conversation began."""
        return Moment(self.act, at_s)

    def after_bot_says(self, cue: str, after_s: float) -> Moment[Scenario]:
        """Choose a cue: `scenario.after_bot_says("How", 0.3).user_says("stop")`: the first time that the bot says
        it."""
        return Moment(self.act, after_s, cue)

    def by(self, end_s: float, *, times: int | None = None) -> Claim[Scenario]:
        """Expect something at `end_s` at the latest; exactly `times` times if given."""
        return Claim(self.expect, Window(call("by", end_s, times=times), 0.0, end_s, times))

    def after(self, start_s: float, *, times: int | None = None) -> Claim[Scenario]:
        """Expect something from `start_s` on."""
        return Claim(self.expect, Window(call("after", start_s, times=times), start_s, END_S, times))

    def between(self, start_s: float, end_s: float, *, times: int | None = None) -> Claim[Scenario]:
        """Expect something from `start_s` to `end_s`."""
        return Claim(self.expect, Window(call("between", start_s, end_s, times=times), start_s, end_s, times))

    def ever(self, *, times: int | None = None) -> Claim[Scenario]:
        """Expect something at any time: `scenario.ever(times=3).bot_replies()`."""
        return Claim(self.expect, Window(call("ever", times=times), 0.0, END_S, times))

    def never(self, start_s: float | None = None, end_s: float | None = None) -> Claim[Scenario]:
        """Expect that something does not happen, in the whole conversation or from `start_s` to `end_s`."""
        code = call("never", start_s) if end_s is None else call("never", start_s or 0.0, end_s)
        return Claim(self.expect, Window(code, start_s or 0.0, END_S if end_s is None else end_s, 0))

    def silent(self, start_s: float, end_s: float) -> Scenario:
        """Expect that the bot makes no sound from `start_s` to `end_s`."""
        code = call("silent", start_s, end_s)
        return self.expect(Expectation(code, lambda played: facts.not_silent(played, start_s, end_s), end_s))

    def speaking(self, start_s: float, end_s: float) -> Scenario:
        """Expect that the bot is heard from `start_s` to `end_s`, without a break."""
        code = call("speaking", start_s, end_s)
        return self.expect(Expectation(code, lambda played: facts.not_speaking(played, start_s, end_s), end_s))

    def answers_within(self, limit_s: float) -> Scenario:
        """Expect a limit in every turn: from the user's last loud sample to the first sound of the answer."""
        return self.expect(Expectation(call("answers_within", limit_s), lambda played: facts.too_late(played, limit_s)))

    def remembers(self, role: Literal["user", "assistant"], text: str) -> Scenario:
        """Expect a whole message in the conversation at the end; one that was cut ends with "—"."""
        code = call("remembers", role, text)
        return self.expect(Expectation(code, lambda played: facts.not_remembered(played, role, text)))

    def judge(self, statement: str, *, repeats: int = 1, pass_rate: float = 1.0) -> Scenario:
        """Expect that a statement holds of what was said, as a language model judges when the conversation is over.

        The judge is asked for "yes" or "no" with a reason. It is the `model` of `run`, or the scripted LLM: a rule asks
        for the judge's system prompt (`llm_when(…, system="You judge")`).

        Args:
            statement: A sentence: "the bot stays polite".
            repeats: How often the judge is asked.
            pass_rate: The share of "yes" that is needed.
        """
        judgement = Judgement(statement, repeats, pass_rate)
        self.cast.judgements.append(judgement)
        given = {"repeats": None if repeats == 1 else repeats, "pass_rate": None if pass_rate == 1 else pass_rate}
        code = call("judge", statement, **given)
        return self.expect(Expectation(code, lambda played: judgement.complaint(played.verdicts.get(statement, []))))

    def act(self, act: Act) -> Scenario:
        """Add something that happens, as `at` and `after_bot_says` do."""
        self.acts.append(act)
        return self

    def expect(self, expectation: Expectation) -> Scenario:
        """Add an expectation."""
        self.expectations.append(expectation)
        return self

    @property
    def length_s(self) -> float:
        """Return the longest time for which it is played."""
        times = [act.at_s + act.length_s for act in self.acts if act.cue is None]
        goal_s = TURN_S * self.cast.goal.max_turns if self.cast.goal is not None else 0.0
        return self.cast.length_s or max([goal_s, *times, *(one.until_s for one in self.expectations)]) + TAIL_S
