"""A session's lanes as SVG: rows of some seconds, marbles at their times, texts where there is room."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from voicepipe.drawing.lanes import Lane, Marble, lanes_svg

LANES = [
    Lane("words", [Marble(0.5, "Hello", "user"), Marble(0.55, "there", "user"), Marble(6.0, "<b> & c", "user")]),
    Lane("sound", [Marble(1.0, "", "bot", until_s=7.0, detail="the bot speaks")]),
]


def circles(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r'<circle class="\w+" cx="([\d.]+)"', svg)]


def test_the_picture_is_well_formed_and_says_everything_in_tooltips() -> None:
    svg = lanes_svg(LANES, "a & b", until_s=8.0)
    root = ElementTree.fromstring(svg)
    tips = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert tips[0] == "a & b"
    assert "0.500 s  Hello" in tips
    assert "6.000 s  <b> & c" in tips


def test_a_row_has_its_seconds_and_the_next_goes_on() -> None:
    """A bar that lasts over the edge is drawn in both."""
    svg = lanes_svg(LANES, "x", until_s=8.0, row_s=5.0)
    assert [mark in svg for mark in (">0 s<", ">5 s<", ">10 s<")] == [True, True, True]
    assert svg.count("the bot speaks") == 2
    one, other, third = circles(svg)
    assert one < other
    assert third < other + 400, "one second into its row"


def test_a_text_without_room_is_cut_or_left_out() -> None:
    svg = lanes_svg(LANES, "x", until_s=5.0)
    texts = re.findall(r"<text x=[^>]*>([^<]*)</text>", svg)
    assert texts == ["there"], "`Hello` has 14 pixels until the next marble"


def test_an_empty_session_is_a_picture_too() -> None:
    ElementTree.fromstring(lanes_svg([Lane("words", [])], "x", until_s=0.0))
