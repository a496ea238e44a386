"""Speaking unasked, in whole conversations in virtual time: when it comes, and that it is never lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import reactivex
from examples import examples
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import (
    GenerationRequested,
    HangUpRequested,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SpeechRequested,
    TurnMeasured,
    TurnTaking,
    Unasked,
)
from voicepipe.events.client import ClientMessage, SettingsChanged
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK
from voicepipe.session import Pipeline
from voicepipe.testing import Scenario, Transcript, explore, run

LONG = "This is a long answer that takes quite a while to say"
TEA = "Your tea is ready."
NOTICE = "This call is recorded for training."


def at(at_s: float, event: Any) -> Observable[Any]:
    return reactivex.timer(at_s).pipe(rx_ops.map(lambda _: event))


def pipeline_with(
    *wanted: tuple[float, Unasked], client: tuple[tuple[float, ClientMessage], ...] = (), grace_s: float = 0.25
) -> Pipeline:
    """The default pipeline, in which tasks want something at these times, and a client sends messages."""

    def pipeline(session: Session) -> Observable[Event]:
        received = reactivex.merge(session.received, *(at(at_s, message) for at_s, message in client))
        mic = received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
        heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
        turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())
        tasks: list[Observable[Unasked]] = [at(at_s, unasked) for at_s, unasked in wanted]
        reply = ops.replying(session.llm, session.tts, PLAYBACK)
        spoken = merge(turns, *tasks).pipe(ops.respond(reply, replace(INTERRUPTION, grace_s=grace_s)))
        return merge(heard, turns, spoken).pipe(ops.encode(session.codec))

    return pipeline


def scene(title: str, *, closes_s: float = 0.0) -> Scenario:
    return Scenario(title).llm("tell me", LONG).llm_closes_after(closes_s).lasts(14)


def replies(played: Transcript) -> list[str]:
    """Return what was heard of each reply, with a mark where it was cut."""
    return [
        f"{event.heard_text}—" if isinstance(event, ReplyInterrupted) else event.text
        for _, event in played.events
        if isinstance(event, ReplyEnded | ReplyInterrupted)
    ]


def test_a_text_is_said_in_the_users_silence() -> None:
    """At once, where nothing stands in its way; the conversation keeps it."""
    run(
        scene("Tea").between(4, 4.4).bot_says("Your tea").remembers("assistant", TEA),
        pipeline_with((4, SpeechRequested(TEA))),
    )


@pytest.mark.parametrize("when", ["after_reply", "in_silence"])
def test_it_waits_for_the_end_of_the_reply(when: Any) -> None:
    """It does so with and without waiting for the user's silence."""
    played = run(
        scene("Tea after the answer").at(2).user_says("tell me").by(8, times=1).bot_says("Your tea"),
        pipeline_with((4, SpeechRequested(TEA, when=when))),
    )
    assert replies(played)[:3] == ["Hi!", LONG, TEA]


def test_now_stops_the_reply() -> None:
    """The conversation keeps what was heard of it."""
    played = run(
        scene("Tea now").at(2).user_says("tell me").between(4, 4.4).bot_says("Your tea").at(4).user_coughs(0.02),
        pipeline_with((4, SpeechRequested(TEA, when="now"))),
    )
    assert replies(played)[:3] == ["Hi!", "This is a long—", TEA]


def test_what_is_wanted_while_the_user_speaks_waits_for_the_answer() -> None:
    """And does not come in between."""
    played = run(
        scene("The user speaks").at(3).user_says("hello there friend"),
        pipeline_with((3.5, SpeechRequested(TEA)), (3.6, SpeechRequested("And cake.", when="in_silence"))),
    )
    assert replies(played)[:4] == ["Hi!", "I see.", TEA, "And cake."]


def test_what_is_stopped_before_its_first_sound_comes_again() -> None:
    """When the user has been answered."""
    played = run(
        scene("Cut").at(3).user_says("hello there friend"),
        pipeline_with((3.05, SpeechRequested(TEA, when="now"))),
    )
    assert replies(played)[:4] == ["Hi!", "—", "I see.", TEA]


def test_what_was_heard_in_part_does_not_come_again() -> None:
    """It could be interrupted, and was."""
    played = run(
        scene("Interrupted").at(3.4).user_says("no not now"),
        pipeline_with((3, SpeechRequested(TEA, when="now"))),
    )
    assert replies(played)[:3] == ["Hi!", "Your tea is—", "I see."]


def test_a_notice_cannot_be_interrupted_and_comes_before_the_opening() -> None:
    """The user is answered behind it; the bot, which they did not let open, does not open then."""
    played = run(
        scene("A notice").at(1).user_says("hello there friend"),
        pipeline_with((0, SpeechRequested(NOTICE, when="now", interruptible=False))),
    )
    assert replies(played)[:2] == [NOTICE, "I see."]


def test_the_bot_opens_behind_a_notice() -> None:
    """It opens when the user says nothing."""
    played = run(
        scene("A notice and an opening"),
        pipeline_with((0, SpeechRequested(NOTICE, when="now", interruptible=False))),
    )
    assert replies(played)[:2] == [NOTICE, "Hi!"]


def test_a_notice_speaks_over_the_user() -> None:
    """And their turn is answered behind it, measured from their last sound, as always."""
    played = run(
        scene("Over the user").at(3).user_says("tell me"),
        pipeline_with((3.3, SpeechRequested(NOTICE, when="after_reply", interruptible=False))),
    )
    assert replies(played)[:3] == ["Hi!", NOTICE, LONG]
    (measured,) = played.of(TurnMeasured)
    assert measured.total_ms > 1000


