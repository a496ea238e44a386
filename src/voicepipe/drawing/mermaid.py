"""A graph as Mermaid text, which many pages and editors draw by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from voicepipe.drawing.graph import Graph, Node, NodeKind
from voicepipe.drawing.text import label

__all__ = ["mermaid"]

_CLASSES = """\
  classDef own stroke:#4a9a62,fill:#4a9a6229
  classDef model stroke:#8e63b8,fill:#8e63b829
  classDef boundary stroke:#c77f2e,stroke-width:2px,stroke-dasharray:6 4
"""


def mermaid(graph: Graph) -> str:
    """Return a Mermaid flowchart from top to bottom, in the order of the pipeline.

    A stage that is made of others is a subgraph.

    Args:
        graph: What `trace` returns.
    """
    writer = _Writer()
    return "\n".join(["flowchart TD", *writer.graph(graph, "  "), _CLASSES])


class _Writer:
    def __init__(self) -> None:
        self._names: dict[Node, str] = {}

    def graph(self, graph: Graph, indent: str) -> Iterator[str]:
        for node in graph.nodes:
            if node.kind is not NodeKind.INPUT:
                yield from self._node(node, indent)
        labelled: set[Node] = set()
        for source, target in graph.edges:
            if source.kind is not NodeKind.INPUT:
                types = "" if source in labelled or source.kind is NodeKind.JOIN else _types(source)
                labelled.add(source)
                yield f"{indent}{self._name(source)} -->{types} {self._name(target)}"

    def _node(self, node: Node, indent: str) -> Iterator[str]:
        name, text = self._name(node), _text(node)
        if node.parts:
            yield f'{indent}subgraph {name}["{text}"]'
            for part in node.parts:
                yield f'{indent}  subgraph {name}_{_id(part.name)}["{_escape(part.name)}"]'
                yield from self.graph(part.graph, indent + "    ")
                yield f"{indent}  end"
            yield f"{indent}end"
        else:
            before, after = {NodeKind.CLIENT: ('(["', '"])'), NodeKind.JOIN: ('(("', '"))')}.get(
                node.kind, ('["', '"]')
            )
            yield f"{indent}{name}{before}{text}{after}"
        if node.kind in (NodeKind.OWN, NodeKind.MODEL):
            yield f"{indent}class {name} {node.kind.name.lower()}"
        if node.boundary is not None:
            yield f"{indent}class {name} boundary"

    def _name(self, node: Node) -> str:
        return self._names.setdefault(node, f"n{len(self._names) + 1}")


def _text(node: Node) -> str:
    small = [f"{name} {value}".strip() for name, value in node.parameters.items()]
    if node.boundary is not None:
        small.append(f"holds {node.boundary.capacity}, then {node.boundary.overflow}")
    if node.shared:
        small.append("shared")
    return "<br/>".join([_escape(node.name), *(f"<small>{_escape(line)}</small>" for line in small)])


def _types(node: Node) -> str:
    lines = label(node.gives).lines
    return f'|"{_escape(", ".join(lines))}"|' if lines else ""


def _id(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _escape(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
