"""Explored conversations: drawn ones, each played in virtual time in a drawn order, against all invariants.

Half of them have the default pipeline alone, on models in this process and on remote services, half have functions:
quick and slow ones, async and in threads. A piece has a seed of its own, so that a number draws the same conversations
again. What breaks is printed as the Python that builds it, with the command that plays its piece again.

    python -m benchmarks.exploration                        10,000 conversations: about half an hour on two cores
    python -m benchmarks.exploration --cases 200            a look
    python -m benchmarks.exploration --seed 100 --jobs 1    others, on one core
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from voicepipe.presets import INTERRUPTION
from voicepipe.testing import ScenarioFailed, explore
from voicepipe.testing.explored_functions import NAMES, check

PIECE = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Explore in pieces; 1 where an invariant broke."""
    args = _arguments(argv)
    cases, seeds = min(PIECE, args.cases), range(args.seed, args.seed + max(1, args.cases // PIECE))
    console, broken = Console(soft_wrap=True), list[int]()
    bars = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                    TimeRemainingColumn(), console=console)  # fmt: skip
    with ProcessPoolExecutor(args.jobs) as pool, bars:
        bar = bars.add_task("conversations", total=len(seeds) * cases)
        for piece in as_completed(pool.submit(_explored, seed, cases, args.shrink) for seed in seeds):
            seed, failure = piece.result()
            bars.advance(bar, cases)
            broken += [seed] if failure else []
            if failure or not console.is_terminal:
                console.print(_told(seed, cases, failure), markup=False, highlight=False)
    minutes = bars.tasks[0].elapsed or 0.0
    print(f"{len(seeds) * cases:,} conversations in {minutes / 60:.1f} min; {len(broken)} pieces broke an invariant")
    return 1 if broken else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exploration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", type=int, default=10_000, help="how many conversations")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first piece")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    parser.add_argument("--shrink", action="store_true", help="look for the shortest conversation that breaks: minutes")
    return parser.parse_args(argv)


def _told(seed: int, cases: int, failure: str) -> str:
    """Return what is told of a piece, with the command that plays it again."""
    if not failure:
        return f"seed {seed}: holds"
    again = f"python -m benchmarks.exploration --cases {cases} --seed {seed} --jobs 1"
    return f"seed {seed}: {failure}\n\nOnce more, or shorter with --shrink: {again}"


def _explored(seed: int, cases: int, shrinks: bool) -> tuple[int, str]:
    try:
        if seed % 2:
            explore(
                cases=cases, stalls=False, functions=NAMES, idle=INTERRUPTION, seed=seed, shrinks=shrinks, check=check
            )
        else:
            explore(cases=cases, stalls=False, idle=INTERRUPTION, seed=seed, shrinks=shrinks)
    except ScenarioFailed as failed:
        return seed, str(failed)
    except Exception:  # the pieces behind it are played all the same
        return seed, traceback.format_exc()
    return seed, ""


if __name__ == "__main__":
    sys.exit(main())
