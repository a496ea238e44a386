"""What was said and heard."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.conversation import CUT, GREETING, Conversation
from voicepipe.events import (
    ReplyInterrupted,
    ReplyText,
    SettingsChanged,
    Spoken,
    TurnEnded,
)

START = Conversation("Be brief.")


def roles(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in conversation.prompt()]


def test_it_is_a_fold_over_events() -> None:
    """What the user said and what of the reply was heard; text that was not spoken leaves no trace."""
    conversation = Conversation()
    events = [
        SettingsChanged("Be kind."),
        TurnEnded("Hello there.", 1.0),
        ReplyText("Well, not heard"),
        Spoken("Well,", 0.0, 0.2),
        Spoken("hi!", 0.2, 0.4),
        TurnEnded("", 2.0),
    ]
    for event in events:
        conversation = conversation.after(event)
    assert roles(conversation) == [("system", "Be kind."), ("user", "Hello there."), ("assistant", "Well, hi!")]


def test_an_interrupted_message_is_marked_once_and_the_mark_is_not_sent() -> None:
    """The mark is for people who read the history."""
    cut = START.user_said("Hi.").bot_said("Well").after(ReplyInterrupted("Well", START)).cut()
    assert cut.messages[-1].text == f"Well{CUT}"
    assert roles(cut)[-1] == ("assistant", "Well")


def test_an_interruption_before_the_first_word_marks_nothing() -> None:
    """The user's own message stays as it is."""
    assert START.user_said("Hi.").cut() == START.user_said("Hi.")


def test_where_the_bot_comes_first_a_greeting_stands_before_it() -> None:
    """Chat templates want a user message first."""
    assert roles(START)[1:] == [("user", GREETING)]
    assert roles(START.bot_said("Welcome."))[1:] == [("user", GREETING), ("assistant", "Welcome.")]


def test_neighbours_of_one_role_are_merged() -> None:
    """A user who went on after a pause has said one thing."""
    conversation = START.user_said("I think").user_said("so.").bot_said("Good.")
    assert roles(conversation)[1:] == [("user", "I think so."), ("assistant", "Good.")]


def test_a_silence_that_was_broken_is_forgotten() -> None:
    """`...` stands alone or not at all."""
    assert roles(START.user_said("...").user_said("Here I am."))[1:] == [("user", "Here I am.")]
    assert roles(START.user_said("..."))[1:] == [("user", "...")]


def test_a_message_that_is_only_the_mark_is_dropped() -> None:
    """Nothing was heard of it."""
    assert roles(START.user_said("Hi.").bot_said("—"))[1:] == [("user", "Hi.")]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b —", "...", "—", " "])), max_size=12))
def test_the_prompt_always_alternates_and_begins_with_the_user(said: list[tuple[bool, str]]) -> None:
    """Whatever was said, a chat template can render it."""
    conversation = START
    for by_user, text in said:
        conversation = conversation.user_said(text) if by_user else conversation.bot_said(text).cut()
    prompt = conversation.prompt()
    assert [message["role"] for message in prompt[:2]] == ["system", "user"]
    assert all(a["role"] != b["role"] for a, b in pairwise(prompt))
    assert all(message["content"].strip() for message in prompt)
