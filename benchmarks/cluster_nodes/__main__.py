"""A cluster of three machines on this one, in network namespaces, and what its failures are for eight sessions.

Real Ray processes, one node in each namespace, and a stage of voicepipe without a model on six replicas. A gateway on
the first machine holds eight sessions that talk all the time; the second one is the cluster's head. What is told, and
when: `failures`.

    python -m benchmarks.cluster_nodes           three minutes; needs root, Linux and the extra `cluster`
    python -m benchmarks.cluster_nodes --long    also the two minutes after the head has gone
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cluster_nodes import failures
from benchmarks.cluster_nodes.failures import STAGE, Outcome, failure
from benchmarks.cluster_nodes.namespaces import machines, missing
from benchmarks.cluster_nodes.nodes import Nodes, Talkers, until

LOUDNESS = "benchmarks.cluster_nodes.stages:Loudness"
APP = (
    "stages:\n"
    f"  stt: {{stage: '{LOUDNESS}', replicas: 6, most_per_machine: 2, capacity: %d, cpus: 0.1, drain_s: 6}}\n"
    f"  own: {{stage: '{LOUDNESS}', most_replicas: 3, capacity: 2, cpus: 0.1, scale_down_after_s: 2}}\n"
)
SESSIONS = 8
OTHER = 2
"""The machine without head and gateway."""


def main(words: Sequence[str]) -> int:
    """0 when it was measured; 2 when it cannot be."""
    if why := missing() or ("" if find_spec("ray") else "needs the extra `cluster`"):
        print(why)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the machines are removed
    folder = Path(tempfile.mkdtemp(prefix="vp-"))
    try:
        with machines(folder / "ray") as made, Nodes(made, folder) as nodes:
            nodes.start()
            nodes.deploy(APP % 4)
            with nodes.talkers() as talkers:
                _leases(talkers)
                places = talkers.open(STAGE, SESSIONS)
                print(f"{SESSIONS} sessions at {len(set(places))} replicas", flush=True)
                _let_fail(nodes, talkers, long="--long" in words)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _let_fail(nodes: Nodes, talkers: Talkers, *, long: bool) -> None:
    _tell(failures.replica_killed(nodes, talkers))
    freed_s = failures.gateway_killed(nodes, 4)
    print(f"gateway killed: the places of its 4 sessions were free after {1000 * freed_s:.0f} ms", flush=True)
    outcome, gap_s = failures.slowed(nodes, talkers, OTHER)
    _tell(outcome)
    print(f"  longest gap of its own sessions: {1000 * gap_s:.0f} ms", flush=True)
    failures.have_some_on(nodes, talkers, OTHER, SESSIONS)
    _tell(failures.frozen(nodes, talkers, OTHER))
    up_s, down_s = failures.scaled(nodes, talkers, "own", sessions=5)
    print(f"scaled: places for 5 sessions where there were 2 after {up_s:.1f} s; back after {down_s:.1f} s", flush=True)
    _tell(failures.control_killed(nodes, talkers))
    _tell(failures.updated(nodes, talkers, APP % 5))
    _settle(nodes)
    failures.have_some_on(nodes, talkers, OTHER, SESSIONS)
    _tell(failures.machine_killed(nodes, talkers, OTHER))
    nodes.machines.boot(OTHER)
    nodes.start_node(OTHER)
    print("the machine has joined again", flush=True)
    _settle(nodes)
    failures.have_some_on(nodes, talkers, OTHER, SESSIONS)
    _tell(failures.cut_off(nodes, talkers, OTHER))
    failures.have_some_on(nodes, talkers, nodes.head, SESSIONS)
    _tell(failures.machine_killed(nodes, talkers, nodes.head))
    if long:
        _tell(failure(talkers, "two minutes without a head", lambda: None, watched_s=120, within_s=130))


def _settle(nodes: Nodes) -> None:
    until(lambda: len(nodes.replicas(STAGE)) == 6, within_s=60, what="there are six replicas again")


def _tell(outcome: Outcome) -> None:
    print(outcome.line(), flush=True)


def _leases(talkers: Talkers) -> None:
    times_ms = sorted(1000 * talkers.lease(STAGE)["s"] for _ in range(60))
    print(f"lease: p50 {times_ms[30]:.1f} ms, p95 {times_ms[57]:.1f} ms, worst {times_ms[-1]:.1f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
