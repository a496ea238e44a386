"""A scenario played and judged: its expectations, and the invariants of every conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from voicepipe.events import StageFailed
from voicepipe.loader import lifespan_of, load_pipeline
from voicepipe.testing.invariants.all import SILENCE_S, broken
from voicepipe.testing.marbles.exceptions import tracebacks
from voicepipe.testing.player.player import play
from voicepipe.testing.player.transcript import Transcript
from voicepipe.testing.scenario.scenario import Scenario
from voicepipe.testing.simulation.model import Ask

if TYPE_CHECKING:
    from voicepipe.session import Pipeline

__all__ = ["ScenarioFailed", "complaints", "run"]


class ScenarioFailed(AssertionError):
    """A conversation did not go as the scenario says. The message has what was expected, what happened instead, each
    exception that a stage raised, with its line and its traceback, and the whole conversation."""


def run(
    scenario: Scenario,
    pipeline: str | Pipeline | None = None,
    *,
    model: Ask | None = None,
    lifespan: Callable[[], AbstractAsyncContextManager[object]] | None = None,
) -> Transcript:
    """Play a scenario, and raise ScenarioFailed unless all went as expected and no invariant broke.

    Args:
        scenario: what happens, and what must come of it.
        pipeline: a function, or what `voicepipe serve` takes for one; None: the default pipeline.
        model: the language model of a simulated user and of a judge, such as `ChatModel(url)`; None: the scripted one.
        lifespan: opens what sessions share, such as `lifespan` of the pipeline's module; None: nothing is opened.
    """
    __tracebackhide__ = True
    function = pipeline if callable(pipeline) else load_pipeline(pipeline)
    played = play(scenario, function, model=model, lifespan=lifespan)
    if found := [*complaints(scenario, played)]:
        unopened = _unopened(function) if lifespan is None else ()
        why = [*_reasons(function, played), *unopened]
        # What ended the conversation comes first: it is why nothing else happened.
        told = [*why, "", *found] if played.fatal else ["", *found, *why]
        raise ScenarioFailed("\n".join([scenario.title, *told, "", str(played)]).strip())
    return played


def _reasons(function: Pipeline, played: Transcript) -> Iterator[str]:
    """Yield the mistakes in the declaration and what was raised, each once."""
    causes = [*_causes(played)]
    yield from (one for one in _mistakes(function) if not any(cause.startswith(one) for cause in causes))
    yield from causes


def _unopened(function: Pipeline) -> Iterator[str]:
    """Yield that a server opens more than the scenario has opened."""
    if lifespan_of(function) is not None:
        yield "\nthe pipeline's module has a lifespan, which a server enters; here it is run(…, lifespan=lifespan)"


def _mistakes(function: Pipeline) -> Iterator[str]:
    """Yield what `voicepipe check` says of the pipeline's declaration, with file and line."""
    from voicepipe.trial import check_output, graph_of, unshared

    try:
        graph = graph_of(function)
        check_output(function, graph)
    except Exception as error:  # a PipelineError, whose message has file and line
        yield f"\n{error}"
    else:
        yield from (f"\n{sentence}" for sentence in unshared(graph))


def _causes(played: Transcript) -> Iterator[str]:
    """Yield what was raised meanwhile."""
    for text in tracebacks(failed.error for failed in played.of(StageFailed)):
        yield f"\n{text}"


def complaints(scenario: Scenario, played: Transcript) -> Iterator[str]:
    """Yield a paragraph for each expectation that was not met, for each request that the scripted LLM
    does not know, and for each invariant that broke."""
    for one in scenario.expectations:
        if (instead := one.complaint(played)) is not None:
            yield f"{one}\n    but {instead}"
    yield from dict.fromkeys(played.missed)
    cast = scenario.cast
    silence_s = cast.silence_s or SILENCE_S
    yield from map(str, broken(played, skip=cast.unchecked, silence_s=silence_s, idle_prompts=cast.idle))
