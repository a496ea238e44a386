"""RTP packets that come late, twice, out of order, or not at all."""

from __future__ import annotations

import random

from voicepipe.server.webrtc.packet_order import PacketOrder


def through(order: PacketOrder[int], numbers: list[int]) -> list[int | None]:
    return [packet for number in numbers for packet in order.push(number % 65_536, number)]


def test_packets_in_order_pass_at_once_over_the_end_of_their_numbers() -> None:
    numbers = list(range(65_530, 65_545))
    assert through(PacketOrder(), numbers) == numbers


def test_one_that_is_late_is_waited_for() -> None:
    order = PacketOrder[int]()
    assert through(order, [1, 3, 4]) == [1]
    assert through(order, [2]) == [2, 3, 4]
    assert (order.lost, order.late) == (0, 0)


def test_one_that_is_lost_is_given_up_and_takes_nothing_with_it() -> None:
    """Behind it all is as prompt as before."""
    order = PacketOrder[int]()
    assert through(order, [1, 3, 4, 5, 6]) == [1, None, 3, 4, 5, 6]
    assert through(order, [7]) == [7]
    assert order.lost == 1


def test_one_that_comes_too_late_or_twice_is_dropped_and_the_next_is_waited_for_longer() -> None:
    order = PacketOrder[int]()
    through(order, [1, 3, 4, 5, 6])
    assert through(order, [2, 6]) == []
    assert (order.late, order.patience) == (2, 5)
    through(order, list(range(7, 7 + 1_600)))
    assert order.patience == 2


def test_a_stream_that_begins_anew_is_taken_up() -> None:
    assert through(PacketOrder(), [1, 2, 5_000, 5_001]) == [1, 2, 5_000, 5_001]


def test_whatever_the_network_does_each_packet_passes_once_and_in_order() -> None:
    """5 % lost, others up to 100 ms late: five packets. What is given up is counted."""
    rng = random.Random(3)
    for _ in range(50):
        sent = [number for number in range(1, 500) if rng.random() > 0.05]
        came = [*sorted(sent, key=lambda number: number + rng.uniform(0, 5)), *range(500, 520)]
        order = PacketOrder[int]()
        passed = through(order, [0, *came])
        heard = [packet for packet in passed if packet is not None]
        assert heard == sorted(set(heard))
        assert len(heard) + order.late == len(came) + 1
        assert passed.count(None) == order.lost
        assert len(heard) > 0.9 * len(sent)