def test_urgent_speech_does_not_stop_a_notice() -> None:
    """It comes behind it."""
    notice = SpeechRequested(NOTICE, when="now", interruptible=False)
    played = run(scene("Two"), pipeline_with((3, notice), (3.2, SpeechRequested(TEA, when="now"))))
    assert replies(played)[:3] == ["Hi!", NOTICE, TEA]


def test_two_at_one_time_come_one_after_the_other() -> None:
    """In their order, without overlap."""
    played = run(
        scene("Three").at(2).user_says("tell me"),
        pipeline_with(*((4, SpeechRequested(f"Number {name}.")) for name in ("one", "two", "three"))),
    )
    assert replies(played)[:5] == ["Hi!", LONG, "Number one.", "Number two.", "Number three."]


@pytest.mark.parametrize("order", range(6))
def test_nothing_is_lost_while_a_reply_cleans_up(order: int) -> None:
    """A model that closes slowly, a user that goes on, and two that are urgent, in any order of one instant."""
    wanted = [(3.6, SpeechRequested(TEA, when="now")), (3.7, SpeechRequested("Fire!", when="now"))]
    played = run(
        scene("Slow", closes_s=0.5).llm("hello there friend", LONG, word_s=0.3).order(order).at(2).user_says(
            "hello there friend"
        ),
        pipeline_with(*wanted),
    )  # fmt: skip
    said = " ".join(replies(played))
    assert said.count(TEA) == said.count("Fire!") == 1


@pytest.mark.parametrize("grace_s", [0.25, 2])
def test_an_answer_of_which_nothing_was_heard_follows_what_is_urgent(grace_s: float) -> None:
    """It holds when the answer has begun, and when it waits until the first answer has cleaned up."""
    talk = scene("Ordered", closes_s=1).llm("tell me", LONG, word_s=0.3).at(2).user_says("tell me")
    urgent = SpeechRequested(TEA, when="now")
    played = run(talk.at(4).user_says("stop it"), pipeline_with((4.9, urgent), grace_s=grace_s))
    assert [said for said in replies(played) if said != "—"][:4] == ["Hi!", f"{LONG[:26]}—", TEA, "I see."]


def test_the_model_answers_with_instructions() -> None:
    """For this reply: what it is told is not kept."""
    played = run(
        scene("Tea?").llm("Offer tea.", "Do you want tea?").by(4).llm_is_asked("Offer tea.").by(5).bot_says("tea"),
        pipeline_with((3, GenerationRequested("Offer tea.", when="in_silence"))),
    )
    assert all(message.text != "Offer tea." for message in played.conversation.messages)
    assert [started.unasked is not None for started in played.of(ReplyStarted)][:2] == [False, True]


def test_the_bot_hangs_up_behind_its_goodbye() -> None:
    """With the reason that it is given."""
    played = run(
        scene("Time is over").at(2).user_says("tell me").by(9).bot_hangs_up(),
        pipeline_with((3.5, SpeechRequested("Goodbye then.")), (3.5, HangUpRequested(reason="time is over"))),
    )
    assert replies(played) == ["Hi!", LONG, "Goodbye then."]
    assert played.reason == "time is over"


def test_the_bot_can_hang_up_at_once() -> None:
    """In the middle of its answer."""
    played = run(
        scene("At once").at(2).user_says("tell me").by(3.61).bot_hangs_up(),
        pipeline_with((3.6, HangUpRequested(when="now"))),
    )
    assert replies(played)[-1].endswith("—")


LED = SettingsChanged("Be brief.", turns=TurnTaking("client", answers=False, interrupts=False))


def test_a_client_that_leads_may_cancel_what_can_be_interrupted() -> None:
    """Before or after its first sound; it does not come again."""
    client = ((0.5, LED), (1.02, ReplyCancelled()), (3.6, ReplyCancelled()))
    played = run(
        scene("Cancelled").instructions(None),
        pipeline_with((1, SpeechRequested(TEA)), (3, SpeechRequested("And cake for all.")), client=client),
    )
    assert replies(played) == ["—", "And cake—"]


def test_a_client_cannot_cancel_a_notice() -> None:
    """And what it asks for meanwhile follows."""
    client = ((0.5, LED), (1.5, ReplyCancelled()), (1.6, ReplyRequested("item1")))
    played = run(
        scene("Not cancelled").instructions(None),
        pipeline_with((1, SpeechRequested(NOTICE, interruptible=False)), client=client),
    )
    assert replies(played) == [NOTICE, "Hi!"]


def test_a_cancelled_reply_is_followed_by_what_waits() -> None:
    """Though the user does nothing."""
    client = ((0.5, LED), (1, ReplyRequested("item1")), (1.5, ReplyCancelled()))
    played = run(
        scene("Waits").llm("", LONG).instructions(None),
        pipeline_with((1.2, SpeechRequested(TEA)), client=client),
    )
    assert replies(played) == ["This is—", TEA]


@pytest.mark.explored
def test_drawn_conversations_keep_the_invariants() -> None:
    """Never two replies at once, whatever the user says and the services do; each of the two is said, or cut."""
    wanted = [
        (2.0, SpeechRequested(NOTICE, when="now", interruptible=False)),
        (4.5, SpeechRequested(TEA, when="now")),
        (4.6, SpeechRequested("And cake.", when="in_silence")),
    ]
    explore(pipeline_with(*wanted), cases=examples(40), stalls=False, skip=["silence is bounded"])
