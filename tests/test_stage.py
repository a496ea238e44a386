"""The description of a stage, and the error for a wrong one."""

import doctest

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import stage as module
from voicepipe.events import WordRecognised
from voicepipe.operators import by_clause, detect_turns, listen, split_words
from voicepipe.stage import Declared, NotAnObservable, Stage, StageError, called, named, stage_factory, stage_name
from voicepipe.testing import Marbles, ScriptedError


@stage_factory(gives=(WordRecognised,))
def pinched(*, hard: float, why: str = "because") -> Stage[str, WordRecognised]:
    """Ouch."""
    return rx_ops.map(lambda text: WordRecognised(text * int(hard), 0, 1))


def test_a_declared_stage_is_a_stage(marbles: Marbles) -> None:
    """It does what the function that its factory returned does."""
    marbles.expect(marbles.cold("a|").pipe(pinched(hard=2)), "w|", w=WordRecognised("aa", 0, 1))


def test_it_knows_what_it_was_made_with() -> None:
    """The arguments that were given, by parameter; its factory keeps its own name and docstring."""
    stage = pinched(hard=2)
    assert isinstance(stage, Declared)
    assert (stage.declaration.name, stage.declaration.arguments()) == ("pinched", {"hard": 2})
    assert stage.declaration.gives == (WordRecognised,)
    assert (pinched.__name__, pinched.__doc__) == ("pinched", "Ouch.")
    assert repr(stage).startswith("<stage pinched (")


def forgetful(source: Observable[str]) -> Observable[str]:
    source.pipe(rx_ops.map(str.upper))
    return None  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("stage", [named("mine", forgetful), stage_factory()(lambda: forgetful)()])
def test_a_stage_that_returns_no_observable_is_named_with_its_place(stage: Stage[str, str]) -> None:
    """The error names the line that builds the pipeline, not the next stage's."""
    with pytest.raises(NotAnObservable, match=r"test_stage\.py:\d+\) returned None \(is its `return` missing\?\)"):
        reactivex.just("a").pipe(stage)


class Shout:
    def __call__(self, source: Observable[str]) -> Observable[str]:
        return source


def local() -> Stage[str, str]:
    def stage(source: Observable[str]) -> Observable[str]:
        return source

    return stage


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        (split_words(), "split_words"),
        (forgetful, "forgetful"),
        (local(), "local"),
        (rx_ops.map(str), "map"),
        (Shout(), "Shout"),
        (detect_turns(pause_above=0.6, resume_below=0.4), "detect_turns"),
    ],
)
def test_a_stage_is_called_as_what_one_has_written(stage: object, name: str) -> None:
    """The factory, the function, the class, or reactivex's operator; not the wrappers around it."""
    assert stage_name(stage) == name


def test_its_place_is_that_of_the_function() -> None:
    """As an editor understands it."""
    assert called(forgetful).startswith("forgetful (")
    assert called(forgetful).endswith(f"test_stage.py:{forgetful.__code__.co_firstlineno})")
    assert called(Shout()) == "Shout"


def test_a_named_stage_names_its_errors_and_no_others(marbles: Marbles) -> None:
    """An error that has a name keeps it."""
    marbles.expect(
        marbles.cold("#", error=ScriptedError("x")).pipe(named("mine", Shout())),
        "#",
        error=StageError("mine", ScriptedError("x")),
    )
    deeper = StageError("deeper", ScriptedError("x"))
    marbles.expect(marbles.cold("#", error=deeper).pipe(named("mine", Shout())), "#", error=deeper)


def test_a_stage_that_is_fed_what_it_does_not_understand_fails_in_its_name(marbles: Marbles) -> None:
    """`by_clause` wants words, and gets text."""
    clauses = by_clause(first_words=8, min_words=4, max_words=24)
    (failed,) = marbles.record(marbles.cold("w|", w="hi").pipe(clauses))
    assert isinstance(failed.value, StageError)
    assert failed.value.stage == "by_clause"
    assert isinstance(failed.value.cause, AttributeError)


def test_parameters_without_a_default_are_asked_for() -> None:
    """By name."""
    with pytest.raises(TypeError, match=r"listen\(\) missing 1 required keyword-only argument: 'flush_at'"):
        listen(Shout(), Shout())  # pyright: ignore[reportCallIssue]


def test_examples_are_true() -> None:
    """The docstrings' examples run."""
    assert doctest.testmod(module).failed == 0
