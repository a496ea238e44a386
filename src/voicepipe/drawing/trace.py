"""`trace`: from a pipeline's declaration to a graph, by calling it.

The pipeline function is called with a session of stand-ins. Whatever is piped from these is written down instead of
being done: `stage.TRACER` hears of each declared stage, and `Traced.pipe` of all others. What combines streams without
a `pipe` (`merge`, `concat`, `zip`…) is found in the closures of the observables that it gives. Nothing is subscribed,
no model is loaded, and there is no second description that could be out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np
import reactivex
from reactivex import Observable

from voicepipe.audio import Pcm16
from voicepipe.conversation import Conversation
from voicepipe.drawing import types
from voicepipe.drawing.graph import Boundary, Graph, Node, NodeKind, NodePart, run_apart
from voicepipe.drawing.inside import (
    arguments,
    composed,
    contained,
    held_by,
    is_observable,
    is_share,
    origin,
    printed,
    title,
)
from voicepipe.events import Audio
from voicepipe.session import Pipeline, Session
from voicepipe.stage import TRACER, Declared, NotCalled, checked, is_stage_factory, named, stage_name

__all__ = ["trace"]

JOINS = {
    "merge_all": "merge",
    "merge": "merge",
    "merged": "merge",
    "concat_with_iterable": "concat",
    "combine_latest": "combine_latest",
    "zip": "zip",
}
SAMPLES: dict[str, Any] = {
    "Conversation": Conversation("You are a bot.").user_said("…"),
    "Audio": Audio(np.zeros(480, np.float32), 24_000),
    "str": "…",
}
"""Sample arguments, by type, for functions that return an observable."""


def trace(pipeline: Pipeline) -> Graph:
    """Return the graph that a pipeline declares, from the client to the client.

    Args:
        pipeline: It is called once, with a session of stand-ins; nothing is subscribed.

    Raises:
        NotAnObservable: The pipeline, or a stage in it, returns something else than an observable.
        NotCalled: A stage factory stands in the place of a stage.
        Exception: Whatever the pipeline raises while it is built.
    """
    tracer = _Tracer(getattr(pipeline, "__module__", ""))
    token = TRACER.set(tracer)
    plain, Observable.pipe = Observable.pipe, _traced_pipe(tracer, Observable.pipe)  # type: ignore[method-assign]
    try:
        last = tracer.node_of(checked(pipeline, pipeline(_session(tracer))))
    finally:
        Observable.pipe = plain  # type: ignore[method-assign]
        TRACER.reset(token)
    return run_apart(Graph(Node("client", NodeKind.CLIENT, [last])))


def _traced_pipe(tracer: _Tracer, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Record what is piped from a `merge`, a `defer` or a Subject, too: these are no `Traced`."""

    def pipe(source: Observable[Any], *operators: Callable[[Any], Any]) -> Any:
        caller: str = sys._getframe(1).f_globals.get("__name__", "")  # pyright: ignore[reportPrivateUsage]
        if TRACER.get() is not tracer or caller.startswith("reactivex"):  # which has inner pipes of its own
            return plain(source, *operators)
        return Traced(tracer, tracer.node_of(source)).pipe(*operators)

    return pipe


def _session(tracer: _Tracer) -> Session:
    received = Node("client", NodeKind.CLIENT, gives=("AudioReceived", "SettingsChanged"))
    return Session(
        "drawing",
        Traced(tracer, received),
        Pcm16(),
        vad=_Model("VAD", ("SpeechProbability",)),
        end_of_turn=_Model("end of turn", ("float",)),
        stt=_Model("STT", ("WordRecognised", "Transcribed")),
        llm=_Model("LLM", ("str",)),
        tts=lambda _: _Model("TTS", ("ReplyText", "ReplyAudio", "WordSpoken"), passes=True),
    )


class Traced(Observable[Any]):
    """An observable that never is one: it knows what it would come from."""

    def __init__(self, tracer: _Tracer, node: Node) -> None:
        super().__init__()
        self.node = node
        self._tracer = tracer

    def pipe(self, *operators: Callable[[Any], Any]) -> Any:
        if TRACER.get() is None:
            return super().pipe(*operators)
        traced: Any = self
        for stage in operators:
            traced = traced.pipe(*composed(stage)) if composed(stage) else self._tracer(stage, traced)
        return traced


