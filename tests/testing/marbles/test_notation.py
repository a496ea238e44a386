"""Marble diagrams as text: what they mean, what is wrong with them, and how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.testing import COLUMN_MS, DiagramError, Kind, Marble, format_diagram, parse
from voicepipe.testing.marbles.notation import SIGNS, format_ms


def shown(text: str) -> list[tuple[float, str]]:
    return [(marble.at_ms, marble.symbol) for marble in parse(text).marbles]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("---", []),
        ("a--b|", [(0, "a"), (60, "b"), (80, "|")]),
        ("a - - b |", [(0, "a"), (60, "b"), (80, "|")]),
        ("a 230ms b#", [(0, "a"), (250, "b"), (270, "#")]),
        ("100ms t 80ms t|", [(100, "t"), (200, "t"), (220, "|")]),
        ("1.5s|", [(1500, "|")]),
        ("-1s-a", [(1040, "a")]),
        ("(ab)c", [(0, "a"), (0, "b"), (20, "c")]),
        ("-(a |)", [(20, "a"), (20, "|")]),
        ("^--!", [(0, "^"), (60, "!")]),
        ("sss__s", [(0, "s"), (20, "s"), (40, "s"), (60, "_"), (80, "_"), (100, "s")]),
        ("1-2", [(0, "1"), (40, "2")]),
        ("a1s", [(0, "a"), (20, "1"), (40, "s")]),
        ("(1s)", [(0, "1"), (0, "s")]),
        ("12.5ms x", [(12.5, "x")]),
        ("a\n b", [(0, "a"), (20, "b")]),
    ],
)
def test_reading(text, expected):
    """Columns are 20 ms, times jump, groups take a column, spaces nothing."""
    assert shown(text) == expected


def test_length():
    """The length of a diagram is where its text ends, items or not."""
    assert parse("a--").length_ms == 60
    assert parse("(abc) 100ms").length_ms == 120


def test_kinds():
    """Signs have kinds of their own; everything else is a value."""
    kinds = [marble.kind for marble in parse("^a#").marbles]
    assert kinds == [Kind.SUBSCRIBED, Kind.NEXT, Kind.ERROR]
    assert parse("--|").at(Kind.COMPLETED) == 40
    assert parse("--|").at(Kind.ERROR) is None


def test_tolerance():
    """A tolerance is about the item, or the group, right after it, and about no other."""
    marbles = parse("100ms±20ms a ±5ms (bc) d").marbles
    assert [(marble.at_ms, marble.tolerance_ms) for marble in marbles] == [(100, 20), (120, 5), (120, 5), (140, 0)]


@pytest.mark.parametrize(
    ("text", "column", "complaint"),
    [
        ("a-(b", 2, "never closed"),
        ("a)", 1, "closes no group"),
        ("(a(b))", 2, "a group within a group"),
        ("(a-b)", 2, "no time passes within a group"),
        ("-()", 2, "an empty group"),
        ("a|b", 2, "nothing can follow '|'"),
        ("a#|", 2, "nothing can follow '#'"),
        ("a ±b", 2, "a tolerance is a time"),
        ("±5ms±5ms a", 4, "stands once"),
        ("±5ms - a", 5, "right before an item"),
        ("a 100ms±5ms", 11, "belongs before an item"),
        ("a\tb", 1, "cannot be a value"),
    ],
)
def test_what_is_wrong(text, column, complaint):
    """A diagram that cannot be read is shown with a caret under the column that is wrong."""
    with pytest.raises(DiagramError, match=complaint) as caught:
        parse(text)
    assert caught.value.column == column
    assert str(caught.value).splitlines()[1:] == [f"    {text}", f"    {' ' * column}^"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a--b|", "a--b|"),
        ("a------------b", "a 240ms b"),
        ("a 10ms (bc)", "a 10ms (bc)"),
        ("2 s", "(2)s"),
        ("-±20ms a", "20ms±20ms a"),
    ],
)
def test_writing(text, written):
    """Long silences and odd times are written out; digits are kept apart from units."""
    assert format_diagram(parse(text).marbles) == written


def test_what_cannot_be_written():
    """Two items less than a column apart, but not at one instant, have no diagram."""
    with pytest.raises(ValueError, match="too close"):
        format_diagram([Marble(0, Kind.NEXT, "a"), Marble(10, Kind.NEXT, "b")])


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(0, "0ms"), (20, "20ms"), (12.5, "12.5ms"), (1000, "1s"), (1230, "1.23s"), (90_000, "90s")],
)
def test_times_as_text(duration_ms, text):
    """Below a second in ms, from there on in s, without needless digits."""
    assert format_ms(duration_ms) == text


letters = st.characters(categories=["L", "N", "P", "S"], exclude_characters="-()±" + "".join(SIGNS))


@st.composite
def timelines(draw: st.DrawFn) -> list[Marble]:
    """Instants with a column or more between them; perhaps an end."""
    at_ms: float = 0
    marbles: list[Marble] = []
    for _ in range(draw(st.integers(0, 8))):
        at_ms = round(at_ms + draw(st.integers(0, 40) | st.integers(0, 10**7)) * draw(st.sampled_from([20, 1, 0.5])), 3)
        tolerance = draw(st.sampled_from([0, 0, 5, 12.5]))
        symbols = draw(st.lists(letters, min_size=1, max_size=3))
        marbles += [Marble(at_ms, Kind.NEXT, symbol, tolerance) for symbol in symbols]
        at_ms += COLUMN_MS
    if end := draw(st.sampled_from(["", "|", "#", "!"])):
        marbles.append(Marble(at_ms, SIGNS[end], end))
    return marbles


@given(timelines())
def test_what_is_written_reads_the_same(marbles):
    """`parse` takes back whatever `format_diagram` has written."""
    assert list(parse(format_diagram(marbles)).marbles) == marbles


@given(st.text(alphabet="ab-|#^!() ±0129.ms\t", max_size=30))
def test_no_text_breaks_the_parser(text):
    """Any text is a diagram or a DiagramError, and the items of a diagram are in order."""
    try:
        times = [marble.at_ms for marble in parse(text).marbles]
    except DiagramError as wrong:
        column = wrong.column
    else:
        column = 0
        assert times == sorted(times)
    assert 0 <= column <= len(text)
