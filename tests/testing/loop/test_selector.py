"""The parts of asyncio's loop that a virtual one replaces."""

import asyncio
import selectors
import socket

from voicepipe.testing.loop.selector import Poller, Timer


def test_a_poller_asks_the_loop_how_to_wait():
    """`select` is the loop's; `poll` is the kernel's, in the order of the descriptors."""
    asked = []
    pairs = [socket.socketpair() for _ in range(5)]
    with Poller(lambda timeout: asked.append(timeout) or []) as poller:
        assert poller.select(1.5) == []
        for one, other in reversed(pairs):
            poller.register(one, selectors.EVENT_READ)
            other.send(b"x")
        ready = [key.fd for key, _ in poller.poll(0)]
    assert asked == [1.5]
    assert ready == sorted(one.fileno() for one, _ in pairs)
    for pair in pairs:
        for end in pair:
            end.close()


def test_is_read():
    """Return whether a descriptor is read; one that is only written is not."""
    one, other = socket.socketpair()
    with one, other, Poller(lambda _: []) as poller:
        assert not poller.is_read(one.fileno())
        poller.register(one, selectors.EVENT_WRITE)
        assert not poller.is_read(one.fileno())
        poller.modify(one, selectors.EVENT_READ)
        assert poller.is_read(one.fileno())


def test_timers_are_ordered_by_time_and_number():
    """Of two timers at one instant, the one that was set first is first."""
    loop = asyncio.new_event_loop()
    later, first, second = (Timer(when, number, print, (), loop, None) for when, number in [(2, 0), (1, 1), (1, 2)])
    assert sorted([later, second, first]) == [first, second, later]
    loop.close()
