"""Failures of a real Ray cluster of three machines, each with a network and processes of its own, one after the other.

The budgets are those of `benchmarks.cluster_nodes`; here a machine may be four times as slow, since it has other work
to do. What does not depend on its speed is exact: which sessions notice something, and what is left.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks.cluster_nodes import failures
from benchmarks.cluster_nodes.failures import STAGE, Outcome
from benchmarks.cluster_nodes.namespaces import machines
from benchmarks.cluster_nodes.nodes import Nodes, Replica, Talkers, until
from cluster_talk import ClusterTalk, talking
from processes import patient_pipeline

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("cluster_nodes"),
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra `cluster`"),
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="network namespaces need Linux and root"),
]

EAR, LLM = "ear", "llm"
"""The stages that the gateway uses; STAGE is that of the sessions that talk all the time."""
SLACK = 4
TOLD_S, CUT_TOLD_S, AGAIN_S, NEW_S, GAP_S = (SLACK * budget_s for budget_s in (0.5, 3.0, 1.0, 1.0, 0.2))
SESSIONS = 5
GATEWAY, HEAD, OTHER = range(3)
APP = """
stages:
  stt: {{stage: "hosted:ToneStt", replicas: 3, most_per_machine: 1, capacity: 8, cpus: 0.1}}
  ear: {{stage: "hosted:ToneStt", replicas: 2, capacity: {capacity}, cpus: 0.1}}
  llm: {{stage: "cluster_stages:PacedLlm", replicas: 2, capacity: 2, cpus: 0.1}}
  own: {{stage: "hosted:ToneStt", most_replicas: 2, capacity: 2, cpus: 0.1, scale_down_after_s: 2}}
