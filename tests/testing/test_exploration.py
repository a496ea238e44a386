"""Drawn conversations: what is drawn, in which order, and that it finds what is broken."""

import asyncio
import re

import pytest
from examples import examples
from hypothesis import given, settings
from reactivex import operators as rx_ops

from voicepipe.events import ReplyEnded, ReplyInterrupted, SpeechEncoded, TurnConfirmed, TurnStarted
from voicepipe.loader import load_pipeline
from voicepipe.presets import INTERRUPTION
from voicepipe.testing import Scenario, ScenarioFailed, VirtualLoop, conversations, explore, run
from voicepipe.testing.explored_functions import NAMES, check
from voicepipe.testing.loop.napping import NappingWorkers
from voicepipe.testing.loop.shuffle import Shuffle

CASES = examples(100)


@pytest.mark.explored
def test_the_default_pipeline_keeps_its_invariants():
    """Whatever is said, whatever fails, and whoever is first."""
    explore(cases=CASES, stalls=False, idle=INTERRUPTION)


@pytest.mark.explored
def test_functions_keep_them_too():
    """Quick and slow, async and in threads: none runs twice at once, and the next prompt has each result."""
    explore(cases=CASES // 2, stalls=False, functions=NAMES, idle=INTERRUPTION, check=check)


@pytest.mark.explored
def test_nothing_else_breaks_when_a_service_stalls():
    """Its deadlines end the silence, and all else holds, too."""
    explore(cases=CASES // 4)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(conversations())
def test_what_is_drawn_is_a_scenario(scenario):
    """Its code builds the same one."""
    again = eval(repr(scenario), {"Scenario": Scenario})
    assert (again.cast, again.acts, again.length_s) == (scenario.cast, scenario.acts, scenario.length_s)


# ---- what is broken is found -----------------------------------------------------------------------------------------


def _deaf(session):
    """Nothing that the user says interrupts the bot."""
    return load_pipeline()(session).pipe(rx_ops.filter(lambda event: not isinstance(event, ReplyInterrupted)))


def _endless(session):
    """A reply never says that it is over."""
    return load_pipeline()(session).pipe(rx_ops.filter(lambda event: not isinstance(event, ReplyEnded)))


def _echoing(session):
    """Sound comes twice, the second time late."""

    def late(event):
        return isinstance(event, SpeechEncoded)

    events = load_pipeline()(session).pipe(rx_ops.share())
    return events.pipe(rx_ops.merge(events.pipe(rx_ops.filter(late), rx_ops.delay(0.5))))


def _flickering(session):
    """A turn begins with its voice, and again with its first word."""
    again = rx_ops.flat_map(lambda event: [event, TurnStarted(0)] if isinstance(event, TurnConfirmed) else [event])
    return load_pipeline()(session).pipe(again)


@pytest.mark.explored
@pytest.mark.parametrize(
    ("pipeline", "invariant"),
    [
        (_deaf, "never two replies at once"),
        (_endless, "never two replies at once|silence is bounded"),
        (_echoing, "no sound of a reply that is over|a closed session is silent"),
        (_flickering, "turns do not overlap"),
    ],
)
def test_a_broken_pipeline_is_found_out(pipeline, invariant):
    """By the name of what it breaks, with a conversation that can be kept as it is."""
    with pytest.raises(ScenarioFailed, match=f'broken: "({invariant})') as caught:
        explore(pipeline, cases=100, stalls=False)
    code = re.split(r"\n\n(?=A drawn)", str(caught.value))[0]
    with pytest.raises(ScenarioFailed):
        run(eval(code, {"Scenario": Scenario}), pipeline)


# ---- order -----------------------------------------------------------------------------------------------------------


def _order(number):
    ran = []
    with VirtualLoop(shuffle=Shuffle(number)) as loop:
        for name in "abc":
            for _ in range(2):
                loop.call_at(1.0, ran.append if name == "a" else _Owner(ran, name).run, name)
        loop.call_at(0.5, ran.append, "first")
        loop.run(asyncio.sleep(2))
    return "".join(ran)


class _Owner:
    def __init__(self, ran, name):
        self._ran, self._name = ran, name

    def run(self, name):
        self._ran.append(name)


def test_timers_of_one_instant_run_in_a_drawn_order():
    """The same number gives the same order, others other ones; time comes first."""
    orders = {_order(number) for number in range(30)}
    assert len(orders) > 10
    assert all(order.startswith("first") and sorted(order[5:]) == list("aabbcc") for order in orders)
    assert _order(7) == _order(7)


def test_timers_of_one_owner_keep_their_order():
    """An owner that sets two timers to one instant relies on their order."""
    for number in range(20):
        ran = []
        with VirtualLoop(shuffle=Shuffle(number)) as loop:
            for item in range(5):
                loop.call_at(1.0, ran.append, item)
            loop.run(asyncio.sleep(2))
        assert ran == [0, 1, 2, 3, 4]


def test_a_stalled_loop_is_late_for_everything():
    """Timers that came due meanwhile run in their order, late."""
    ran = []
    with VirtualLoop() as loop:
        note = lambda: ran.append(loop.time())
        loop.call_at(1.0, loop.stall, 0.5)
        loop.call_at(1.2, note)
        loop.call_at(1.6, note)
        loop.run(asyncio.sleep(2))
    assert ran == [1.5, 1.6]


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_threads_can_nap_in_virtual_time():
    """Jobs overlap, and wait for a free thread, on the loop's clock."""
    done = []

    async def work(workers):
        loop = asyncio.get_running_loop()
        for name in "abc":
            workers.submit(lambda _: workers.nap(1.0), lambda _, name=name: done.append((name, loop.time())))
        await asyncio.sleep(1.5)
        workers.submit(lambda _: workers.nap(0.1), lambda _: done.append(("d", loop.time())))
        await asyncio.sleep(5)

    with VirtualLoop() as loop:
        workers = NappingWorkers(2, "nappers", loop)
        loop.run(work(workers))
        workers.close(1)
    assert sorted(done) == [("a", 1.0), ("b", 1.0), ("c", 2.0), ("d", 1.6)]
