"""Conversations drawn by hypothesis, played in every order, and checked against the invariants.

A drawn conversation is a scenario, so that what breaks is shrunk to a few lines of Python that can be kept as a test::

    def test_nothing_breaks():
        explore("pipelines/default.py", cases=300)

Times lie on the grid of the microphone's frames: most things that can happen at the same instant do, and the order
number of the scenario says which is first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from voicepipe.testing.scenario.run import ScenarioFailed, run
from voicepipe.testing.scenario.scenario import Scenario

if TYPE_CHECKING:
    from voicepipe.presets import Interruption
    from voicepipe.session import Pipeline

__all__ = ["conversations", "explore"]

UTTERANCES = ("stop", "hello there", "what time is it", "well I wanted to ask you something")
ACKNOWLEDGEMENTS = ("mhm", "okay", "yeah sure", "I see", "okay no wait", "right but stop")
"""Backchannels of listeners, and utterances that begin like one."""
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
    functions: Collection[str] = (),
    idle: Interruption | None = None,
    seed: int | None = None,
    shrinks: bool = True,
    check: Callable[[Scenario], object] | None = None,
) -> None:
    """Play `cases` drawn conversations.

    Args:
        pipeline: A function, or what `voicepipe serve` takes; None is the default pipeline.
        cases: The number of conversations. The environment variable CI makes them the same each time.
        stalls: Whether services may stop forever; a pipeline without deadlines is then silent forever, too.
        skip: Names of invariants that are not checked.
        functions: Names of the pipeline's own functions, without arguments, which the LLM is to call.
        idle: When the pipeline breaks a silence, and how often in a row; None: that is not checked.
        seed: Draws other conversations for each number; None: as hypothesis does.
        shrinks: Whether the shortest conversation that breaks an invariant is looked for, which takes minutes.
        check: Called in place of `run`.

    Raises:
        ScenarioFailed: The shortest conversation that breaks an invariant, with its code.
    """
    __tracebackhide__ = True
    from voicepipe.loader import load_pipeline

    function = pipeline if callable(pipeline) else load_pipeline(pipeline)

    @settings(
        max_examples=cases,
        derandomize="CI" in os.environ,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        print_blob=False,
    )
    @given(conversations(stalls=stalls, functions=functions))
    def case(scenario: Scenario) -> None:
        __tracebackhide__ = True
        if idle is not None:
            scenario.idle_prompts(idle.idle_after_s, idle.idle_prompts)
        if skip:
            scenario.unchecked(*skip)
        try:
            run(scenario, function) if check is None else check(scenario)
        except ScenarioFailed as failed:
            raise ScenarioFailed(f"{scenario!r}\n\n{failed}") from None

    (case if seed is None else seeded(seed)(case))()


@st.composite
def conversations(draw: st.DrawFn, *, stalls: bool = True, functions: Collection[str] = ()) -> Scenario:
    """Return a strategy of scenarios: users speak, write, cough, acknowledge, interrupt and leave, the bot's voice is
    echoed, settings change, clients request and cancel replies, services are slow or fail, and functions take their
    time.

    There are no expectations: the invariants must hold.

    Args:
        stalls: Services may also stop forever.
        functions: Names of functions that the LLM is to call.
    """
    scenario = Scenario("A drawn conversation")
    for change in [*draw(_services(stalls, sorted(functions))), *draw(_acts())]:
        change(scenario)
    scenario.longest_silence(SILENCE_S).order(draw(st.integers(0, 1000)))
    return scenario.lasts(round(scenario.length_s + SILENCE_S, 3))


# ---- services --------------------------------------------------------------------------------------------------------

Change: TypeAlias = Callable[[Scenario], object]
"""A call of the builder."""


@st.composite
def _services(draw: st.DrawFn, stalls: bool, functions: Sequence[str]) -> list[Change]:
    calls = draw(_calls(functions)) if functions else []
    services = [service for kind in (_llm(), _recogniser(), _tts()) for service in draw(kind)]
    chosen = draw(st.lists(st.sampled_from(sorted(_TROUBLE | (_STALLS if stalls else {}))), max_size=2, unique=True))
    trouble = [(_TROUBLE | _STALLS)[name] for name in chosen]
    # The scripted model in a thread calls no functions.
    where: list[Change] = [Scenario.in_process] if not functions and draw(st.booleans()) else []
    ahead: list[Change] = [lambda s: s.speculations(4)] if draw(st.booleans()) else []
    return [*where, *services, *calls, *trouble, *ahead]


_TROUBLE: dict[str, Change] = {
    "LLM fails at once": lambda s: s.llm_fails("stop"),
    "LLM fails after two words": lambda s: s.llm_fails("hello there", words=2),
    "LLM fails at a silent user": lambda s: s.llm_fails("...", words=1),
    "LLM closes late": lambda s: s.llm_closes_after(0.1),
    "LLM closes very late": lambda s: s.llm_closes_after(0.4),
    "TTS fails at once": lambda s: s.tts_fails(words=0),
    "TTS fails after two words": lambda s: s.tts_fails(words=2),
    "recogniser hears nothing": lambda s: s.recogniser_hears_nothing(),
    "recogniser mishears": lambda s: s.recogniser_mishears("stop", "top"),
    "no instructions": lambda s: s.instructions(None),
}
_STALLS: dict[str, Change] = {
    "LLM stalls after two words": lambda s: s.llm_stalls("hello there", words=2),
    "LLM stalls at once": lambda s: s.llm_stalls("stop"),
    "LLM never answers": lambda s: s.llm_never_answers(),
    "TTS stalls at once": lambda s: s.tts_stalls(words=0),
    "TTS stalls after two words": lambda s: s.tts_stalls(words=2),
}


@st.composite
def _calls(draw: st.DrawFn, functions: Sequence[str]) -> list[Change]:
    """Return the calls with which the LLM answers what the user may say: one or two at once."""
    asked = draw(st.lists(st.sampled_from(UTTERANCES), min_size=1, max_size=3, unique=True))
    return [draw(_call(text, functions)) for text in asked]


@st.composite
def _call(draw: st.DrawFn, asked: str, functions: Sequence[str]) -> Change:
    names = draw(st.lists(st.sampled_from(functions), min_size=1, max_size=2, unique=True))
    says = draw(st.sampled_from(["", "Let me look."]))

    def change(scenario: Scenario) -> None:
        for name in names:
            scenario.llm_calls(asked, name, says=says or None)

    return change


def _ms(*values: int) -> st.SearchStrategy[float]:
    return st.sampled_from([ms / 1000 for ms in values])


@st.composite
def _llm(draw: st.DrawFn) -> list[Change]:
    answer, after_s, word_s = draw(st.sampled_from(ANSWERS)), draw(_ms(0, 100, 400, 2000)), draw(_ms(0, 40, 200, 500))
    opening, opens_s = draw(st.sampled_from(ANSWERS[:3])), draw(_ms(100, 0, 1000))
    return [
        lambda s: s.llm(None, answer, after_s=after_s, word_s=word_s),
        lambda s: s.llm("", opening, after_s=opens_s),
    ]


@st.composite
def _tts(draw: st.DrawFn) -> list[Change]:
    delay_s, word_s = draw(_ms(60, 0, 300)), draw(_ms(300, 20, 80))
    return [lambda s: s.tts(delay_s=delay_s, word_s=word_s)]


@st.composite
def _recogniser(draw: st.DrawFn) -> list[Change]:
    word_s, flush_s = draw(_ms(500, 0, 200, 1200)), draw(_ms(0, 60, 300, 1000))
    finished, verdict_s = draw(st.sampled_from([0.9, 0.2, 0.5, 0.0])), draw(_ms(60, 0, 600))
    judge: Change = lambda s: s.pause_sounds_finished(finished, after_s=verdict_s)
    needs: Change = lambda s: s.recogniser_needs(word_s=word_s, flush_s=flush_s)
    return [needs, judge if finished else Scenario.no_end_of_turn_model]


# ---- acts ------------------------------------------------------------------------------------------------------------


@st.composite
def _acts(draw: st.DrawFn) -> list[Change]:
    """Return the acts in order, with a drawn time between them."""
    acts: list[Change] = []
    at_s = 0.0
    for make, wait_s in draw(st.lists(st.tuples(st.sampled_from(_MAKERS), _WAITS), min_size=1, max_size=7)):
        at_s = round(at_s + wait_s, 3)
        acts.append(make(draw, at_s))
    return acts


_SHORT = st.integers(0, 75).map(lambda frames: frames * STEP_MS / 1000)
_LONG = st.integers(75, 450).map(lambda frames: frames * STEP_MS / 1000)
_WAITS = _SHORT | _SHORT | _LONG


def _says(draw: st.DrawFn, at_s: float) -> Change:
    text = draw(st.sampled_from(UTTERANCES))
    return lambda s: s.at(at_s).user_says(text)


def _falters(draw: st.DrawFn, at_s: float) -> Change:
    """Say two utterances with a pause between them that may end the turn."""
    first, then = draw(st.sampled_from(UTTERANCES)), draw(st.sampled_from(UTTERANCES))
    pause_s = draw(_ms(300, 200, 500, 700))

    def change(scenario: Scenario) -> None:
        resumes_s = at_s + len(first.split()) * scenario.cast.user_word_s + pause_s
        scenario.at(at_s).user_says(first).at(round(resumes_s, 3)).user_says(then)

    return change


def _coughs(draw: st.DrawFn, at_s: float) -> Change:
    lasts_s = draw(_ms(200, 60, 100, 1000))
    return lambda s: s.at(at_s).user_coughs(lasts_s)


def _muted(draw: st.DrawFn, at_s: float) -> Change:
    back = draw(st.booleans())
    return lambda s: s.at(at_s).microphone_comes_back() if back else s.at(at_s).microphone_is_muted()


def _stalled(draw: st.DrawFn, at_s: float) -> Change:
    lasts_s, between_s = draw(_ms(100, 400, 1000)), round(at_s + STEP_MS / 2000, 3)
    if draw(st.booleans()):
        return lambda s: s.at(at_s).network_stalls(lasts_s)
    return lambda s: s.at(between_s).machine_stalls(lasts_s)  # between two frames, so that none is on its way


_CUES = st.sampled_from(["Hi!", "Let", "see,", "long", "story,", "begins", "hear", "Bye!", "still"])


def _cued(draw: st.DrawFn, at_s: float) -> Change:
    del at_s
    cue = draw(_CUES)
    after_s, coughs = draw(_SHORT), draw(st.booleans())
    return lambda s: (
        s.after_bot_says(cue, after_s).user_coughs() if coughs else s.after_bot_says(cue, after_s).user_says("stop")
    )


def _acknowledges(draw: st.DrawFn, at_s: float) -> Change:
    del at_s
    text, cue = draw(st.sampled_from(ACKNOWLEDGEMENTS)), draw(_CUES)
    after_s = draw(_SHORT)
    return lambda s: s.after_bot_says(cue, after_s).user_says(text)


def _echoes(draw: st.DrawFn, at_s: float) -> Change:
    """Echo some of the bot's words into the microphone."""
    del at_s
    first = draw(st.integers(0, 8))
    words = STORY.split()[first : first + draw(st.integers(1, 5))]
    after_s = draw(_ms(200, 60, 400))
    return lambda s: s.after_bot_says(words[0], after_s).user_says(" ".join(words))


