"""A session for unit tests: its client, its settings, its stages, and what was sent."""

from __future__ import annotations

import asyncio

import reactivex
from reactivex import Observable

from voicepipe import ClientInfo, Event, Session, merge
from voicepipe.events import AudioReceived, SettingsChanged, Warned
from voicepipe.rx import of_type
from voicepipe.testing import Marbles, VirtualLoop, open_session, session, stages


def greeting(made: Session) -> Observable[Event]:
    """Says the client's name after a second, and passes settings."""
    later = reactivex.timer(1).pipe(reactivex.operators.map(lambda _: Warned(f"Hi, {made.client.name}!")))
    return merge(made.received.pipe(of_type(SettingsChanged)), later)


def test_what_was_sent_is_recorded(virtual_loop: VirtualLoop) -> None:
    """With its time; the settings come first, and nothing is left at the end."""

    async def talk() -> None:
        async with open_session(greeting, client=ClientInfo(name="clinic"), settings=SettingsChanged("a")) as opened:
            opened.receive(SettingsChanged("b"), AudioReceived(bytes(960)))
            assert [one.system_prompt for one in opened.of(SettingsChanged)] == ["a", "b"]
            await asyncio.sleep(2)
            assert opened.of(Warned) == [Warned("Hi, clinic!")]
            assert opened.times(Warned) == [1.0]
            assert not opened.ended

    virtual_loop.run(talk())


def test_stages_that_are_left_out_give_nothing(marbles: Marbles) -> None:
    """And those that are given are the session's own."""
    llm = lambda _: reactivex.just("Yes.")
    made = session(stages=stages(llm=llm))
    assert made.llm is llm
    assert made.vad is None
    marbles.expect(made.stt(reactivex.of(Warned("x"))), "|")
    marbles.expect(session([Warned("x")]).received, "(x|)", x=Warned("x"))