class _Model:
    """Return a stage of the session, or a function that returns one."""

    def __init__(self, name: str, gives: tuple[str, ...], *, passes: bool = False) -> None:
        self.name, self._gives, self._passes = name, gives, passes

    def given_by(self, flowing: tuple[str, ...]) -> tuple[str, ...]:
        """Return the output for this input."""
        return tuple(dict.fromkeys([*self._gives, *(flowing if self._passes else ())]))

    def __call__(self, asked: Any) -> Observable[Any]:
        tracer = TRACER.get()
        return reactivex.never() if tracer is None else tracer(self, asked)


class _Tracer:
    """Makes a node of each stage that is applied. `module` is the pipeline's own."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._known: dict[int, tuple[Observable[Any], Node]] = {}
        self._depth = 0

    def __call__(self, stage: Any, source: Any) -> Observable[Any]:
        if is_stage_factory(stage):
            raise NotCalled(stage)
        inputs = [self.node_of(cast("Observable[Any]", source))] if isinstance(source, Observable) else []
        if is_share(stage):
            inputs[0].shared = True
            return Traced(self, inputs[0])
        others = self._others(stage) if inputs else []
        traced = Traced(self, self._node(stage, list(dict.fromkeys([*inputs, *others])), source))
        if not (behind := _before(stage)):
            return traced
        make = arguments(stage)[behind]
        return checked(make, make(traced))

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def node_of(self, observable: Observable[Any]) -> Node:
        """The box that an observable comes out of. A plain one is made of what its closure holds."""
        if isinstance(observable, Traced):
            return observable.node
        if id(observable) not in self._known:  # kept with its node, so that its id is not used again
            self._known[id(observable)] = observable, self._unknown(observable)
        return self._known[id(observable)][1]

    def _unknown(self, observable: Observable[Any]) -> Node:
        name = origin(observable)
        if name == "defer":
            return self._made(name, NodeKind.STAGE, [self._deferred(observable)])
        inside = [self.node_of(source) for source in contained(observable)]
        inputs = list(dict.fromkeys(node for one in inside for node in (one.inputs if one.name == LIST else [one])))
        if name == LIST and inputs:
            return self._made(LIST, NodeKind.JOIN, inputs)
        gives = _together(inputs)
        if name in JOINS:
            return self._made(JOINS[name], NodeKind.JOIN, inputs, gives)
        return self._made(name, NodeKind.STAGE, inputs, gives)

    def _deferred(self, observable: Observable[Any]) -> Node:
        """Return the output of the observable that the function of a `defer` returns."""
        make = held_by(getattr(observable, "_subscribe", None))["factory"]
        return self.node_of(checked(make, make(None)))

    def _node(self, stage: Any, inputs: list[Node], asked: Any) -> Node:
        flowing = inputs[0].gives if inputs else ()
        if isinstance(stage, _Model):
            return self._made(stage.name, NodeKind.MODEL, inputs, stage.given_by(flowing))
        given = arguments(stage)
        if _is_named(stage):
            node = self._node(given["stage"], inputs, asked)
            node.name = given["name"]
            return node
        parts, outside = self._parts(stage, given, asked)
        others = [*(self.node_of(value) for value in given.values() if is_observable(value)), *outside]
        gives = types.given_by(stage, flowing) or _together(part.graph.output for part in parts)
        node = self._made(title(stage), self._kind(stage, given), list(dict.fromkeys([*inputs, *others])), gives)
        node.parts = parts
        within = {part.name.split()[0] for part in parts}
        node.parameters = {
            name: text for name, value in given.items() if name not in within and (text := printed(value))
        }
        if "capacity" in node.parameters:
            overflow = node.parameters.pop("overflow", "")
            node.boundary = Boundary(node.parameters.pop("capacity"), overflow)
        return node

    def _made(self, name: str, kind: NodeKind, inputs: list[Node], gives: tuple[str, ...] = ()) -> Node:
        return Node(name, kind, inputs, gives=gives, depth=self._depth, place=self._place())

    def _place(self) -> str:
        """The line of the pipeline's module that is at work."""
        frame = sys._getframe()  # pyright: ignore[reportPrivateUsage]
        while frame is not None and frame.f_globals.get("__name__") != self._module:
            frame = frame.f_back
        return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"

    def _kind(self, stage: Any, given: dict[str, Any]) -> NodeKind:
        """The pipeline's own stage, or an operator of reactivex around a function of its own."""
        if isinstance(stage, Declared):
            modules = [cast("Declared[Any, Any]", stage).declaration.factory.__module__]
        else:
            modules = [getattr(thing, "__module__", "") for thing in (stage, *given.values())]
        return NodeKind.OWN if self._module in modules else NodeKind.STAGE

    # -- what is inside of a stage -------------------------------------------------------------------------------------

    def _others(self, stage: Any) -> list[Node]:
        """Return the inputs of a stage besides its source. It is applied once, to a source that emits nothing: it must
        give an observable, and what else it listens to is found there."""
        token = TRACER.set(None)
        try:
            given = checked(stage, stage(reactivex.never()))
        finally:
            TRACER.reset(token)
        return [traced.node for traced in _traced_in(given)]

    def _parts(self, stage: Any, given: dict[str, Any], asked: Any) -> tuple[list[NodePart], list[Node]]:
        """Return the parts of a stage, and their inputs from outside of the stage."""
        parts: list[NodePart] = []
        outside: list[Node] = []
        for name, value in given.items():
            if name == _before(stage):
                continue
            values = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
            sample = types.asked_of(stage, name)
            for number, one in enumerate(values, start=1):
                if sample is None or not callable(one):
                    continue
                output = self._inside(one, sample, asked)
                outside += _cut_off(output, self._depth)
                if output.depth > self._depth:
                    numbered = name if len(values) == 1 else f"{name} {number}"
                    parts.append(NodePart(_called(numbered, one, output), Graph(output)))
        return parts, outside

    def _inside(self, make: Callable[[Any], Any], sample: str, asked: Any) -> Node:
        """Return the output of the observable that a parameter makes."""
        self._depth += 1
        try:
            if sample == types.STREAM or (sample == types.EITHER and isinstance(asked, Observable)):
                return self.node_of(Traced(self, self._made("", NodeKind.INPUT, [])).pipe(make))
            given = make(asked if sample == types.EITHER else SAMPLES[sample])
            return self.node_of(checked(make, given))
        finally:
            self._depth -= 1


