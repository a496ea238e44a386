"""The worker that a connection goes to, by the first line of its first request and the load of the workers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

__all__ = ["Load", "Target", "choose", "is_whole", "target_of"]

MOST_HEAD_BYTES = 65_536
"""A request's head is read up to this length; aiohttp refuses longer ones."""

_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r?$")
_REALTIME = re.compile(r"/(v1|openai/v1|openai)/realtime(/[^/]+)?$")
_NAMED = re.compile(r"/v1/(?:realtime/calls/([^/]+)/hangup|sessions/([^/]+)/events)$")
_CALLS = "/v1/realtime/calls"


@dataclass(frozen=True, slots=True)
class Target:
    """The aim of a request, as far as it decides the worker.

    Args:
        session: It may begin a session.
        named: The id of a session or a call that is on; "" for none.
    """

    session: bool = False
    named: str = ""


@dataclass(slots=True)
class Load:
    """The load of a worker.

    Args:
        capacity: The sessions that it may have.
        taken: Its taken slots, by its last report.
        undecided: Connections that it has, and may still take a slot.
        under_way: Such connections that were handed over and that it has not reported yet.
        handed: All connections that were handed over, ever.
    """

    capacity: int
    taken: int = 0
    undecided: int = 0
    under_way: int = 0
    handed: int = 0

    @property
    def free(self) -> int:
        """Return the slots that are certainly free."""
        return self.capacity - self.taken - self.undecided - self.under_way


def is_whole(head: bytes) -> bool:
    """Return whether enough of a request has come to hand it over: its head, or what is no request at all.

    >>> end = bytes([13, 10])
    >>> [is_whole(head) for head in (b"GET / HTTP/1.1" + end, b"GET / HTTP/1.1" + end + end, b"nonsense" + end)]
    [False, True, True]
    """
    line, end, _ = head.partition(b"\n")
    if b"\r\n\r\n" in head or len(head) > MOST_HEAD_BYTES or not head[:1].isalpha():
        return True
    return bool(end) and _REQUEST.match(line) is None


def target_of(head: bytes) -> Target:
    """Return what the request asks for.

    >>> target_of(b"GET /v1/realtime?session_id=sess_1 HTTP/1.1")
    Target(session=False, named='sess_1')
    """
    found = _REQUEST.match(head.partition(b"\n")[0])
    if found is None:
        return Target()
    method, address = found[1].decode(), found[2].decode("latin-1")
    path, _, query = address.partition("?")
    if named := _NAMED.match(path):
        return Target(named=named[1] or named[2])
    if not (method == "GET" and _REALTIME.match(path)) and not (method == "POST" and path == _CALLS):
        return Target()
    resumed = parse_qs(query).get("session_id", [""])[0]
    return Target(session=not resumed, named=resumed)


def choose(loads: Mapping[int, Load]) -> int:
    """Return the number of the worker with the most free slots; of those, the one that has had the fewest connections.

    Where each is full or has nothing but undecided connections, what is taken counts alone, so that a client that
    opens connections and says nothing keeps no other one out.

    >>> choose({1: Load(4, taken=2), 2: Load(4, taken=1, handed=9), 3: Load(4, taken=1)})
    3
    """

    def rank(number: int) -> tuple[bool, bool, int, int]:
        load = loads[number]
        return load.free <= 0, load.taken >= load.capacity, -load.free, load.handed

    return min(loads, key=rank)
