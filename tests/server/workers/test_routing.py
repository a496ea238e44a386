"""Which worker a connection goes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.server.workers.routing import MOST_HEAD_BYTES, Load, Target, choose, is_whole, target_of

SESSION = Target(session=True)


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("GET /v1/realtime HTTP/1.1", SESSION),
        ("GET /v1/realtime?model=x&resumable=true HTTP/1.1", SESSION),
        ("GET /v1/realtime/support HTTP/1.1", SESSION),
        ("GET /openai/realtime?api-version=1 HTTP/1.1", SESSION),
        ("GET /openai/v1/realtime HTTP/1.0", SESSION),
        ("POST /v1/realtime/calls HTTP/1.1", SESSION),
        ("GET /v1/realtime?session_id=sess_1&last_event_id=e HTTP/1.1", Target(named="sess_1")),
        ("GET /v1/realtime?x=1&session_id=sess%5F1 HTTP/1.1", Target(named="sess_1")),
        ("POST /v1/realtime/calls/rtc_1/hangup HTTP/1.1", Target(named="rtc_1")),
        ("GET /v1/sessions/sess_1/events HTTP/1.1", Target(named="sess_1")),
        ("POST /v1/realtime/client_secrets HTTP/1.1", Target()),
        ("GET /metrics HTTP/1.1", Target()),
        ("nonsense", Target()),
        ("GET /v1/realtime HTTP/2", Target()),
    ],
)
def test_the_first_line_says_what_is_asked_for(line: str, target: Target) -> None:
    assert target_of(f"{line}\r\nHost: x\r\n\r\n".encode()) == target


async def test_each_route_of_a_session_is_known() -> None:
    """A route that begins a session, or names one, must be in `target_of`, too."""
    from served import Engine

    from voicepipe.server import ServerSettings, make_app

    app = make_app(lambda session: session.received, Engine(), ServerSettings())
    routes = [route for route in app.router.routes() if route.resource and route.method != "HEAD"]
    paths = {(route.method, route.resource.canonical) for route in routes if route.resource}
    for method, path in paths:
        target = target_of(f"{method} {path.replace('{', '').replace('}', '')} HTTP/1.1\r\n\r\n".encode())
        begins = "realtime" in path and (method == "GET" or path.endswith("/calls"))
        assert target.session == begins, path
        assert bool(target.named) == ("{id}" in path), path


@given(st.binary(max_size=300))
def test_any_bytes_have_a_target(head: bytes) -> None:
    target_of(head)


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_request_is_handed_over_when_its_head_is_there(cut: int) -> None:
    head = b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\n\r\n"
    assert is_whole(head[:cut]) == (cut >= len(head))


@pytest.mark.parametrize("head", [b"\x16\x03\x01", b"hello\n", b"GET /\n", b"G" * (MOST_HEAD_BYTES + 1)])
def test_what_is_no_request_is_handed_over_at_once(head: bytes) -> None:
    """The worker answers it, and closes the connection."""
    assert is_whole(head)


LOADS = st.dictionaries(
    st.integers(1, 9),
    st.builds(Load, st.integers(0, 5), st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)),
    min_size=1,
)


@given(LOADS)
def test_no_worker_is_full_that_gets_a_session_while_another_has_room(loads: dict[int, Load]) -> None:
    """Undecided connections keep no client out, and the one with the most free slots is taken."""
    chosen = loads[choose(loads)]
    if any(load.taken < load.capacity for load in loads.values()):
        assert chosen.taken < chosen.capacity
    if any(load.free > 0 for load in loads.values()):
        assert chosen.free == max(load.free for load in loads.values())


def test_equal_workers_get_connections_in_turn() -> None:
    loads = {number: Load(4) for number in range(3)}
    chosen: list[int] = []
    for _ in range(12):
        chosen.append(choose(loads))
        loads[chosen[-1]].handed += 1
        loads[chosen[-1]].taken += 1
    assert chosen == [0, 1, 2] * 4