def _configured(draw: st.DrawFn, at_s: float) -> Change:
    """Settings change, while timers run: the idle time, turn detection for a while, the voice."""
    idle_s = draw(st.sampled_from([None, 2.0, 5.0, 20.0]))
    what, later_s = draw(st.sampled_from(["idle", "detection", "voice"])), round(at_s + draw(_SHORT), 3)
    if what == "voice":
        return lambda s: s.at(at_s).voice_is_changed("other")
    if what == "idle":
        return lambda s: s.at(at_s).turns_are_detected(idle_s=idle_s)
    return lambda s: s.at(at_s).turns_are_detected(False).at(later_s).turns_are_detected(idle_s=idle_s)


def _told(draw: st.DrawFn, at_s: float) -> Change:
    prompt = draw(st.sampled_from(["Be kind.", "Be silent."]))
    return lambda s: s.at(at_s).bot_is_told(prompt)


def _writes(draw: st.DrawFn, at_s: float) -> Change:
    text = draw(st.sampled_from(UTTERANCES))
    return lambda s: s.at(at_s).user_writes(text)


def _requests(draw: st.DrawFn, at_s: float) -> Change:
    """The client requests a reply, or cancels the one that runs or has just been cut by a voice."""
    cue, after_s = draw(_CUES), draw(_SHORT)
    match draw(st.sampled_from(["asks", "cancels", "cancels a reply"])):
        case "asks":
            return lambda s: s.at(at_s).client_asks_for_a_reply()
        case "cancels":
            return lambda s: s.at(at_s).client_cancels_the_reply()
        case _:
            return lambda s: s.after_bot_says(cue, after_s).client_cancels_the_reply()


def _ends(draw: st.DrawFn, at_s: float) -> Change:
    fails = draw(st.booleans())
    return lambda s: s.at(at_s).recogniser_fails() if fails else s.at(at_s).client_leaves()


# The kinds of acts, and how often each is drawn.
_MAKERS: list[Callable[[Any, float], Change]] = [
    *[_says] * 4,
    *[_falters] * 2,
    *[_cued] * 3,
    *[_stalled] * 2,
    *[_acknowledges] * 2,
    *[_echoes] * 2,
    *[_configured] * 2,
    *[_coughs] * 2,
    *[_requests] * 2,
    _writes,
    _muted,
    _told,
    _ends,
]
