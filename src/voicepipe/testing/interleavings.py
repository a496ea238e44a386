"""Conversations that nobody thought of: drawn by hypothesis, played in every order, held against the invariants.

A drawn conversation is a scenario, so that what breaks is shrunk to a short text that can be kept as a test::

    def test_nothing_breaks():
        explore("pipelines/default.py", cases=300)

Times lie on the grid of the microphone's frames: most things that can happen at the same instant do, and the order
number of the scenario says which is first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from voicepipe.testing import acts as a
from voicepipe.testing import behaviour as b
from voicepipe.testing.cast import Service
from voicepipe.testing.scenario import Scenario, ScenarioFailed

if TYPE_CHECKING:
    from voicepipe.session import Pipeline

__all__ = ["conversations", "explore"]

UTTERANCES = ("stop", "hello there", "what time is it", "well I wanted to ask you something")
STORY = "Let me see, that is a long story, and it begins at sea."
ANSWERS = ("Hi!", STORY, f"{STORY} Do you want to hear it?", "Take care. Bye!")
STEP_MS = 20
SILENCE_S = 9.0
"""More than the slowest of the services needs."""


def explore(
    pipeline: str | Pipeline | None = None,
    *,
    cases: int,
    stalls: bool = True,
    skip: Collection[str] = (),
    check: Callable[[Scenario], object] | None = None,
) -> None:
    """Play `cases` drawn conversations; raises ScenarioFailed for the shortest that breaks an invariant, with its text.

    The same cases are drawn each time when the environment variable CI is set. `stalls`: whether services may stop
    answering for ever; a pipeline without deadlines is silent for ever then, too. `skip`: names of invariants that do
    not matter. `check` replaces `Scenario.run`.
    """
    __tracebackhide__ = True
    from voicepipe.loading import load_pipeline

    function = pipeline if callable(pipeline) else load_pipeline(pipeline)

    @settings(
        max_examples=cases,
        derandomize="CI" in os.environ,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        print_blob=False,
    )
    @given(conversations(stalls=stalls))
    def case(scenario: Scenario) -> None:
        __tracebackhide__ = True
        scenario.add(*map(b.NeverMind, skip))
        try:
            scenario.run(function) if check is None else check(scenario)
        except ScenarioFailed as failed:
            raise ScenarioFailed(f"{scenario}\n{failed}") from None

    case()


@st.composite
def conversations(draw: st.DrawFn, *, stalls: bool = True) -> Scenario:
    """Scenarios of users who speak, cough, interrupt, mute themselves and leave, and services that are slow, fail or
    stall; without expectations, as the invariants are what must hold."""
    scenario = Scenario("A drawn conversation")
    scenario.add(*draw(_services(stalls)))
    scenario.add(*draw(_acts()))
    scenario.add(b.SilenceIsTooLong(SILENCE_S), b.Order(draw(st.integers(0, 1000))))
    return scenario.lasts(round(scenario.length_s + SILENCE_S, 3))


# ---- services --------------------------------------------------------------------------------------------------------


@st.composite
def _services(draw: st.DrawFn, stalls: bool) -> list[Service]:
    kinds = [_llm(), _ear(), _tts()]
    services = [service for kind in kinds for service in draw(kind)]
    trouble = draw(st.lists(st.sampled_from(_TROUBLE + _STALLS * stalls), max_size=2, unique_by=type))
    where = [b.InThisProcess()] if draw(st.booleans()) else []
    return [*where, *services, *trouble]


_TROUBLE: list[Service] = [
    b.LlmFails("stop", 0),
    b.LlmFails("hello there", 2),
    b.LlmFails("...", 1),
    b.LlmHangsUpSlowly(0.1),
    b.LlmHangsUpSlowly(0.4),
    b.TtsFails(0),
    b.TtsFails(2),
    b.RecogniserIsDeaf(),
    b.RecogniserMishears("stop", "top"),
    b.NoInstructions(),
]
_STALLS: list[Service] = [
    b.LlmStalls("hello there", 2),
    b.LlmNeverAnswers("stop"),
    b.LlmNeverAnswers(),
    b.TtsStalls(0),
    b.TtsStalls(2),
]


def _ms(*values: int) -> st.SearchStrategy[float]:
    return st.sampled_from([ms / 1000 for ms in values])


@st.composite
def _llm(draw: st.DrawFn) -> list[Service]:
    return [
        b.LlmAnswersAnything(draw(st.sampled_from(ANSWERS)), draw(_ms(0, 100, 400, 2000)), draw(_ms(0, 40, 200, 500))),
        b.LlmAnswers("", draw(st.sampled_from(ANSWERS[:3])), draw(_ms(100, 0, 1000))),
    ]


@st.composite
def _tts(draw: st.DrawFn) -> list[Service]:
    return [b.TtsSpeaks(draw(_ms(60, 0, 300)), draw(_ms(300, 20, 80)))]


@st.composite
def _ear(draw: st.DrawFn) -> list[Service]:
    finished = draw(st.sampled_from([0.9, 0.2, 0.5, 0.0]))
    return [
        b.RecogniserHears(draw(_ms(500, 0, 200, 1200))),
        b.RecogniserFlushes(draw(_ms(0, 60, 300, 1000))),
        b.PauseSoundsFinished(finished, draw(_ms(60, 0, 600))) if finished else b.NobodyJudges(),
    ]


# ---- acts ------------------------------------------------------------------------------------------------------------


@st.composite
def _acts(draw: st.DrawFn) -> list[a.Act]:
    """One after the other, a drawn while between them."""
    acts: list[a.Act] = []
    at_s = 0.0
    for make, wait_s in draw(st.lists(st.tuples(st.sampled_from(_MAKERS), _WAITS), min_size=1, max_size=7)):
        at_s = round(at_s + wait_s, 3)
        acts.append(make(draw, at_s))
    return acts


_SHORT = st.integers(0, 75).map(lambda frames: frames * STEP_MS / 1000)
_LONG = st.integers(75, 450).map(lambda frames: frames * STEP_MS / 1000)
_WAITS = _SHORT | _SHORT | _LONG


def _says(draw: st.DrawFn, at_s: float) -> a.Act:
    return a.UserSays(at_s, draw(st.sampled_from(UTTERANCES)))


def _coughs(draw: st.DrawFn, at_s: float) -> a.Act:
    return a.UserCoughs(at_s, draw(_ms(200, 60, 100, 1000)))


def _muted(draw: st.DrawFn, at_s: float) -> a.Act:
    return draw(st.sampled_from([a.Mutes, a.Unmutes]))(at_s)


def _stalled(draw: st.DrawFn, at_s: float) -> a.Act:
    lasts_s = draw(_ms(100, 400, 1000))
    if draw(st.booleans()):
        return a.NetworkStalls(at_s, lasts_s)
    return a.MachineStalls(round(at_s + STEP_MS / 2000, 3), lasts_s)  # between two frames: none is on its way


def _cued(draw: st.DrawFn, at_s: float) -> a.Act:
    del at_s
    cue = draw(st.sampled_from(["Hi!", "Let", "see,", "long", "story,", "begins", "hear", "Bye!", "still"]))
    after_s = draw(_SHORT)
    return draw(st.sampled_from([a.SaysOnCue(after_s, cue, "stop"), a.CoughsOnCue(after_s, cue)]))


def _told(draw: st.DrawFn, at_s: float) -> a.Act:
    return a.ClientTells(at_s, draw(st.sampled_from(["Be kind.", "Be silent."])))


def _ends(draw: st.DrawFn, at_s: float) -> a.Act:
    return draw(st.sampled_from([a.ClientLeaves, a.RecogniserFails]))(at_s)


_MAKERS: list[Callable[[Any, float], a.Act]] = [
    _says,
    _says,
    _says,
    _says,
    _coughs,
    _coughs,
    _muted,
    _stalled,
    _stalled,
    _cued,
    _cued,
    _cued,
    _told,
    _ends,
]
"""What happens the more often the oftener it is here."""
