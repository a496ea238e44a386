"""The picture: well-formed, complete, and without one thing upon another."""

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from voicepipe.drawing import spacing, svg, trace
from voicepipe.drawing.graph import overview
from voicepipe.drawing.layout import Box, Drawing, layout
from voicepipe.drawing.text import SMALL
from voicepipe.loader import load_pipeline

PIPELINES = sorted((Path(__file__).parents[2] / "pipelines").glob("*.py"))
XML = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{XML}text")]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.stem)
def test_every_box_is_in_the_picture(pipeline: Path) -> None:
    """As XML that can be read."""
    graph = trace(load_pipeline(str(pipeline)))
    shown = texts(svg(graph, pipeline.stem))
    assert {node.name for node in graph.everything() if node.name} <= set(shown)


def test_the_overview_has_the_outer_stages_and_the_models() -> None:
    """In a picture that fits beside a text; no small print, no types, no legend."""
    picture = svg(trace(load_pipeline()), "", small=True)
    stages = [
        "client", "decode", "fill_gaps", "cancel_echo", "listen", "merge", "detect_turns", "respond",
        "hang_up_after", "encode",
    ]  # fmt: skip
    assert set(texts(picture)) == {*stages, "STT", "VAD", "end of turn", "LLM", "TTS"}
    assert float(ElementTree.fromstring(picture).attrib["height"]) <= 500


def test_what_is_told_apart_looks_different() -> None:
    """A dot for a stream that is shared; boundaries, own stages and models, with a legend for those that are there."""
    picture = svg(trace(load_pipeline(str(PIPELINES[0].with_name("transcript.py")))), "")
    assert 'class="fork"' in picture
    assert 'class="boundary"' in picture
    assert "holds 64, then DROP_OLDEST" in texts(picture)
    assert "a boundary, what it holds, and what it does then" in texts(picture)
    assert "written in this pipeline" not in texts(picture)
    own = svg(trace(load_pipeline(str(PIPELINES[0].with_name("moderated.py")))), "")
    assert "written in this pipeline" in texts(own)


def test_names_are_escaped() -> None:
    """A title is no markup."""
    picture = svg(trace(load_pipeline()), "<&>")
    assert ElementTree.fromstring(picture).findtext(f"{XML}title") == "<&>"


def drawings(drawing: Drawing) -> list[Drawing]:
    return [drawing, *(deep for box in drawing.boxes for _, inner in box.inner for deep in drawings(inner))]


@pytest.mark.parametrize("small", [False, True], ids=["whole", "overview"])
@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda path: path.stem)
def test_nothing_stands_upon_anything(pipeline: Path, small: bool) -> None:
    """Neither boxes nor labels nor passing arrows, at any depth."""
    graph = trace(load_pipeline(str(pipeline)))
    for drawing in drawings(layout(overview(graph), spacing.SMALL) if small else layout(graph)):
        areas = [area for box in drawing.boxes for area in _areas(box)]
        for (name, one), (other_name, other) in combinations(areas, 2):
            assert not _overlap(one, other), (name, other_name)
        for arrow in drawing.arrows:
            others = [box for box in drawing.boxes if box not in (arrow.source, arrow.target)]
            assert not [(box.node.name, point) for box in others for point in arrow.points if _within(point, box)]
        for box in drawing.boxes:
            assert box.x >= 0
            assert box.x + box.width <= drawing.width + 1e-6
            assert all(
                inner.x + inner.width <= box.width and inner.y + inner.height <= box.height for _, inner in box.inner
            )


def _areas(box: Box) -> list[tuple[str, tuple[float, float, float, float]]]:
    bottom = box.y + box.height
    label = (box.middle + 8, bottom, box.middle + 8 + box.label.width, bottom + box.label.height)
    return [
        (box.node.name, (box.x, box.y, box.x + box.width, bottom)),
        (f"the label of {box.node.name}", label if box.label.lines else (0, 0, 0, 0)),
    ]


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _within(point: tuple[float, float], box: Box) -> bool:
    return box.x < point[0] < box.x + box.width and box.y < point[1] < box.y + box.height


def test_small_print_fits_into_its_box() -> None:
    """Wrapped where it is long."""
    for drawing in drawings(layout(trace(load_pipeline()))):
        for box in drawing.boxes:
            assert all(len(line) * SMALL <= box.width for line in box.small)
