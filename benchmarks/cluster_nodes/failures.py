"""Failures of a cluster, and what sessions that talk all the time notice of each.

**Told** is the time from a failure to the error of a session's connection, **again** the time from there to its next
connection. **Others** are the sessions that are not hit; their longest gap is between two steps,
which come every 80 ms.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.cluster_nodes.nodes import Nodes, Talkers, TooSlow, until

__all__ = [
    "Outcome",
    "control_killed",
    "cut_off",
    "failure",
    "frozen",
    "gateway_killed",
    "have_some_on",
    "machine_killed",
    "replica_killed",
    "scaled",
    "slowed",
    "updated",
]

STAGE = "stt"
_WATCHED_S = 2.0
"""The others are watched for at least this long after a failure."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The effects of one failure; times in seconds."""

    name: str
    told_s: list[float]
    again_s: list[float]
    others: int
    lost: int
    """Those of the others whose connection broke."""
    gap_s: float
    lag_s: float
    """The longest time for which the event loop of the sessions was busy, or was not given a core."""
    new_s: float
    """The time that a new session took after it."""

    def line(self) -> str:
        """Return it in words."""
        told, again = (", ".join(f"{1000 * one:.0f}" for one in sorted(each)) for each in (self.told_s, self.again_s))
        return (
            f"{self.name}: told after {told or '-'} ms, again after {again or '-'} ms; of {self.others} others "
            f"{self.lost} lost, longest gap {1000 * self.gap_s:.0f} ms (loop busy for {1000 * self.lag_s:.0f}); "
            f"a new session after {1000 * self.new_s:.0f} ms"
        )


def failure(
    talkers: Talkers,
    name: str,
    fail: Callable[[], object],
    hit: Callable[[str], bool] = lambda _: False,
    *,
    watched_s: float = _WATCHED_S,
    within_s: float = 60.0,
    breaks: bool = True,
) -> Outcome:
    """Let something fail; wait until the sessions that are hit have new connections. Raises TooSlow.

    Args:
        talkers: The sessions.
        name: What fails.
        fail: Lets it fail.
        hit: Whether a session at this place is hit.
        watched_s: The shortest time for which all sessions are watched.
        within_s: The longest.
        breaks: Whether their connections break.
    """
    talkers.mark()
    began_s = time.monotonic()
    fail()

    def over() -> bool:
        done = all(talk["found_s"] for talk in talkers.report()["talks"] if hit(talk["was"]))
        return (done or not breaks) and time.monotonic() - began_s > watched_s

    until(over, within_s=within_s, what=f"{name}: all sessions have a connection again")
    report = talkers.report()
    talks: list[Mapping[str, Any]] = report["talks"]
    those = [talk for talk in talks if hit(talk["was"])]
    others = [talk for talk in talks if not hit(talk["was"])]
    return Outcome(
        name,
        [talk["lost_s"] - began_s for talk in those if talk["lost_s"]],
        [talk["found_s"] - talk["lost_s"] for talk in those if talk["found_s"]],
        len(others),
        sum(talk["lost_s"] is not None for talk in others),
        max((talk["gap_s"] for talk in others), default=0.0),
        report["lag_s"],
        new_session(talkers),
    )


def new_session(talkers: Talkers) -> float:
    """Open a session and end it; return the seconds that it took to open."""
    began_s = time.monotonic()
    talkers.open(STAGE, 1)
    took_s = time.monotonic() - began_s
    talkers.close(STAGE, 1)
    return took_s


def have_some_on(nodes: Nodes, talkers: Talkers, number: int, sessions: int) -> None:
    """Open the sessions anew until there is one on a machine: Serve chooses at random. Raises TooSlow."""
    for _ in range(20):
        if any(map(_on(nodes, number), (str(talk["where"]) for talk in talkers.report()["talks"]))):
            return
        talkers.close(STAGE, sessions)
        talkers.open(STAGE, sessions)
    raise TooSlow(f"no session came to {nodes.machines.addresses[number]}")


def replica_killed(nodes: Nodes, talkers: Talkers) -> Outcome:
    """Kill the replica of a session."""
    place = str(talkers.report()["talks"][0]["where"])
    victim = next(replica for replica in nodes.replicas(STAGE) if replica.place == place)
    return failure(talkers, "replica killed", lambda: os.kill(victim.pid, signal.SIGKILL), place.__eq__)


