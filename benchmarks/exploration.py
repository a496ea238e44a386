"""Explored conversations: drawn ones, each played in virtual time in a drawn order, against all invariants.

Half of them have the default pipeline alone, on models in this process and on remote services, half have functions:
quick and slow ones, async and in threads. A piece has a seed of its own, so that a number draws the same conversations
again. What breaks is shrunk and printed as the Python that builds it.

    python -m benchmarks.exploration                        10,000 conversations: about half an hour on two cores
    python -m benchmarks.exploration --cases 200            a look
    python -m benchmarks.exploration --seed 100 --jobs 1    others, on one core
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from voicepipe.presets import INTERRUPTION
from voicepipe.testing import ScenarioFailed, explore
from voicepipe.testing.explored_functions import NAMES, check

PIECE = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Explore in pieces; 1 where an invariant broke."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exploration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", type=int, default=10_000, help="how many conversations")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first piece")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes")
    parser.add_argument("--shrink", action="store_true", help="look for the shortest conversation that breaks: minutes")
    args = parser.parse_args(argv)
    began, broken, done = time.monotonic(), 0, 0
    pieces = range(args.seed, args.seed + max(1, args.cases // PIECE))
    with ProcessPoolExecutor(args.jobs) as pool:
        for piece in as_completed(pool.submit(_explored, seed, min(PIECE, args.cases), args.shrink) for seed in pieces):
            seed, failure = piece.result()
            broken, done = broken + bool(failure), done + 1
            print(f"{done}/{len(pieces)} pieces, seed {seed}: {failure or 'holds'}", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{len(pieces) * min(PIECE, args.cases):,} conversations in {minutes:.1f} min; {broken} pieces broke one")
    return 1 if broken else 0


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
    return seed, ""


if __name__ == "__main__":
    sys.exit(main())
