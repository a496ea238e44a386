"""Equality of values, and the report of a difference."""

from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from voicepipe.events import Audio, ReplyAudio, ReplyText
from voicepipe.testing import Kind, Recorded
from voicepipe.testing.marbles.compare import compare, same
from voicepipe.testing.marbles.timeline import timeline


@dataclass(frozen=True)
class Holder:
    array: Any


ones = lambda: np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True),
        ("a", "b", False),
        (ones(), ones(), True),
        (ones(), np.ones(4, np.float32), False),
        (ones(), np.ones(3), False),
        (ones(), [1, 1, 1], False),
        ([ones()], [ones()], True),
        ({"a": (ones(), 1)}, {"a": (ones(), 1)}, True),
        ({"a": ones()}, {"b": ones()}, False),
        (Holder(ones()), Holder(ones()), True),
        (Holder(ones()), Holder(2 * ones()), False),
        (ReplyAudio(Audio(ones(), 8000)), ReplyAudio(Audio(ones(), 8000)), True),
        (Audio(ones(), 8000), Audio(ones(), 16000), False),
        (1.0, pytest.approx(1.0 + 1e-9), True),
    ],
)
def test_same(one, other, equal):
    """Arrays, and whatever holds them, are compared sample by sample, shape and dtype included."""
    assert same(one, other) is equal


def record(*items) -> list[Recorded]:
    return [Recorded(at_ms, Kind(kind), value) for at_ms, kind, value in items]


def test_no_difference():
    """No report is made when all is as expected, within tolerances."""
    assert (
        compare(timeline("a 100ms±20ms b|", {}), record((0, "next", "a"), (135, "next", "b"), (140, "completed", None)))
        is None
    )


def test_outside_the_tolerance():
    """A tolerance has an end."""
    assert compare(timeline("±20ms a", {}), record((20.5, "next", "a")))


def test_the_report():
    """Both timelines aligned, the first difference marked, and then every event with its time."""
    actual = record(
        (0, "next", "a"), (60, "next", "x"), (400, "next", "c"), (400, "next", "d"), (420, "completed", None)
    )
    assert compare(timeline("a--b-- 300ms c|", {"a": "a", "b": ReplyText("hi"), "c": "c"}), actual) == dedent("""\
        the first difference is at 60 ms

        expected  a--b 320ms ----c|
        actual    a--x 320ms (cd)|
                     ^

                 0 ms  next          'a'
        -       60 ms  next       b  ReplyText(delta='hi')
        +       60 ms  next          'x'
        -      420 ms  next          'c'
        +      400 ms  next          'c'
        -      440 ms  completed
        +      400 ms  next          'd'
        +      420 ms  completed""")


def test_what_is_missing_and_what_is_too_much():
    """A stream that is shorter or longer than expected differs where it ends."""
    missing = compare(timeline("ab|", {}), record((0, "next", "a")))
    assert missing
    assert "at 20 ms" in missing
    assert "-       20 ms  next          'b'" in missing
    extra = compare(timeline("a", {}), record((0, "next", "a"), (60, "completed", None)))
    assert extra
    assert extra.splitlines()[2:5] == ["expected  a---", "actual    a--|", "             ^"]


def test_unknown_values_get_letters_of_their_own():
    """A value that is not in the diagram is shown as a spare letter, the same for equal values."""
    report = compare(timeline("A", {}), record((0, "next", {"x": 1}), (20, "next", {"x": 1}), (40, "next", 7)))
    assert report
    assert "actual    BBC" in report
    assert "next       B  {'x': 1}" in report


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (None, True),
        (ValueError, True),
        (Exception, True),
        (KeyError, False),
        (ValueError("no"), True),
        (ValueError("yes"), False),
        (Exception("no"), False),
    ],
)
def test_errors(wanted, fits):
    """# fits any error, a class of errors, or an error of the same class and arguments."""
    report = compare(timeline("#", {"error": wanted}), record((0, "error", ValueError("no"))))
    assert (report is None) is fits