def control_killed(nodes: Nodes, talkers: Talkers) -> Outcome:
    """Kill the head's book-keeping, and wait until it runs again: no session needs it."""
    killed = nodes.process("gcs_server")
    outcome = failure(talkers, "gcs_server killed", lambda: os.kill(killed, signal.SIGKILL), watched_s=4)
    until(lambda: nodes.process("gcs_server") != killed, within_s=60, what="another gcs_server runs")
    return outcome


def machine_killed(nodes: Nodes, talkers: Talkers, number: int) -> Outcome:
    """Kill all processes of a machine, as when its power fails."""
    name = f"{'head' if number == nodes.head else 'machine'} killed"
    return failure(talkers, name, lambda: nodes.machines.kill(number), _on(nodes, number))


def cut_off(nodes: Nodes, talkers: Talkers, number: int) -> Outcome:
    """Take a machine's cable out."""
    return failure(talkers, "machine cut off", lambda: nodes.machines.cut(number), _on(nodes, number))


def frozen(nodes: Nodes, talkers: Talkers, number: int) -> Outcome:
    """Stop all processes of a machine, until its sessions have gone elsewhere."""
    stop = lambda: nodes.machines.signal(number, signal.SIGSTOP)
    try:
        return failure(talkers, "machine stands still", stop, _on(nodes, number))
    finally:
        nodes.machines.signal(number, signal.SIGCONT)


def slowed(nodes: Nodes, talkers: Talkers, number: int, *, for_s: float = 4.0) -> tuple[Outcome, float]:
    """Let a machine run for a quarter of the time only; return also the longest gap of its own sessions."""
    on = _on(nodes, number)

    def slow() -> None:
        ends_s = time.monotonic() + for_s
        while time.monotonic() < ends_s:
            for what, lasts_s in ((signal.SIGSTOP, 0.15), (signal.SIGCONT, 0.05)):
                nodes.machines.signal(number, what)
                time.sleep(lasts_s)

    try:
        outcome = failure(talkers, "slow machine", slow, on, breaks=False)
    finally:
        nodes.machines.signal(number, signal.SIGCONT)
    talks = talkers.report()["talks"]
    return outcome, max((talk["gap_s"] for talk in talks if on(talk["was"])), default=0.0)


def updated(nodes: Nodes, talkers: Talkers, app: str, *, within_s: float = 60.0) -> Outcome:
    """Replace all replicas, one by one, while sessions that never end have the app's `drain_s`."""
    old = {replica.place for replica in nodes.replicas(STAGE)}
    wait = nodes.deploying(app)
    outcome = failure(talkers, "rolling update", lambda: None, old.__contains__, within_s=within_s)
    wait()
    return outcome


def gateway_killed(nodes: Nodes, sessions: int) -> float:
    """Kill a gateway with sessions of its own; return the seconds until their places are free."""
    before = _taken(nodes)
    with nodes.talkers() as second:
        second.open(STAGE, sessions)
        if _taken(nodes) != before + sessions:
            raise TooSlow(f"{sessions} sessions take {_taken(nodes) - before} places")
    return until(lambda: _taken(nodes) == before, within_s=60, what="the places of a killed gateway are free")


def scaled(nodes: Nodes, talkers: Talkers, stage: str, *, sessions: int) -> tuple[float, float]:
    """Load a stage of one replica until some are added, and take the load away; return the seconds of both.

    The first session stays, also on a replica that is being stopped, and must notice nothing. Raises TooSlow.
    """
    talkers.open(stage, 1)
    talkers.mark()
    began_s = time.monotonic()
    talkers.open(stage, sessions - 1)  # those that are refused come again until there is a place
    up_s = time.monotonic() - began_s
    talkers.close(stage, sessions - 1)
    down_s = until(lambda: talkers.running(stage) == 1, within_s=60, what="one replica runs")
    [first] = [talk for talk in talkers.report()["talks"] if talk["stage"] == stage]
    if first["lost_s"] is not None:
        raise TooSlow(f"a session of {stage} was lost while replicas were stopped")
    talkers.close(stage, 1)
    until(lambda: len(nodes.replicas(stage)) == 1, within_s=60, what="a replica ends when it has no session")
    return up_s, down_s


def _on(nodes: Nodes, number: int) -> Callable[[str], bool]:
    return lambda place: place.rpartition(":")[0] == nodes.machines.addresses[number]


def _taken(nodes: Nodes) -> int:
    return sum(nodes.taken(replica) for replica in nodes.replicas(STAGE))