def _cut_off(output: Node, depth: int) -> list[Node]:
    """The boxes outside that those inside listen to: their arrows will lead to the box around."""
    outside: list[Node] = [] if output.depth > depth else [output]
    for node in Graph(output).nodes if output.depth > depth else []:
        if node.depth > depth:
            outside += [one for one in node.inputs if one.depth <= depth]
            node.inputs = [one for one in node.inputs if one.depth > depth]
    return outside


def _traced_in(observable: Observable[Any]) -> Iterator[Traced]:
    for one in contained(observable):
        if isinstance(one, Traced):
            yield one
        else:
            yield from _traced_in(one)


def _together(nodes: Iterable[Node]) -> tuple[str, ...]:
    """All the types that come out of some boxes."""
    return tuple(dict.fromkeys(name for node in nodes for name in node.gives))


def _called(parameter: str, make: object, output: Node) -> str:
    """A parameter, and which function it is, where no box inside of it says so."""
    name = title(make)
    known = isinstance(make, Declared | _Model) or name in (parameter, "λ", output.name)
    return parameter if known else f"{parameter} = {name}"


def _before(stage: object) -> str:
    """The parameter of a stage that is a stage behind it; "" for none."""
    return cast("Declared[Any, Any]", stage).declaration.before if isinstance(stage, Declared) else ""


def _is_named(stage: object) -> bool:
    """Return whether it is another stage with a name of its own."""
    return isinstance(stage, Declared) and stage_name(cast("object", stage)) == named.__name__


LIST = "from_iterable"
"""Holds the sources of a `merge`."""
