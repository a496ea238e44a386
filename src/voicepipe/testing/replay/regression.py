"""A regression test from a recording: Python that pytest runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from voicepipe.loader import load_pipeline
from voicepipe.recording.file import read
from voicepipe.testing.replay.overrides import overridden
from voicepipe.testing.replay.player import replay
from voicepipe.testing.replay.turns import Turn, turns

__all__ = ["assert_turns", "regression_test"]

WITHIN_MS = 50.0
"""The milliseconds by which a turn's latency may differ from the expected one."""


def assert_turns(
    recording: Path,
    expected: Sequence[Turn],
    *,
    pipeline: str | None = None,
    changes: Sequence[str] = (),
    within_ms: float = WITHIN_MS,
) -> None:
    """Run a recorded session again and compare its turns with those that are expected.

    Args:
        recording: The recording's file.
        expected: The turns.
        pipeline: The pipeline, as on the command line; None: the default one.
        changes: Numbers of presets, as `PRESET.field=value`.
        within_ms: How far a latency may be from the expected one.

    Raises:
        AssertionError: A turn is another; the message shows it.
    """
    __tracebackhide__ = True
    with overridden(changes):
        loaded = load_pipeline(pipeline)
        taken = read(recording)  # behind the pipeline, which may have events of its own
        played = replay(taken, loaded, modelled=bool(changes))
    found = turns(played.events, taken.header.at_s)
    for number, (one, other) in enumerate(zip(expected, found, strict=False)):
        assert one.same_as(other, within_ms=within_ms), f"turn {number} is {other!r}, and not {one!r}"
    assert len(expected) == len(found), f"there are {len(found)} turns, and not {len(expected)}: {found!r}"


_TEMPLATE = '''\
"""A recorded session, run again. Made by `voicepipe replay --as-test`."""

from pathlib import Path

from voicepipe.testing.replay import Turn, assert_turns

HERE = Path(__file__).parent

TURNS = [
{turns}
]
"""What was heard and said. Change it to what you want, and the test tells when the pipeline does that."""


def test_the_session_{name}() -> None:
    """The turns are the same, and as fast."""
    assert_turns(
        HERE / {recording!r},
        TURNS,{options}
    )
'''


def regression_test(
    file: Path, recording: Path, expected: Sequence[Turn], *, pipeline: str | None, changes: Sequence[str]
) -> str:
    """Return the source of a test.

    Args:
        file: Where the test will be written: it names the other files from there.
        recording: The recording's file.
        expected: The turns.
        pipeline: The pipeline as on the command line; None: the default one.
        changes: Numbers of presets.
    """
    options = ""
    if pipeline is not None:
        options += f"\n        pipeline={_pipeline(file, pipeline)},"
    if changes:
        options += f"\n        changes={list(changes)!r},"
    return _TEMPLATE.format(
        turns="\n".join(f"    {_written(turn)}," for turn in expected),
        name="".join(letter if letter.isalnum() else "_" for letter in recording.stem.partition("-sess_")[0]).lower(),
        recording=_relative(recording, file.parent),
        options=options,
    )


def _written(turn: Turn) -> str:
    """Return a turn as Python, without the defaults."""
    given = {name: getattr(turn, name) for name in ("heard", "said", "interrupted", "cut_off", "failed")}
    parts = [f"{name}={value!r}" for name, value in given.items() if value]
    if turn.latency_ms is not None:
        parts.append(f"latency_ms={turn.latency_ms:.0f}")
    return f"Turn({', '.join(parts)})"


def _pipeline(file: Path, pipeline: str) -> str:
    target, colon, function = pipeline.rpartition(":")
    path = target if colon else pipeline
    if not path.endswith(".py"):
        return repr(pipeline)
    return f"str(HERE / {_relative(Path(path), file.parent) + (colon and f':{function}')!r})"


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
