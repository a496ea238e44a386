"""`SessionWatch`: a session's events for those that ask, and nothing for the others."""

from __future__ import annotations

import asyncio

import pytest

from voicepipe.events import SpeechEncoded, StageFailed, TurnMeasured, WordSpoken
from voicepipe.server.session.watch import SessionWatch, written


def watch(capacity: int = 100) -> SessionWatch:
    return SessionWatch(asyncio.get_running_loop().time, capacity=capacity)


async def test_events_come_with_the_time_since_the_session_began():
    sessions = watch()
    with sessions.session("s"), sessions.watching("s") as feed:
        await asyncio.sleep(1.5)
        sessions.note("s", WordSpoken("Hello", 0, 0.2))
        sessions.note("another", WordSpoken("Bye", 0, 0.2))
        lines = await feed.next(0.05)
    assert lines == [{"at_s": 1.5, "event": "WordSpoken", "word": "Hello", "start_s": 0, "stop_s": 0.2, "glued": False}]


async def test_a_watcher_is_told_of_the_end():
    """After all that came before it."""
    sessions = watch()
    with sessions.session("s"):
        watching = sessions.watching("s")
        feed = watching.__enter__()
        assert await feed.next(0.05) == []
        sessions.note("s", WordSpoken("Hello", 0, 0.2))
    assert [line["event"] for line in await feed.next(0.05) or ()] == ["WordSpoken"]
    assert await feed.next(0.05) is None
    watching.__exit__(None, None, None)
    assert not sessions.is_on("s")


async def test_a_slow_watcher_loses_events_and_is_told_how_many():
    sessions = watch(capacity=2)
    with sessions.session("s"), sessions.watching("s") as feed:
        for word in "abcde":
            sessions.note("s", WordSpoken(word, 0, 0.2))
        lines = await feed.next(0.05)
    assert lines is not None
    assert [line.get("word") for line in lines[:2]] == ["a", "b"]
    assert lines[2] == {"at_s": lines[1]["at_s"], "event": "Overflowed", "lost": 3}


async def test_what_is_over_or_was_never_there_cannot_be_watched():
    sessions = watch()
    with pytest.raises(KeyError), sessions.watching("s"):
        pass


def test_an_event_is_written_with_what_json_can_carry():
    assert written(SpeechEncoded(b"12345", 20.0)) == {"event": "SpeechEncoded", "bytes": 5, "duration_ms": 20.0}
    assert written(StageFailed("LLM", TimeoutError("too late"))) == {
        "event": "StageFailed", "stage": "LLM", "error": "too late", "fatal": False, "silent": False,
    }  # fmt: skip
    assert written(TurnMeasured(9.0, {"tts": 9.0})) == {
        "event": "TurnMeasured", "total_ms": 9.0, "parts_ms": {"tts": 9.0},
    }  # fmt: skip
