"""Text that the bot speaks unasked: order, waiting, and repetition."""

from __future__ import annotations

import pytest

from voicepipe.conversation import SILENCE, Conversation
from voicepipe.events import GenerationRequested, HangUpRequested, SpeechRequested, Unasked
from voicepipe.operators.unasked import UnaskedQueue, asked_unasked

NOW, NOTICE = SpeechRequested("now", when="now"), SpeechRequested("notice", interruptible=False)
LATER, QUIET = SpeechRequested("later"), SpeechRequested("quiet", when="in_silence")
LEGAL = SpeechRequested("legal", when="in_silence", interruptible=False)
BYE = HangUpRequested()


def queue(*wanted: Unasked) -> UnaskedQueue:
    waiting = UnaskedQueue()
    for unasked in wanted:
        waiting = waiting.added(unasked)
    return waiting


@pytest.mark.parametrize(
    ("unasked", "busy", "user_waits", "comes"),
    [
        (NOW, False, False, True),
        (NOW, True, True, True),
        (LATER, False, False, True),
        (LATER, True, False, False),
        (LATER, False, True, False),
        (NOTICE, False, True, True),
        (NOTICE, True, False, False),
        (QUIET, False, False, True),
        (QUIET, False, True, False),
        (LEGAL, False, True, False),
        (BYE, False, False, True),
        (BYE, True, False, False),
        (BYE, False, True, False),
    ],
)
def test_when_it_comes(unasked: Unasked, busy: bool, user_waits: bool, comes: bool) -> None:
    """A text that can be interrupted would be cut while the user speaks: it waits, unless it is urgent."""
    assert (queue(unasked).first(busy=busy, user_waits=user_waits) is unasked) is comes


def test_what_is_urgent_comes_first_and_in_its_order() -> None:
    """The rest keeps its own."""
    again = SpeechRequested("again", when="now")
    assert queue(LATER, NOW, QUIET, again).waiting == (NOW, again, LATER, QUIET)


def test_what_must_wait_does_not_hold_up_what_need_not() -> None:
    """A notice that nothing interrupts comes before what waits for silence."""
    assert queue(QUIET, NOTICE).first(busy=False, user_waits=True) is NOTICE


def test_the_bot_hangs_up_behind_all_that_it_was_to_say() -> None:
    """Also where that has to wait longer; to hang up now drops it."""
    assert queue(QUIET, BYE).first(busy=False, user_waits=True) is None
    assert queue(QUIET, BYE).without(QUIET).first(busy=False, user_waits=False) is BYE
    urgent = HangUpRequested(when="now")
    assert queue(QUIET, NOW, urgent).waiting == (urgent,)


def test_what_was_not_heard_waits_again_before_the_others() -> None:
    """Until the user has finished, where they may interrupt it."""
    back = queue(QUIET).given_back(NOW)
    assert back.waiting == (SpeechRequested("now", when="in_silence"), QUIET)
    assert queue(QUIET).given_back(NOTICE).waiting == (NOTICE, QUIET)
    assert queue(QUIET).given_back(None) == queue(QUIET)


def test_what_was_ordered_waits_again_when_something_else_is() -> None:
    """Nothing is lost between two replies."""
    ordered = queue(LATER, NOW).ordering(LATER)
    assert (ordered.waiting, ordered.ordered) == ((NOW,), LATER)
    urgent = ordered.ordering(NOW)
    assert (urgent.waiting, urgent.ordered) == ((SpeechRequested("later", when="in_silence"),), NOW)
    assert urgent.dropped().ordered is None


def test_a_text_is_said_word_for_word() -> None:
    """In place of what the model would answer."""
    assert asked_unasked(Conversation("Be brief."), LATER) == Conversation("Be brief.", verbatim="later")


def test_instructions_are_a_note_for_one_reply() -> None:
    """Behind the user's silence where the bot spoke last, since a model would continue its own words."""
    spoke = Conversation("Be brief.").user_said("Hi!").bot_said("Hello.")
    asked = asked_unasked(spoke, GenerationRequested("Offer tea."))
    assert [(message.role, message.text) for message in asked.messages[-2:]] == [
        ("user", SILENCE), ("system", "Offer tea.")
    ]  # fmt: skip
    assert asked.prompt()[0] == {"role": "system", "content": "Be brief.\n\nOffer tea."}
    waits = Conversation().user_said("Hi!")
    assert asked_unasked(waits, GenerationRequested()).messages == waits.messages
    assert asked_unasked(waits, None) is waits
