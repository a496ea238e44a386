"""Every attack on a real server, beside a probe and a talker: neither is lost, and the server's memory is bounded.

Counts and limits are asserted. Times are compared with those of the same run without an attack, and generously: other
programs have the machine, too. `python -m benchmarks adversary` shows them.
"""

from __future__ import annotations

import sys

import pytest
from benchmarks.adversary import Observed, observed
from benchmarks.adversary.attacks import ATTACKS, SOCKETS

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("adversary"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc"),
]

SECONDS, SETTLES_S = 1.5, 0.5

# Of one session's messages: a quarter of a core, and what reading them takes. HTTP requests have no budget.
CORES = 0.75
OVER_HTTP = {"scrapes", "churn", "pages", "headers"}
# One session may make the process hold 8 MB; the others are buffers of the allocator, which are used again.
PEAK_MB, AFTER_MB = 32.0, 16.0


@pytest.fixture(scope="module")
def found() -> dict[str, Observed]:
    """All attacks, one after the other, on one server."""
    return {one.attack: one for one in observed(list(ATTACKS), seconds=SECONDS, settles_s=SETTLES_S)}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_bystander_is_lost(found: dict[str, Observed], attack: str) -> None:
    """Each turn is answered, and each request of the probe."""
    one = found[attack]
    assert one.sent > 0
    assert one.lost == ""
    assert one.turns_ms
    assert one.probe_ms


@pytest.mark.parametrize("attack", ATTACKS)
def test_memory_is_bounded_and_comes_back(found: dict[str, Observed], attack: str) -> None:
    """One client after the other; the first one's connections and caches are there before."""
    one = found[attack]
    assert one.peak_mb - one.before_mb < PEAK_MB
    assert one.after_mb - one.before_mb < AFTER_MB


@pytest.mark.parametrize("attack", sorted(set(ATTACKS) - OVER_HTTP - {"crowd"}))
def test_a_client_takes_its_share_of_the_processor(found: dict[str, Observed], attack: str) -> None:
    """Whatever it sends, and whatever else the machine does: CPU time is counted, not the time that passes."""
    assert found[attack].cores < found[""].cores + CORES


@pytest.mark.parametrize("attack", ATTACKS)
def test_bystanders_hardly_wait_longer(found: dict[str, Observed], attack: str) -> None:
    """A stall of one message took 3 s, and a turn 3.4 s instead of 0.7."""
    one, undisturbed = found[attack], found[""]
    assert one.probe_p95_ms < 10 * undisturbed.probe_p95_ms + 500
    assert one.slowest_turn_ms < 2 * undisturbed.slowest_turn_ms + 1_500


def test_the_attacks_took_place(found: dict[str, Observed]) -> None:
    """All sockets were opened, and no attack was kept from sending by itself."""
    assert found["idle_sockets"].sent >= SOCKETS
    assert found["items_in_front"].sent > 500
