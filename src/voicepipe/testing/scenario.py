"""Whole conversations as scenarios: what the user says when, what each service does, what must be heard by when.

A scenario is a text that a person who does not program can read and write, a sentence a line::

    Somebody interrupts the bot

    The LLM answers "hello there" with "How are you today?" after 200 ms, 30 ms a word
    at 2 s the user says "hello there"
    at 3.3 s the user says "what time is it"
    by 3.2 s the bot has said "How"
    by 4 s the bot is interrupted
    the bot never says "today?"

or the same in Python::

    (
        Scenario("Somebody interrupts the bot")
        .llm("hello there", "How are you today?", after_s=0.2, word_s=0.03)
        .at(2).user_says("hello there")
        .at(3.3).user_says("what time is it")
        .by(3.2).bot_says("How")
        .by(4).bot_is_interrupted()
        .never().bot_says("today?")
        .run()
    )

It runs in virtual time, a minute in a fraction of a second, with real frames of sound, and every run is checked against
`voicepipe.testing.invariants` as well. The first line is the title, without quotes; ``#`` begins a line of comment.
Times are ``200 ms``, ``2.5 s`` or ``1 min``; ``[…]`` may be left out; "says", "has said" and "said" are the same, and
so with other verbs.

====================================================================  ==================================================
How services behave                                                   Without it
====================================================================  ==================================================
The LLM answers "…" with "…"[ after 200 ms][, 30 ms a word]           "" (it opens) with "Hi!", "..." (the user has
                                                                      long been silent) with "Are you still there?"
The LLM answers anything with "…"[ after 200 ms][, 30 ms a word]      "I see." after 100 ms, all words at once
The LLM calls look(at="the door") at "…"[, saying "…"][ after 1 s]    it calls nothing; often: several at once
The LLM fails at "…"[ after 2 words]                                  it does not
The LLM stalls at "…"[ after 2 words]                                 it does not
The LLM never answers[ "…"]                                           it does
The LLM needs 200 ms to hang up                                       0 s; a cancelled request takes so long to close
The TTS needs 60 ms and speaks 300 ms a word                          just so
The TTS fails after 2 words / at "…"                                  it does not; counted in each reply
The TTS stalls after 2 words / at "…"                                 it does not
The recogniser hears a word 500 ms after it began                     just so
The recogniser needs 50 ms for the last words before a pause          0 s
The recogniser hears "…" as "…"                                       each word as it is
The recogniser never hears a word                                     it hears all
A pause sounds finished to 90 %[ after 60 ms]                         just so
A pause after "…" sounds finished to 20 %                             as any pause; "…" is the word before it
Nobody judges pauses                                                  somebody does
The user speaks 300 ms a word                                         just so
The bot is told "…"                                                   "Be brief."
The client gives no instructions                                      it does
The services are models in this process                               they are far away; models run in threads
The pipeline is "pipelines/echo.py"                                   the default one
The scenario lasts 20 s                                               5 s longer than the last time named
Simultaneous things happen in order number 3                          0: in the order in which they were set
A silence of 15 s is too long                                         just so: of whoever has the floor
Never mind "silence is bounded"                                       all invariants are checked
====================================================================  ==================================================

====================================================================  ==================================================
What happens                                                          What it means
====================================================================  ==================================================
at 2 s the user says "…"                                              in 20 ms frames; it follows what is being said
at 2 s the user coughs[ for 200 ms]                                   a voice without words
at 2 s the microphone is muted / comes back                           nothing is sent at all, meanwhile
at 2 s the network stalls for 400 ms                                  the sound of that time comes in one burst
at 2 s the machine stalls for 100 ms                                  nothing runs for so long, and time goes on
at 2 s the client leaves                                              the session is closed
at 2 s the bot is told "…"                                            the client changes the instructions
at 2 s the recogniser fails                                           for good
300 ms after the bot says "…" the user says "…" / coughs              the first time that the bot says it
300 ms after the bot says "…" the client leaves
====================================================================  ==================================================

====================================================================  ==================================================
What must happen                                                      and what must not
====================================================================  ==================================================
the bot has said "…"                                                  the bot never says "…"
the bot replies / finishes / is interrupted / hangs up                the bot never replies / finishes / hangs up, …
the conversation has ended                                            the conversation never ends
the user was told "…" (a warning, a failure)                          the user is never told "…"
the user was heard saying "…" (a whole turn)                          the user is never heard saying "…"
the LLM was asked "…"                                                 the LLM is never asked "…"
the answer to "…" was cancelled                                       the answer to "…" is never cancelled
the bot has called "…" (a function, by its name)                      the bot never calls "…"
the function "…" has returned (one of the pipeline's own)             the function "…" never returns
a service fails                                                       no service fails
====================================================================  ==================================================

Before these may stand ``by 3 s``, ``after 3 s``, ``from 3 s to 4 s`` or ``between 3 s and 4 s``; behind those of the
left column ``once``, ``twice`` or ``3 times``: exactly so often. And these are about a state:

| from 3 s to 4 s the bot is silent / is speaking
| the bot answers within 700 ms (every turn, from the user's last loud sample to the first sound)
| the bot remembers saying "…" / remembers the user saying "…" (a whole message of the conversation; cut ends it with —)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.testing import acts as a
from voicepipe.testing import behaviour as b
from voicepipe.testing import expectations as x
from voicepipe.testing import facts as f
from voicepipe.testing.cast import Cast, Service
from voicepipe.testing.claims import Claim, Cue, Moment
from voicepipe.testing.sentences import ScenarioError, Sentence, nearest, read

if TYPE_CHECKING:
    from voicepipe.session import Pipeline
    from voicepipe.testing.played import Played

__all__ = ["Scenario", "ScenarioFailed"]

TAIL_S = 5.0
"""For how long a scenario goes on after the last time that it names."""


class ScenarioFailed(AssertionError):
    """It did not go as the scenario says; the message has the sentences, what happened instead, and the whole talk."""


class Scenario:
    """A conversation to be played. Every method that adds a sentence gives the scenario back."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.sentences: list[Sentence | f.Expectation] = []
        self.folder = Path()
        """What the path of a pipeline is relative to."""

    # ---- as text ----------------------------------------------------------------------------------------------------

    @classmethod
    def read(cls, text: str) -> Scenario:
        """The scenario that a text is. Raises ScenarioError with the line that is no sentence."""
        scenario = cls()
        for number, line in enumerate(text.splitlines(), 1):
            sentence = line.strip()
            if not sentence or sentence.startswith("#"):
                continue
            read = _sentence(sentence)
            if read is not None:
                scenario.sentences.append(read)
            elif scenario.title or scenario.sentences or '"' in sentence:
                raise ScenarioError(_unknown(number, line))
            else:
                scenario.title = sentence
        return scenario

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """The scenario in a file. A pipeline that it names is looked for beside it, then from the current folder."""
        file = Path(path)
        try:
            scenario = cls.read(file.read_text("utf-8"))
        except ScenarioError as error:
            raise ScenarioError(f"{file}, {error}") from None
        scenario.title = scenario.title or file.stem
        scenario.folder = file.parent
        return scenario

    def __str__(self) -> str:
        return "\n".join([self.title, "", *map(str, self.sentences)]).strip() + "\n"

    def __repr__(self) -> str:
        return f"Scenario.read({str(self)!r})"

    # ---- how services behave ----------------------------------------------------------------------------------------

    def add(self, *sentences: Sentence | f.Expectation) -> Scenario:
        self.sentences += sentences
        return self

    def llm(
        self,
        asked: str | None,
        answer: str,
        *,
        after_s: float = 0.1,
        word_s: float = 0.0,
        fails_after: int | None = None,
        stalls_after: int | None = None,
    ) -> Scenario:
        """What the LLM answers; None: to anything that nothing else is said of. `…_after` count words."""
        if asked is None:
            return self.add(b.LlmAnswersAnything(answer, after_s, word_s))
        self.add(b.LlmAnswers(asked, answer, after_s, word_s))
        if fails_after is not None:
            self.add(b.LlmFails(asked, fails_after))
        return self if stalls_after is None else self.add(b.LlmStalls(asked, stalls_after))

    def llm_calls(self, asked: str, call: str, *, says: str | None = None, after_s: float | None = None) -> Scenario:
        """A function that the LLM calls, as `look(at="the door")`; what it gave is what the LLM is asked next."""
        return self.add(b.LlmCalls(call, asked, says, after_s))

    def tts(
        self,
        *,
        delay_s: float = 0.06,
        word_s: float = 0.3,
        fails_after: int | None = None,
        stalls_after: int | None = None,
    ) -> Scenario:
        """How the TTS speaks; `…_after` count the words of each reply."""
        self.add(b.TtsSpeaks(delay_s, word_s))
        if fails_after is not None:
            self.add(b.TtsFails(fails_after))
        return self if stalls_after is None else self.add(b.TtsStalls(stalls_after))

    def pause_sounds_finished(self, probability: float, *, after_s: float = 0.06) -> Scenario:
        return self.add(b.PauseSoundsFinished(probability, after_s))

    def never_mind(self, invariant: str) -> Scenario:
        """Do not check this one of `voicepipe.testing.invariants.INVARIANTS`."""
        return self.add(b.NeverMind(invariant))

    def lasts(self, seconds: float) -> Scenario:
        return self.add(b.Lasts(seconds))

    # ---- what happens, and what must --------------------------------------------------------------------------------

    def at(self, at_s: float) -> Moment:
        """`scenario.at(2).user_says("hello")`."""
        return Moment(self, at_s)

    def after_bot_says(self, cue: str, after_s: float) -> Cue:
        """`scenario.after_bot_says("How", 0.3).user_says("stop")`."""
        return Cue(self, after_s, cue)

    def by(self, end_s: float) -> Claim:
        return Claim(self, x.Window(0.0, end_s))

    def between(self, start_s: float, end_s: float) -> Claim:
        return Claim(self, x.Window(start_s, end_s))

    def ever(self, *, times: int | None = None) -> Claim:
        """`scenario.ever(times=3).bot_replies()`."""
        return Claim(self, x.Window(), times)

    def never(self, start_s: float = 0.0, end_s: float = x.END_S) -> Claim:
        return Claim(self, x.Window(start_s, end_s), 0)

    def silent(self, start_s: float, end_s: float) -> Scenario:
        return self.add(f.BotSilent(start_s, end_s))

    def speaking(self, start_s: float, end_s: float) -> Scenario:
        return self.add(f.BotSpeaks(start_s, end_s))

    def answers_within(self, limit_s: float) -> Scenario:
        return self.add(f.AnswersWithin(limit_s))

    def remembers(self, role: str, text: str) -> Scenario:
        """`role` is "user" or "assistant"."""
        return self.add(f.BotRemembersUser(text) if role == "user" else f.BotRemembers(text))

    # ---- running ----------------------------------------------------------------------------------------------------

    @property
    def services(self) -> list[Service]:
        return [one for one in self.sentences if isinstance(one, Service)]

    @property
    def acts(self) -> list[a.Act]:
        return [one for one in self.sentences if isinstance(one, a.Act)]

    @property
    def expectations(self) -> list[f.Expectation]:
        return [one for one in self.sentences if isinstance(one, f.Expectation)]

    @property
    def length_s(self) -> float:
        """For how long it is played, unless the conversation ends before."""
        asked = Cast.of(self.services).length_s
        times = [act.at_s + act.length_s for act in self.acts if isinstance(act, a.Timed)]
        return asked or max([0.0, *times, *(one.until_s for one in self.expectations)]) + TAIL_S

    def play(self, pipeline: str | Pipeline | None = None) -> Played:
        """What comes of it, whatever that is. `pipeline`: a function, or what `voicepipe.loading.load_pipeline` takes;
        None: the one that the scenario names, or the default one."""
        from voicepipe.testing.play import play

        return play(self, pipeline)

    def run(self, pipeline: str | Pipeline | None = None) -> Played:
        """`play`, and raise ScenarioFailed unless all went as expected and no invariant broke."""
        __tracebackhide__ = True
        played = self.play(pipeline)
        if complaints := [*self.complaints(played)]:
            raise ScenarioFailed("\n".join([self.title, "", *complaints, "", str(played)]).strip())
        return played

    def complaints(self, played: Played) -> Iterator[str]:
        """A paragraph for each expectation that was not met, and for each invariant that broke."""
        from voicepipe.testing.invariants import SILENCE_S, broken

        for one in self.expectations:
            if (instead := one.complaint(played)) is not None:
                yield f"{one}\n    but {instead}"
        cast = Cast.of(self.services)
        yield from map(str, broken(played, skip=cast.unchecked, silence_s=cast.silence_s or SILENCE_S))


def _sentence(text: str) -> Sentence | f.Expectation | None:
    return read(text, b.SERVICES) or read(text, a.ACTS) or x.expectation(text)


def _unknown(number: int, line: str) -> str:
    templates = [kind.template for kind in (*b.SERVICES, *a.ACTS, *f.STATES)]
    templates += [f"by {{at_s:time}} {kind.template}" for kind in f.FACTS]
    templates += [template for kind in f.FACTS for template in (kind.template, kind.never)]
    meant = nearest(line, templates)
    return f"line {number}: no such sentence:\n    {line.strip()}\nthe nearest that is known:\n    {meant}"
