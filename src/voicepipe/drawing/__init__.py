"""A pipeline as a picture, drawn from its declaration and from nothing else."""

from __future__ import annotations

from voicepipe.drawing.graph import Boundary, Graph, Node, NodeKind, NodePart
from voicepipe.drawing.mermaid import mermaid
from voicepipe.drawing.svg import svg
from voicepipe.drawing.trace import trace

__all__ = ["Boundary", "Graph", "Node", "NodeKind", "NodePart", "mermaid", "svg", "trace"]
