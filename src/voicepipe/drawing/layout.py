"""The layout of a graph: layers from top to bottom, boxes inside of boxes, arrows that avoid both.

Each box stands one layer below the lowest box that leads to it. An arrow that passes layers by has a place of its
own in each of them, so that it crosses no box; each label has a place below its box, which no arrow crosses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from voicepipe.drawing.graph import Graph, Node, NodeKind
from voicepipe.drawing.spacing import WHOLE, Spacing
from voicepipe.drawing.text import Label, label, title_width, wrapped

__all__ = ["Arrow", "Box", "Drawing", "layout"]

TITLE, LINE = 19.0, 14.0
JOIN = 11.0
"""The radius of a point at which streams join."""
PASSING = 16.0
"""The width of an arrow that passes a layer by."""
STIFF = 6.0
"""The weight of an arrow's position relative to that of a box."""
ABOVE_PART = 18.0


@dataclass(slots=True)
class Box:
    """A node and where it stands: its top left corner, and its size. `inner` are its parts, placed relative to it."""

    node: Node
    width: float
    height: float
    small: list[str]
    label: Label
    pad: float
    inner: list[tuple[str, Drawing]] = field(default_factory=list[tuple[str, "Drawing"]])
    x: float = 0.0
    y: float = 0.0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a box to another one, by way of `points`. The first goes straight down, past the label."""

    source: Box
    target: Box
    points: list[tuple[float, float]]


@dataclass(slots=True)
class Drawing:
    """Boxes and arrows, and the size of it all. `x`, `y`: where it stands in its box."""

    boxes: list[Box]
    arrows: list[Arrow]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


def layout(graph: Graph, spacing: Spacing = WHOLE) -> Drawing:
    """Place a graph, and what is inside of its boxes."""
    boxes = {node: _box(node, spacing) for node in graph.nodes if node.kind is not NodeKind.INPUT}
    return _Layers(boxes, spacing).drawing()


# ---- one box ---------------------------------------------------------------------------------------------------------


def _box(node: Node, spacing: Spacing) -> Box:
    pad = spacing.pad
    if node.kind is NodeKind.JOIN:
        return Box(node, 2 * JOIN, 2 * JOIN, [], label(()), pad)
    inner = [(part.name, layout(part.graph, spacing)) for part in node.parts]
    inner_width = sum(one.width for _, one in inner) + pad * max(0, len(inner) - 1)
    small = _small_print(node, inner_width)
    width = max(title_width(node.name, small) + 2 * pad, inner_width + 2 * pad, spacing.narrowest)
    height = TITLE + LINE * len(small) + pad
    left = (width - inner_width) / 2
    above = ABOVE_PART if any(name for name, _ in inner) else pad / 2
    for _, one in inner:
        one.x, one.y = left, height + above - pad / 2
        left += one.width + pad
    if inner:
        height += above + max(one.height for _, one in inner) + pad / 2
    return Box(node, width, height, small, label(node.gives), pad, inner)


def _small_print(node: Node, width: float) -> list[str]:
    texts = [f"{name} {value}".strip() for name, value in node.parameters.items()]
    lines = wrapped(texts, width)
    if node.boundary is not None:
        policy = f", then {node.boundary.overflow}" if node.boundary.overflow else ""
        lines.append(f"holds {node.boundary.capacity}{policy}")
    return lines


# ---- the layers of one graph -----------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Slot:
    """A place in a layer, for a box or for an arrow that passes by, and the slots that it connects to."""

    box: Box | None
    width: float
    above: list[_Slot] = field(default_factory=list["_Slot"])
    below: list[_Slot] = field(default_factory=list["_Slot"])
    x: float = 0.0
    """Its middle."""


class _Layers:
    def __init__(self, boxes: dict[Node, Box], spacing: Spacing) -> None:
        self._boxes, self._gap_y = list(boxes.values()), spacing.gap_y
        depth: dict[Node, int] = {}
        for node in boxes:
            depth[node] = 1 + max((depth[source] for source in node.inputs if source in boxes), default=-1)
        self._slots = {box.node: _Slot(box, _room(box, spacing)) for box in self._boxes}
        self._layers: list[list[_Slot]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for node in boxes:
            self._layers[depth[node]].append(self._slots[node])
        self._ways = [
            (source, node, self._way(self._slots[source], self._slots[node], depth[source], depth[node]))
            for node in boxes
            for source in node.inputs
            if source in boxes
        ]

    def drawing(self) -> Drawing:
        self._order()
        self._spread()
        self._straighten()
        heights = self._stack()
        left = min((slot.x - slot.width / 2 for layer in self._layers for slot in layer), default=0.0)
        for layer in self._layers:
            for slot in layer:
                slot.x -= left
                if slot.box is not None:
                    slot.box.x = slot.x - slot.box.width / 2
        width = max((slot.x + slot.width / 2 for layer in self._layers for slot in layer), default=0.0)
        return Drawing(self._boxes, [self._arrow(*way, heights) for way in self._ways], width, heights[-1])

    def _way(self, source: _Slot, target: _Slot, above: int, below: int) -> list[_Slot]:
        """The slots that an arrow goes through."""
        way = [source, *(_Slot(None, PASSING) for _ in range(above + 1, below)), target]
        for depth, slot in enumerate(way[1:-1], start=above + 1):
            self._layers[depth].append(slot)
        for upper, lower in pairwise(way):
            upper.below.append(lower)
            lower.above.append(upper)
        return way

    # -- from left to right --------------------------------------------------------------------------------------------

    def _order(self) -> None:
        """Few crossings: each slot where those that it connects to are, on average; of several tries the best."""
        best, fewest = [layer.copy() for layer in self._layers], self._crossings()
        for sweep in range(12):
            down = sweep % 2 == 0
            for layer in self._layers if down else reversed(self._layers):
                self._sort(layer, down)
            if (crossings := self._crossings()) < fewest:
                best, fewest = [layer.copy() for layer in self._layers], crossings
        self._layers = best

    def _sort(self, layer: list[_Slot], down: bool) -> None:
        place = self._places()
        wanted = {slot: _mean([place[other] for other in (slot.above if down else slot.below)]) for slot in layer}
        layer.sort(key=lambda slot: (place[slot] if wanted[slot] is None else wanted[slot], slot.box is None))

    def _places(self) -> dict[_Slot, float]:
        return {slot: index for layer in self._layers for index, slot in enumerate(layer)}

    def _crossings(self) -> int:
        place = self._places()
        count = 0
        for layer in self._layers:
            steps = [(place[slot], place[other]) for slot in layer for other in slot.below]
            count += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(steps, 2))
        return count

    def _spread(self) -> None:
        """Move each slot to the middle of the slots that it connects to, without changing the order in a layer."""
        for layer in self._layers:
            _apart(layer, [0.0] * len(layer))
        for sweep in range(24):
            down = sweep % 2 == 0
            for layer in self._layers if down else reversed(self._layers):
                wanted = [_mean([other.x for other in _neighbours(slot, down)]) for slot in layer]
                _apart(layer, [slot.x if x is None else x for slot, x in zip(layer, wanted, strict=True)])

    def _straighten(self) -> None:
        """Arrows that pass by without a bend, where there is room; the outermost first, which have it."""
        middle = _mean([slot.x for slot in self._slots.values()]) or 0.0
        lanes = [way[1:-1] for _, _, way in self._ways if len(way) > 2]
        for passing in sorted(lanes, key=lambda slots: -max(abs(slot.x - middle) for slot in slots)):
            for x in sorted({slot.x for slot in passing}, reverse=True):
                if all(self._is_free(slot, x) for slot in passing):
                    for slot in passing:
                        slot.x = x
                    break

    def _is_free(self, slot: _Slot, x: float) -> bool:
        layer = next(layer for layer in self._layers if slot in layer)
        index = layer.index(slot)
        left, right = layer[:index][-1:], layer[index + 1 :][:1]
        return all(x - one.x >= (slot.width + one.width) / 2 - 0.1 for one in left) and all(
            one.x - x >= (slot.width + one.width) / 2 - 0.1 for one in right
        )

    # -- from top to bottom --------------------------------------------------------------------------------------------

    def _stack(self) -> list[float]:
        """The top of each layer, and the bottom of the last."""
        tops = [0.0]
        for depth, layer in enumerate(self._layers):
            boxes = [slot.box for slot in layer if slot.box is not None]
            tall = max((box.height for box in boxes), default=0.0)
            for box in boxes:
                box.y = tops[-1] + (tall - box.height) / 2
            last = depth == len(self._layers) - 1
            labels = max((box.label.height for box in boxes), default=0.0)
            tops.append(tops[-1] + tall + (0.0 if last else labels + self._gap_y))
        return tops

    def _arrow(self, source: Node, target: Node, way: list[_Slot], tops: list[float]) -> Arrow:
        first, last = self._slots[source], self._slots[target]
        start, end = first.box, last.box
        assert start is not None
        assert end is not None
        depth = next(number for number, layer in enumerate(self._layers) if first in layer)
        points = [(first.x, start.y + start.height)]
        for number, slot in enumerate(way):
            if number < len(way) - 1:
                points.append((slot.x, tops[depth + number + 1] - self._gap_y))
            if number > 0:
                points.insert(-1 if number < len(way) - 1 else len(points), (slot.x, tops[depth + number]))
        ports = sorted(last.above, key=lambda slot: slot.x)
        shift = 0.0 if end.node.kind is NodeKind.JOIN else (ports.index(way[-2]) - (len(ports) - 1) / 2) * 16
        points[-1] = (last.x + shift, end.y)
        return Arrow(start, end, points)


def _neighbours(slot: _Slot, down: bool) -> list[_Slot]:
    """Whom a slot would stand in line with: an arrow that passes by, with the rest of that arrow."""
    if slot.box is None:
        passing = [other for other in (*slot.above, *slot.below) if other.box is None]
        return passing or [*slot.above, *slot.below]
    return slot.above if down else slot.below


def _room(box: Box, spacing: Spacing) -> float:
    """Return the width of a box in its layer, which is symmetric: its label stands right of its middle."""
    return max(box.width, 2 * (box.label.width + 10)) + spacing.gap_x


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _apart(layer: list[_Slot], wanted: Sequence[float]) -> None:
    """As near to the wanted places as slots of these widths can be, in this order: neighbours that would overlap are
    moved as a block, to the mean of what they want. Boxes make way for arrows, which should be straight."""
    blocks: list[_Block] = []
    for slot, middle in zip(layer, wanted, strict=True):
        weight = 1.0 if slot.box is not None else STIFF
        blocks.append(_Block([slot], middle - slot.width / 2, weight, slot.width))
        while len(blocks) > 1 and blocks[-2].left + blocks[-2].width > blocks[-1].left:
            pushed = blocks.pop()
            blocks[-1].join(pushed)
    for block in blocks:
        left = block.left
        for slot in block.slots:
            slot.x = left + slot.width / 2
            left += slot.width


@dataclass(slots=True)
class _Block:
    """Slots side by side, and where they want to begin."""

    slots: list[_Slot]
    left: float
    weight: float
    width: float

    def join(self, other: _Block) -> None:
        together = self.weight + other.weight
        self.left = (self.left * self.weight + (other.left - self.width) * other.weight) / together
        self.slots += other.slots
        self.weight, self.width = together, self.width + other.width