"""
DELTA = "response.output_audio_transcript.delta"
HELPERS = Path(__file__).parents[1] / "helpers"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The three machines, sessions that talk all the time, and a folder."""

    nodes: Nodes
    talkers: Talkers
    folder: Path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="vp-"))
    try:
        with machines(folder / "ray") as made, Nodes(made, folder, HELPERS, head=HEAD) as nodes:
            nodes.start()
            nodes.deploy(APP.format(capacity=2))
            with nodes.talkers(GATEWAY) as talkers:
                talkers.open(STAGE, SESSIONS)
                yield Cluster(nodes, talkers, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def gateway(cluster: Cluster) -> Iterator[subprocess.Popen[bytes]]:
    """A whole server on the first machine: recogniser and language model are the cluster's."""
    nodes, log = cluster.nodes, cluster.folder / "gateway.log"
    address = nodes.machines.addresses[GATEWAY]
    program = [sys.executable, "-m", "voicepipe"]
    nodes.run(GATEWAY, [*program, "fake-services"], cluster.folder / "services.log")
    engine = ["--engine", nodes.url, "--stt", f"cluster:{EAR}", "--tts", "ws://127.0.0.1:8089"]
    serve = [*program, "serve", patient_pipeline(cluster.folder), "--host", address, "--workers", "1", *engine]
    process = nodes.run(GATEWAY, serve, log)
    until(lambda: b"Listening on" in log.read_bytes(), within_s=90, what="the gateway listens")
    yield process
    nodes.kill(process)
    process.wait()


def conversation(cluster: Cluster, play: Callable[[ClusterTalk], Awaitable[object]]) -> None:
    """Have a conversation with the gateway; its places are free afterwards."""

    async def main() -> None:
        async with talking(f"http://{cluster.nodes.machines.addresses[GATEWAY]}:8000") as talk:
            await play(talk)

    with cluster.nodes.machines.entered(GATEWAY):
        asyncio.run(main())
    until(lambda: taken(cluster, EAR, LLM) == 0, within_s=20, what="the places of the conversation are free")


def taken(cluster: Cluster, *stages: str) -> int:
    return sum(cluster.nodes.taken(replica) for stage in stages for replica in cluster.nodes.replicas(stage))


def check(outcome: Outcome, *, told_s: float = TOLD_S, hit: bool = True) -> None:
    """Hit sessions are told, and again at work; the others, and new ones, notice nothing."""
    print(outcome.line())  # noqa: T201 — for one who reads why it failed
    assert bool(outcome.told_s) == hit
    assert all(one_s < told_s for one_s in outcome.told_s), outcome
    assert all(one_s < AGAIN_S for one_s in outcome.again_s), outcome
    assert outcome.lost == 0, outcome
    assert outcome.gap_s < GAP_S, outcome
    assert outcome.new_s < NEW_S, outcome


def kill(replica: Replica) -> None:
    os.kill(replica.pid, signal.SIGKILL)


def settled(cluster: Cluster) -> None:
    """Wait until Serve has replaced what was killed."""
    whole = lambda: [len(cluster.nodes.replicas(stage)) for stage in (STAGE, EAR, LLM)] == [3, 2, 2]
    until(whole, within_s=60, what="Serve has replaced what was killed")


async def in_use(cluster: Cluster, stage: str) -> Replica:
    """Return the replica that the gateway uses, of a stage that nothing else uses."""
    async with asyncio.timeout(20):
        while not (busy := await asyncio.to_thread(cluster.nodes.busy, stage)):
            pass
    return busy[0]


# ---- conversations ---------------------------------------------------------------------------------------------------


def test_words_before_and_after_the_death_of_their_recogniser_are_all_heard(
    cluster: Cluster, gateway: subprocess.Popen[bytes]
) -> None:
    """The sound since the last word goes to the next replica."""

    async def play(talk: ClusterTalk) -> None:
        heard, status = await talk.answer("one two")
        assert (heard, status) == ("one two", "completed")
        talk.say("one two three four five six")
        await asyncio.sleep(1.2)
        kill(await in_use(cluster, EAR))
        await talk.until("response.done", 2)
        assert talk.heard() == "one two one two three four five six"

    conversation(cluster, play)
    settled(cluster)


def test_an_answer_that_had_not_begun_comes_from_another_replica_and_one_that_had_ends(
    cluster: Cluster, gateway: subprocess.Popen[bytes]
) -> None:
    async def play(talk: ClusterTalk) -> None:
        talk.say("seven")
        kill(await in_use(cluster, LLM))
        done = await talk.until("response.done")
        assert done["response"]["status"] == "completed"
        await asyncio.to_thread(settled, cluster)
        talk.say("nine")
        await talk.until("response.output_audio_transcript.delta", talk.count(DELTA) + 2)
        kill(await in_use(cluster, LLM))
        done = await talk.until("response.done", 2)
        assert done["response"]["status"] == "failed"
        assert await talk.answer("two three") == ("two three", "completed")

    conversation(cluster, play)
    settled(cluster)


def test_a_conversation_goes_on_while_all_replicas_are_replaced(
    cluster: Cluster, gateway: subprocess.Popen[bytes]
) -> None:
    """Its own recogniser stays until it ends, however long that takes; a new session is elsewhere."""
    nodes, waiting = cluster.nodes, list[Callable[[], None]]()
    old = {replica.place for replica in nodes.replicas(EAR)}

    async def play(talk: ClusterTalk) -> None:
        assert await talk.answer("one") == ("one", "completed")
        own = await in_use(cluster, EAR)
        waiting.append(nodes.deploying(APP.format(capacity=3)))
        while {replica.place for replica in await asyncio.to_thread(nodes.replicas, EAR)} <= old:
            assert await talk.answer("one two") == ("one two", "completed")
        assert await in_use(cluster, EAR) == own
        assert not talk.count("error")

    conversation(cluster, play)
    waiting[0]()
    until(lambda: not old & {one.place for one in nodes.replicas(EAR)}, within_s=60, what="all are replaced")
    settled(cluster)


def test_a_killed_gateway_leaves_no_place_and_no_connection(cluster: Cluster, gateway: subprocess.Popen[bytes]) -> None:
    nodes = cluster.nodes

    async def main() -> None:
        async with talking(f"http://{nodes.machines.addresses[GATEWAY]}:8000") as talk:
            talk.say("nine")
            await talk.until(DELTA)
            assert (taken(cluster, EAR), taken(cluster, LLM)) == (1, 1)
            nodes.kill(gateway)

    with nodes.machines.entered(GATEWAY):
        asyncio.run(main())
    until(lambda: not taken(cluster, EAR, LLM), within_s=10, what="the places of a killed gateway are free")
    left = lambda: sum(nodes.connections(replica) for stage in (EAR, LLM) for replica in nodes.replicas(stage))
    until(lambda: not left(), within_s=10, what="its connections are closed")


# ---- sessions --------------------------------------------------------------------------------------------------------


def test_a_killed_replica_is_told_to_its_sessions(cluster: Cluster) -> None:
    check(failures.replica_killed(cluster.nodes, cluster.talkers))
    settled(cluster)


def test_a_slow_machine_keeps_its_sessions_and_slows_no_other(cluster: Cluster) -> None:
    failures.have_some_on(cluster.nodes, cluster.talkers, OTHER, SESSIONS)
    outcome, _ = failures.slowed(cluster.nodes, cluster.talkers, OTHER, for_s=2)
    check(outcome, hit=False)


def test_a_machine_that_stands_still_loses_its_sessions_to_others(cluster: Cluster) -> None:
    failures.have_some_on(cluster.nodes, cluster.talkers, OTHER, SESSIONS)
    check(failures.frozen(cluster.nodes, cluster.talkers, OTHER), told_s=CUT_TOLD_S)
    until(lambda: taken(cluster, STAGE) == SESSIONS, within_s=30, what="the places that they had there are free")


def test_replicas_are_added_under_load_and_end_without_losing_a_session(cluster: Cluster) -> None:
    failures.scaled(cluster.nodes, cluster.talkers, "own", sessions=4)


def test_the_sessions_do_not_need_the_book_keeping_of_the_head(cluster: Cluster) -> None:
    check(failures.control_killed(cluster.nodes, cluster.talkers), hit=False)


def test_a_machine_without_power_is_told_and_comes_back(cluster: Cluster) -> None:
    failures.have_some_on(cluster.nodes, cluster.talkers, OTHER, SESSIONS)
    check(failures.machine_killed(cluster.nodes, cluster.talkers, OTHER))
    cluster.nodes.machines.boot(OTHER)
    cluster.nodes.start_node(OTHER)
    settled(cluster)


def test_a_partition_is_told(cluster: Cluster) -> None:
    failures.have_some_on(cluster.nodes, cluster.talkers, OTHER, SESSIONS)
    check(failures.cut_off(cluster.nodes, cluster.talkers, OTHER), told_s=CUT_TOLD_S)
    cluster.nodes.machines.kill(OTHER)


def test_a_dead_head_costs_the_sessions_of_its_machine_only(cluster: Cluster) -> None:
    failures.have_some_on(cluster.nodes, cluster.talkers, HEAD, SESSIONS)
    check(failures.machine_killed(cluster.nodes, cluster.talkers, HEAD))
    left = cluster.talkers.disconnect()
    assert left["tasks"] == []
    assert left["s"] < SLACK * 5
