"""The bot ends the conversation."""

import asyncio
import contextlib

import pytest
import reactivex

from voicepipe.conversation import Conversation
from voicepipe.events import (
    ConversationEnded,
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionReturned,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
)
from voicepipe.operators import end_call, hang_up_after
from voicepipe.rx import LoopScheduler
from voicepipe.testing import Marbles

BYE = ReplyEnded("See you. Bye!", Conversation())


def test_a_farewell_played_to_its_end_hangs_up(marbles: Marbles) -> None:
    """After it has been said, not before."""
    spoken = marbles.cold("ab|", a=ReplyEnded("Bye! Or not.", Conversation()), b=BYE)
    marbles.expect(
        spoken.pipe(hang_up_after("Bye!")), "a(bh)|", a=ReplyEnded("Bye! Or not.", Conversation()), b=BYE,
        h=ConversationEnded("the bot said 'Bye!'"),
    )  # fmt: skip


def test_a_farewell_may_be_part_of_a_word(marbles: Marbles) -> None:
    """And its letters are of either case: models say it as they like."""
    goodbye = ReplyEnded("It was nice. Goodbye!", Conversation())
    hung_up = ConversationEnded("the bot said 'Bye!'")
    marbles.expect(marbles.cold("a|", a=goodbye).pipe(hang_up_after("Bye!")), "(ah)|", a=goodbye, h=hung_up)


def test_an_interrupted_farewell_does_not(marbles: Marbles) -> None:
    """A user who still talks is not hung up on."""
    cut = ReplyInterrupted("Bye!", Conversation())
    marbles.expect(marbles.cold("a|", a=cut).pipe(hang_up_after("Bye!")), "a|", a=cut)


@pytest.mark.parametrize(
    "text",
    ["Bye!", "See you, bye!", "Okay. Bye-bye!", "Thanks for the call. Goodbye.", "GOODBYE!", "Well … bye",
     "Thank you and goodbye!", "It was a pleasure, goodbye!", "Have a great day — bye!", "Okay, bye now!",
     "Bye for now!",
     "Good night and goodbye.", "Your order is on its way. So goodbye then!", "I will see you in April, goodbye!",
     "Take care: I mean it. Bye!", "Are you still there? Bye!", "Anything else? No? Then goodbye!"],
)  # fmt: skip
def test_a_farewell_that_stands_for_itself(text: str) -> None:
    """Whatever comes before it."""
    assert ends(text)


@pytest.mark.parametrize(
    "text",
    ["You say goodbye!", "My favourite is Bye Bye Bye!", "Bye Bye Bye!", "Say goodbye to it.", "Goodbye is a sad word.",
     'He said: "Goodbye!"', "They said, goodbye!", "Bye the way.", "Say goodbye to my old phone.",
     "She waved and whispered, goodbye!", "The sailor told me: bye bye.", "Bye for now, I was about to say.",
     "Goodbye! And then he came back.", "The standbye", "", "Hello, goodbye!", "Goodbye?", "The password is: bye!",
     "The magic word is, goodbye.", "What do people say when they leave? Goodbye!",
     "How is that called? Bye!", "In English, goodbye.",
     "She goes, bye bye!", "All sang along: bye bye!", "Hello and goodbye!", "Kiss me goodbye!", "The Long Goodbye.",
     "I was singing, bye bye!", "Bye bye love, bye bye happiness."],
)  # fmt: skip
def test_a_farewell_that_is_spoken_of(text: str) -> None:
    """A song, a quotation, a word in the middle: the conversation goes on."""
    assert not ends(text)


@pytest.mark.parametrize(
    ("text", "farewell", "hangs_up"),
    [
        ("Auf Wiedersehen!", "Auf Wiedersehen!", True),
        ("Gut. Auf Wiedersehen!", "auf wiedersehen", True),
        ("See you!", "See you.", True),
        ("I see you!", "See you.", False),
        ("Au revoir", "revoir", False),
        ("Er sagte: Auf Wiedersehen!", "Auf Wiedersehen!", False),
        ("Das Lied heißt, auf Wiedersehen.", "Auf Wiedersehen!", False),
        ("Danke und auf Wiedersehen!", "Auf Wiedersehen!", True),
        ("Elle a dit: au revoir!", "Au revoir", False),
        ("Merci, au revoir!", "Au revoir", True),
        ("Y él dijo, adiós.", "Adiós", False),
        ("Muchas gracias. ¡Adiós!", "Adiós", True),
        ("¡Adiós!", "adiós", True),
    ],
)
def test_a_farewell_may_have_several_words(text: str, farewell: str, hangs_up: bool) -> None:
    """All of them, and no others beside them."""
    assert ends(text, farewell) is hangs_up


def ends(text: str, farewell: str = "Bye!") -> bool:
    out: list[Event] = []
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        replies = reactivex.just(ReplyEnded(text, Conversation()))
        replies.pipe(hang_up_after(farewell)).subscribe(out.append, scheduler=LoopScheduler(loop))
    return any(isinstance(event, ConversationEnded) for event in out)


CALL = FunctionCalled(FunctionCall("1", "end_call"), server_side=True)
BEGUN = ReplyStarted(Conversation())
ENDED = ReplyEnded("See you.", Conversation(led=True))
RETURNED = FunctionReturned("1", end_call())


@pytest.mark.parametrize(
    ("events", "hangs_up"),
    [
        ((BEGUN, CALL, RETURNED, ENDED), True),
        ((BEGUN, CALL, FunctionReturned("1", '{"error": "no result within 8 s"}'), ENDED), False),
        ((BEGUN, CALL, RETURNED, ReplyInterrupted("See", Conversation()), BEGUN, ENDED), False),
        ((BEGUN, FunctionCalled(CALL.call), RETURNED, ENDED), False),
        ((BEGUN, FunctionReturned("2", ""), ENDED), False),
    ],
    ids=["called", "failed", "interrupted", "the client's", "another"],
)
def test_a_function_ends_the_call_after_the_reply(events: tuple[Event, ...], hangs_up: bool) -> None:
    """Not before its last word is heard; also where the client leads."""
    out = after_each(events)
    assert out == [*events, ConversationEnded("the bot called end_call")] if hangs_up else out == list(events)


def after_each(events: tuple[Event, ...]) -> list[Event]:
    out: list[Event] = []
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        spoken = reactivex.from_iterable(events).pipe(hang_up_after(end_call))
        spoken.subscribe(out.append, scheduler=LoopScheduler(loop))
    return out
