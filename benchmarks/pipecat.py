"""The cost of the framework per frame, compared with pipecat: CPU per frame of 20 ms and stage, in the same run.

Compared is carrying frames, nothing else: a chain of stages that let everything pass (in voicepipe `named(…,
transduce(…))`, which is what its stages are made of; in pipecat `FrameProcessor`s that push what they get), with 2 and
with 10 stages. The difference between the two, by 8, is the cost of a stage; the cost of the way in and out drops out
of it. pipecat runs as its documentation has it (`Pipeline`, `PipelineWorker`, `WorkerRunner`), but without what is on
by default and would cost more: RTVI, turn tracking, the idle timer, log lines. Frames are made before the clock
starts.

*Microphone* frames are `Audio` and `InputAudioRawFrame` (in pipecat a system frame: one queue and task per processor);
the *bot's* are `ReplyAudio` and `TTSAudioRawFrame` (a data frame: two of each). *Live*: each frame goes in alone, and
the next when it has come out, as 20 ms lie between two of a conversation. *In a burst*: all at once, as when a TTS
delivers a sentence; waking tasks then costs pipecat less.

Each side is a process of its own; the trials alternate, A B A B …, and the median counts. What is not compared: what
stages do (both call the same kinds of models), and what pipecat's queues are for, a processor that is allowed to wait.
In voicepipe work that waits leaves the graph at a boundary and costs a hop there, once, not at every stage.

pipecat is installed by pip, with your settings, into an environment of its own in your cache folder (about 500 MB,
once).

    python -m benchmarks.pipecat            7 trials each
    python -m benchmarks.pipecat --quick    3 shorter ones
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.common import Progress, Report, Skipped, Table, command
from benchmarks.common.pipecat_environment import VERSION, installed

TRIALS, QUICK_TRIALS = 7, 3
FRAMES, QUICK_FRAMES = 2000, 500
FEW, MANY = 2, 10
KINDS = ("microphone", "bot")
SIDES = Path(__file__).with_name("sides")


class Side:
    """A process that runs trials when asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def trial(self, stages: int, frames: int, kind: str, paced: bool) -> float:
        """CPU in µs per frame."""
        asked = {"stages": stages, "frames": frames, "kind": kind, "paced": paced}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise Skipped(f"a trial broke: {asked}")
        return json.loads(answer) / frames * 1e6


@contextmanager
def _side(python: Path, script: str) -> Generator[Side]:
    line, quiet = [str(python), str(SIDES / script)], {**os.environ, "LOGURU_LEVEL": "ERROR"}
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet) as process:
        try:
            yield Side(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()


@dataclass(slots=True)
class _Case:
    """µs per frame of each trial, by side and number of stages."""

    kind: str
    paced: bool
    ours: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    theirs: dict[int, list[float]] = field(default_factory=dict[int, list[float]])

    @property
    def name(self) -> str:
        return f"{self.kind}, {'live' if self.paced else 'in a burst'}"


def run(progress: Progress, *, quick: bool) -> Report:
    """Ask both sides in turn."""
    trials, frames = (QUICK_TRIALS, QUICK_FRAMES) if quick else (TRIALS, FRAMES)
    cases = [_Case(kind, paced) for paced in (True, False) for kind in KINDS]
    pipecat = installed(progress)
    with ExitStack() as stack:
        ours = stack.enter_context(_side(Path(sys.executable), "with_voicepipe.py"))
        theirs = stack.enter_context(_side(pipecat, "with_pipecat.py"))
        for number in range(trials + 1):  # the first one warms both up
            progress("A B A B …", number, trials + 1)
            for case in cases:
                for stages in (FEW, MANY):
                    for side, found in ((ours, case.ours), (theirs, case.theirs)):
                        us = side.trial(stages, frames, case.kind, case.paced)
                        if number:
                            found.setdefault(stages, []).append(us)
    return _report(cases)


def _per_stage(found: dict[int, list[float]]) -> float:
    return median((many - few) / (MANY - FEW) for few, many in zip(found[FEW], found[MANY], strict=True))


def _report(cases: list[_Case]) -> Report:
    stage = [(case, _per_stage(case.ours), _per_stage(case.theirs)) for case in cases]
    whole = [(case, median(case.ours[MANY]), median(case.theirs[MANY])) for case in cases]
    columns = ("frames", "voicepipe", f"pipecat {VERSION}", "ratio")
    return Report(
        "pipecat",
        "Carrying frames, beside pipecat",
        tables=[
            Table("CPU per frame and stage (µs)", columns, [[c.name, a, b, b / a] for c, a, b in stage]),
            Table(
                f"CPU per frame, way in and out and {MANY} stages (µs)",
                columns,
                [[c.name, a, b, b / a] for c, a, b in whole],
            ),
        ],
        notes=[
            "stages that let everything pass; medians of trials that alternate; the ratio is pipecat / voicepipe",
            f"a conversation has 50 frames a second each way: {MANY} stages take pipecat "
            f"{whole[0][2] * 50 / 1e4:.2f} % of a core for the microphone, voicepipe {whole[0][1] * 50 / 1e4:.2f} %",
        ],
        raw=[{"case": case.name, "voicepipe": case.ours, "pipecat": case.theirs} for case in cases],
    )


if __name__ == "__main__":
    sys.exit(command("pipecat", run, __doc__))
