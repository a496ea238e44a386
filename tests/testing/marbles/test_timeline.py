"""Diagrams whose letters have values."""

import pytest

from voicepipe.testing import Kind, Recorded
from voicepipe.testing.marbles.timeline import timeline


def values(*script, **names):
    line = timeline(*script, names)
    return [line.value(marble) for marble in line.diagram.marbles]


def test_letters_are_looked_up():
    """A letter without a value stands for itself."""
    assert values("ab1|", a="one") == ["one", "b", "1", None]


@pytest.mark.parametrize("name", ["hello", "|", "-", ""])
def test_words_are_no_letters(name):
    """A value that no diagram could name is a mistake."""
    with pytest.raises(TypeError, match="cannot be a value's name"):
        timeline("a", {name: 1})


def test_errors_have_a_word():
    """`error` is what the sign # stands for."""
    error = ValueError("no")
    assert values("#", error=error) == [error]


def test_values_can_be_added_to_a_timeline():
    """A timeline can be used in place of text, and its letters be given other values."""
    assert values(timeline("ab", {"a": 1, "b": 2}), b=3) == [1, 3]


def test_time_zero_is_at_the_subscription():
    """Items before a ^ are at negative times."""
    assert [marble.at_ms for marble in timeline("a--^b", {}).since_subscription().diagram.marbles] == [-60, 0, 20]


def test_recorded_is_a_tuple_that_reads_well():
    """It equals a plain tuple, and tells its time, kind and value."""
    recorded = Recorded(120, Kind.NEXT, "hi")
    assert recorded == (120, "next", "hi")
    assert str(recorded) == "120 ms  next  'hi'"
    assert str(Recorded(12.5, Kind.COMPLETED, None)) == "12.5 ms  completed"


def test_a_value_without_a_letter_is_an_error():
    """A letter may have been misspelt; a table of many diagrams may have more."""
    with pytest.raises(TypeError, match=r"'a[|]' has no 'b', 'c', for which a value was given"):
        timeline("a|", {"a": 1, "b": 2, "c": 3})
    assert timeline("a|", {"table": {"a": 1, "b": 2}}).values["a"] == 1


def test_a_letter_without_a_value_among_events_is_an_error():
    """It would be a string among events."""
    with pytest.raises(TypeError, match=r"'abc[|]' has 'b', 'c' without a value, while other letters have one"):
        timeline("abc|", {"a": 1})
