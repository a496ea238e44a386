"""A pipeline's graph, or the sentence that says what is wrong with the pipeline, and in which line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voicepipe.drawing import Graph, Node, NodeKind, trace
from voicepipe.events import ReplyAudio
from voicepipe.loader import PipelineError, is_library, located, users_line
from voicepipe.session import Pipeline
from voicepipe.stage import NotAnObservable, NotCalled, StageError, called, stage_name

__all__ = ["check_output", "graph_of", "mistake", "place_of", "unshared"]

# Operators of reactivex that may hold back any event, so that what comes in need not come out.
_SELECTS = frozenset({"filter", "skip", "skip_until", "skip_while", "take", "take_until", "take_while"})

_KEEPS_NOTHING = frozenset({"filter", "map", "merge", "of_type", "starmap"})


def graph_of(pipeline: Pipeline) -> Graph:
    """The graph that `pipeline` declares. Raises PipelineError where it cannot be built."""
    try:
        return trace(pipeline)
    except Exception as error:
        raise mistake(pipeline, error) from error


def mistake(pipeline: Pipeline, error: Exception) -> PipelineError:
    """Return the fault of `pipeline`, which raised `error`: file and line of the user's code, and a sentence."""
    cause = error.cause if isinstance(error, StageError) else error
    file = _file(pipeline)
    if isinstance(cause, NotAnObservable):
        place = users_line(cause, file)
        if _is_users(cause.stage, file) or not place:
            return PipelineError(str(cause))
        return PipelineError(f"{place}: {stage_name(cause.stage)} {cause.fault}")
    if isinstance(cause, NotCalled) and (place := users_line(cause, file)):
        return PipelineError(f"{place}: {cause}")
    if users_line(cause, file) or isinstance(cause, SyntaxError):
        return PipelineError(located(cause, file))
    said = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    return PipelineError(f"{place_of(pipeline)}: {said}")


def check_output(pipeline: Pipeline, graph: Graph) -> None:
    """Raise PipelineError where the graph shows that the pipeline gives what no client can be sent."""
    for last in graph.output.inputs:
        if _gives(last, ReplyAudio.__name__):
            raise not_encoded(pipeline)
        if _gives(last, "str"):
            raise not_an_event(pipeline, "str")


def unshared(graph: Graph) -> tuple[str, ...]:
    """Return a sentence for each stream that runs twice, with stages that hold a state or do something."""
    return tuple(
        f"{node.place}: {node.name} and what leads to it run once for each of its subscribers; "
        "is share() missing at the end: .pipe(…, share())?"
        for node in graph.unshared
        if _does_something(node)
    )


def _does_something(node: Node) -> bool:
    """Return whether two runs of a stream differ from one: an operator without state may run any number of times."""
    if node.name not in _KEEPS_NOTHING or node.kind is NodeKind.MODEL:
        return True
    return any(_does_something(source) for source in node.inputs if source.inputs and not source.shared)


def not_encoded(pipeline: Pipeline) -> PipelineError:
    """Sound comes out as it is inside of the pipeline."""
    return PipelineError(
        f"{place_of(pipeline)} gives ReplyAudio, which no client can be sent; "
        "is encode missing at the end: .pipe(encode(session.codec))?"
    )


def not_an_event(pipeline: Pipeline, kind: str) -> PipelineError:
    """Something comes out that is no event."""
    return PipelineError(
        f"{place_of(pipeline)} gives a value of type {kind}; a pipeline gives events, such as those of voicepipe.events"
    )


def place_of(pipeline: Any) -> str:
    """The pipeline by its name, its file and its line."""
    return called(pipeline)


def _gives(node: Node, kind: str, seen: frozenset[Node] = frozenset()) -> bool:
    """Return whether events of that type surely come out of a box: it makes them, or passes those that it gets."""
    if kind not in node.gives or node.name in _SELECTS or node in seen:
        return False
    sources = [source for source in node.inputs if kind in source.gives]
    return not sources or any(_gives(source, kind, seen | {node}) for source in sources)


def _file(pipeline: Any) -> Path | None:
    code = getattr(pipeline, "__code__", None)
    return Path(code.co_filename) if code is not None else None


def _is_users(stage: Any, file: Path | None) -> bool:
    """Return whether the user wrote a stage, and its place is what to look at."""
    code = getattr(stage, "__code__", None)
    if code is None:
        return False
    written = Path(code.co_filename)
    return (file is not None and written.parent == file.parent) or not is_library(written)
