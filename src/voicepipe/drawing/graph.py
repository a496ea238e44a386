"""A graph to draw: boxes, arrows between them, and boxes inside of boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto

__all__ = ["Boundary", "Graph", "Node", "NodeKind", "NodePart", "overview", "run_apart"]


class NodeKind(Enum):
    """The kind of a box."""

    CLIENT = auto()
    """The client: source and destination of a session's events."""
    STAGE = auto()
    """A stage of voicepipe or reactivex."""
    OWN = auto()
    """A stage that the pipeline's own module has written."""
    MODEL = auto()
    """A model or service that the session brings: its engine knows what it is."""
    JOIN = auto()
    """Several streams become one: `merge`, `concat`, `zip`…"""
    INPUT = auto()
    """Inside of a box: what flows into it. It is not drawn."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place at which events leave the synchronous graph: its capacity, and its policy when it is full."""

    capacity: str
    overflow: str


@dataclass(slots=True, eq=False)
class Node:
    """A box. `parameters` is its small print, `gives` the names of the event types that come out, if they are known.

    `inputs` are the boxes whose arrows lead here, the main one first. `shared`: its stream is made once, for all
    subscribers (`share()`). `depth` counts the boxes around it, and `place` is the `file:line` of the pipeline's
    code that made it.
    """

    name: str
    kind: NodeKind
    inputs: list[Node] = field(default_factory=list["Node"])
    parameters: dict[str, str] = field(default_factory=dict[str, str])
    gives: tuple[str, ...] = ()
    boundary: Boundary | None = None
    parts: list[NodePart] = field(default_factory=list["NodePart"])
    shared: bool = False
    depth: int = 0
    place: str = ""


@dataclass(frozen=True, slots=True)
class NodePart:
    """A part of a box: a parameter that is a stage, or a function that returns an observable."""

    name: str
    graph: Graph


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that flows into `output`. `unshared` are boxes that run, and are drawn, once per arrow out of them."""

    output: Node
    unshared: tuple[Node, ...] = ()

    @property
    def nodes(self) -> list[Node]:
        """Each box after those that lead to it, in the order in which the pipeline names them."""
        found: dict[Node, None] = {}
        _visit(self.output, found)
        return list(found)

    @property
    def edges(self) -> Iterator[tuple[Node, Node]]:
        """Each arrow, from and to."""
        for node in self.nodes:
            for source in node.inputs:
                yield source, node

    def find(self, name: str) -> Node:
        """The first box of that name, also inside of others. Raises KeyError."""
        for node in self.everything():
            if node.name == name:
                return node
        raise KeyError(name)

    def everything(self) -> Iterator[Node]:
        """The boxes, each followed by those inside of it."""
        for node in self.nodes:
            yield node
            for part in node.parts:
                yield from part.graph.everything()


def overview(graph: Graph) -> Graph:
    """Return a graph of the same outer boxes that fits beside a text: without small print, types and boundaries.

    Of what is inside of a box only the models remain, in the order of the pipeline.
    """
    small: dict[Node, Node] = {}
    for node in graph.nodes:
        inside = [inner for part in node.parts for inner in part.graph.everything() if inner.kind is NodeKind.MODEL]
        parts = [NodePart("", Graph(Node(model.name, model.kind, depth=1))) for model in inside]
        inputs = [small[source] for source in node.inputs]
        small[node] = Node(node.name, node.kind, inputs, parts=parts, shared=node.shared, depth=node.depth)
    return Graph(small[graph.output])


def run_apart(graph: Graph) -> Graph:
    """Return the graph with a copy of each unshared box for each box that it leads to.

    A stream that is not shared is made anew for each subscriber, with all that leads to it.
    """
    readers: dict[Node, int] = {}
    for source, _ in graph.edges:
        readers[source] = readers.get(source, 0) + 1
    copied = tuple(node for node, count in readers.items() if count > 1 and not node.shared and node.inputs)
    return Graph(_apart(graph.output, {}), copied) if copied else graph


def _apart(node: Node, made: dict[Node, Node]) -> Node:
    once = node.shared or not node.inputs
    if once and node in made:
        return made[node]
    parts = [NodePart(part.name, Graph(_copied(part.graph.output, {}))) for part in node.parts]
    copy = replace(node, inputs=[_apart(source, made) for source in node.inputs], parts=parts)
    if once:
        made[node] = copy
    return copy


def _copied(node: Node, made: dict[Node, Node]) -> Node:
    """Return a copy of a box, of all that leads to it, and of what is inside."""
    if node not in made:
        parts = [NodePart(part.name, Graph(_copied(part.graph.output, {}))) for part in node.parts]
        made[node] = replace(node, inputs=[_copied(source, made) for source in node.inputs], parts=parts)
    return made[node]


def _visit(node: Node, found: dict[Node, None]) -> None:
    for source in node.inputs:
        if source not in found:
            _visit(source, found)
    found.setdefault(node)
