"""Which stages a pipeline can reach, by its source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from voicepipe.loader import load_pipeline
from voicepipe.session import STAGE_NAMES
from voicepipe.trial import stages_used

PIPELINES = Path(__file__).parents[2] / "pipelines"

HEAD = """\
import functools
from dataclasses import dataclass, replace
from reactivex import merge
from reactivex import operators as rx
from voicepipe import operators as ops, stage_factory
"""

ALL = set(STAGE_NAMES)

Uses = Callable[[str], set[str]]


@pytest.fixture
def uses(tmp_path: Path) -> Uses:
    """The stages used by the pipeline of a module, written from its source."""

    def used(source: str) -> set[str]:
        (tmp_path / "mine.py").write_text(HEAD + dedent(source))
        return set(stages_used(load_pipeline(str(tmp_path / "mine.py"))))

    return used


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("echo", ALL),
        ("dictation", {"llm", "tts"}),
        ("transcript", {"llm", "tts"}),
        ("parrot", {"llm"}),
        ("default", set()),
        ("wake_word", set()),
    ],
)
def test_the_pipelines_that_come_with_voicepipe(name: str, unused: set[str]) -> None:
    """Each uses what its picture shows."""
    assert ALL - stages_used(load_pipeline(str(PIPELINES / f"{name}.py"))) == unused


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def pipeline(session): return session.received", set()),
        ("pipeline = lambda session: session.received.pipe(session.stt)", {"stt"}),
        ("def pipeline(s):\n  if s.id == 'x': return s.received.pipe(s.tts)\n  return s.received", {"tts"}),
        ("def pipeline(s): return s.received.pipe(rx.flat_map(lambda text: s.llm(text)))", {"llm"}),
        (
            "def pipeline(s):\n  def inner():\n    def deeper(): return s.vad\n    return deeper\n  return inner",
            {"vad"},
        ),
        ("def pipeline(s): return [s.tts for _ in range(2)]", {"tts"}),
        ("def pipeline(s): print(s, s.id, s.codec); return s.received", set()),
    ],
)
def test_what_the_function_and_those_inside_of_it_name_is_used(uses: Uses, source: str, expected: set[str]) -> None:
    """Also in a branch that is not taken now, and in what is called at run time only."""
    assert uses(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def ears(session): return session.stt\ndef pipeline(s): return s.received.pipe(ears(s))", {"stt"}),
        ("def f(*, s): return lambda: s.llm\ndef pipeline(session): return f(s=session)", {"llm"}),
        ("def f(x, s=None): return s.tts\nbound = functools.partial(f, 1)\ndef pipeline(s): return bound(s)", {"tts"}),
        ("class Bot:\n  def __init__(self, s): self.llm = s.llm\ndef pipeline(s): return Bot(s)", {"llm"}),
        ("class Bot:\n  def __call__(self, s): return s.vad\npipeline = Bot()", {"vad"}),
        ("class Bot:\n  def run(self, s): return s.tts\npipeline = Bot().run", {"tts"}),
        ("def pipeline(s):\n  def reply(session): return session.llm\n  return reply(s)", {"llm"}),
        ("def f(s, n): return s.stt if n else f(s, n - 1)\ndef pipeline(s): return f(s, 3)", {"stt"}),
        ("@stage_factory()\ndef f(s): return s.llm\ndef pipeline(s): return f(s)", {"llm"}),
        ("def make():\n  def ears(s): return s.vad\n  return lambda s: ears(s)\npipeline = make()", {"vad"}),
    ],
)
def test_a_session_is_followed_into_what_is_called_with_it(uses: Uses, source: str, expected: set[str]) -> None:
    """By position or name, through partials, classes, methods and closures."""
    assert uses(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "def pipeline(s): return getattr(s, 'l' + 'lm')",
        "kept = []\ndef pipeline(s): kept.append(s); return s.received",
        "def pipeline(s):\n  other = s\n  return other.llm",
        "def pipeline(s): return replace(s, id='x')",
        "class Bot:\n  def __init__(self, s): self.session = s\ndef pipeline(s): return Bot(s)",
        "@dataclass\nclass Bot:\n  session: object\ndef pipeline(s): return Bot(s)",
        "import random\ndef f(s): ...\ndef pipeline(s):\n  chosen = f if random.random() else f\n  return chosen(s)",
        "def pipeline(*all): return all[0].received",
        "def pipeline(s): return (lambda x: x.llm)(s)",
        "def pipeline(s): return eval('s.llm')",
        "def pipeline(s): return map(str, *[s])",
        "def pipeline(s): return s.__class__",
        "def log(f):\n  @functools.wraps(f)\n  def w(*a): return f(*a)\n  return w\n@log\ndef pipeline(s): ...",
        "exec('def pipeline(s): return s.received')",
    ],
)  # fmt: skip
def test_where_it_cannot_be_followed_all_stages_count_as_used(uses: Uses, source: str) -> None:
    """A model too many costs time at the start; one too few would fail in a conversation."""
    assert uses(source) == ALL
