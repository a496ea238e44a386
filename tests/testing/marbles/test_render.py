"""Diagrams as pictures."""

from xml.etree import ElementTree

import pytest

from voicepipe.testing import Row, parse, svg

SVG = "{http://www.w3.org/2000/svg}"


def draw(*diagrams: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg([Row(f"row {number}", parse(text)) for number, text in enumerate(diagrams)]))


def texts(picture: ElementTree.Element, kind: str) -> list[str | None]:
    return [element.text for element in picture.iter(f"{SVG}text") if element.get("class") == kind]


def test_every_value_is_a_circle_with_its_letter():
    """Rows have names, values their letters, and the axis times in ms."""
    picture = draw("a--b|", "-<-(xy)")
    assert texts(picture, "value") == ["a", "b", "<", "x", "y"]
    assert len(list(picture.iter(f"{SVG}circle"))) == 5
    assert texts(picture, "name") == ["row 0", "row 1"]
    assert texts(picture, "time") == ["0", "100", "ms"] or texts(picture, "time") == ["0", "ms"]


def test_time_goes_to_the_right():
    """The same time is at the same place in every row, and 20 ms are as wide everywhere."""
    picture = draw("ab-c", "a--c")
    (a, b, c, a2, c2) = [float(circle.get("cx", 0)) for circle in picture.iter(f"{SVG}circle")]
    assert (a, c) == (a2, c2)
    assert c - b == 2 * (b - a)


def test_items_of_an_instant_stand_one_below_the_other():
    """They do not hide each other."""
    first, second = draw("(ab)").iter(f"{SVG}circle")
    assert first.get("cx") == second.get("cx")
    assert first.get("cy") != second.get("cy")


def test_the_same_letter_has_the_same_colour():
    """In all rows."""
    a, b, again = (circle.get("fill") for circle in draw("ab", "-a").iter(f"{SVG}circle"))
    assert a == again != b


@pytest.mark.parametrize(("diagram", "mark"), [("-|", "end"), ("-#", "error"), ("--!", "end"), ("^-", "end")])
def test_signs(diagram, mark):
    """Completion is a bar, an error a cross."""
    assert any(path.get("class") == mark for path in draw(diagram).iter(f"{SVG}path"))


def test_long_silences_are_folded():
    """A minute of nothing takes no more room than two columns, and is written there."""
    picture = draw("a 60s b|")
    assert float(picture.get("width", 0)) < 400
    assert "60s" in texts(picture, "time")


def test_tolerance_is_a_shade():
    """As wide as the tolerance, to both sides."""
    (shade,) = draw("--±20ms a|").iter(f"{SVG}rect")
    (circle,) = draw("--±20ms a|").iter(f"{SVG}circle")
    assert float(shade.get("x", 0)) + float(shade.get("width", 0)) / 2 == float(circle.get("cx", 0))


def test_nothing_is_a_picture_too():
    """No rows, an empty row."""
    assert draw().tag == f"{SVG}svg"
    assert draw("").tag == f"{SVG}svg"


def test_it_is_neutral_to_the_background():
    """Lines and text follow the reader's colour scheme; the background is left open."""
    picture = svg([Row("a", parse("a|"))])
    assert "prefers-color-scheme: dark" in picture
    assert "background" not in picture
