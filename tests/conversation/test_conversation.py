"""The record of a conversation."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.conversation import CUT, GREETING, Conversation, Message
from voicepipe.events import (
    Event,
    Function,
    FunctionCall,
    FunctionCalled,
    FunctionReturned,
    Generation,
    ItemCreated,
    ItemDeleted,
    ItemTruncated,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SettingsChanged,
    TurnEnded,
    WordSpoken,
)
from voicepipe.events.fold import fold

START = Conversation("Be brief.")


def roles(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in conversation.prompt(unfinished=True)]


def test_it_is_a_fold_over_events() -> None:
    """It keeps the user's words and the part of a reply that was heard; text that was not spoken leaves no trace."""
    conversation = Conversation()
    events = [
        SettingsChanged("Be kind."),
        TurnEnded("Hello there.", 1.0),
        ReplyText("Well, not heard"),
        WordSpoken("Well,", 0.0, 0.2),
        WordSpoken("hi!", 0.2, 0.4),
        TurnEnded("", 2.0),
    ]
    for event in events:
        conversation = fold(conversation, event)
    assert roles(conversation) == [("system", "Be kind."), ("user", "Hello there."), ("assistant", "Well, hi!")]


def test_an_interrupted_message_is_marked_once_and_the_mark_is_not_sent() -> None:
    """The mark is for people who read the history."""
    cut = fold(START.user_said("Hi.").bot_said("Well"), ReplyInterrupted("Well", START)).cut()
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
    prompt = conversation.prompt(unfinished=True)
    assert [message["role"] for message in prompt[:2]] == ["system", "user"]
    assert all(a["role"] != b["role"] for a, b in pairwise(prompt))
    assert all(message["content"].strip() for message in prompt)


# ---- function calls --------------------------------------------------------------------------------------------------

LOOK = FunctionCall("1", "look")
WAIT = FunctionCall("2", "wait")


def talk(*events: Event) -> Conversation:
    """The user asks to look, and the bot replies: these events."""
    conversation = fold(START.user_said("Look!", "turn1"), ReplyStarted(START, "reply1"))
    for event in events:
        conversation = fold(conversation, event)
    return conversation


def spoken(text: str) -> list[Event]:
    return [WordSpoken(word, 0.2 * at, 0.2 * (at + 1)) for at, word in enumerate(text.split())]


def outline(conversation: Conversation) -> list[str]:
    """Return each message's name with its text, or with the id of its call."""
    return [f"{message.item}: {_text(message)}" for message in conversation.messages]


def _text(message: Message) -> str:
    if message.call is None:
        return message.text
    return f"[{message.call.id}]" if message.role == "assistant" else f"{message.call.id} gave {message.text}"


HERE = FunctionCalled(LOOK, server_side=True)
THERE = FunctionCalled(LOOK)


def test_what_the_bot_says_around_its_own_call_is_one_message() -> None:
    """Behind the call: the words were heard later than the function was called."""
    before = talk(HERE, *spoken("I look."), FunctionReturned("1", "Nobody."), *spoken("Nobody."))
    after = talk(*spoken("I look."), HERE, FunctionReturned("1", "Nobody."), *spoken("Nobody."))
    whole = ["turn1: Look!", ": [1]", ": 1 gave Nobody.", "reply1: I look. Nobody."]
    assert outline(before) == outline(after) == whole


def test_what_is_written_around_its_own_call_is_one_message() -> None:
    """Letter for letter."""
    reply = talk(
        ReplyTextWritten("I lo"),
        ReplyTextWritten("ok."),
        HERE,
        FunctionReturned("1", "Nobody."),
        ReplyTextWritten(" Nobody."),
    )
    assert outline(reply) == ["turn1: Look!", ": [1]", ": 1 gave Nobody.", "reply1: I look. Nobody."]


def test_a_call_that_the_client_shall_run_comes_behind_the_words_before_it() -> None:
    """They are still being said when it is known; it has a name that the client may use."""
    reply = talk(THERE, *spoken("I look."))
    assert outline(reply) == ["turn1: Look!", "reply1: I look.", "reply1.1: [1]"]
    assert outline(talk(*spoken("I"), THERE, *spoken("look."))) == outline(reply)
    assert outline(talk(THERE, FunctionCalled(WAIT), *spoken("I look.")))[1:] == [
        "reply1: I look.",
        "reply1.1: [1]",
        "reply1.2: [2]",
    ]


def test_the_result_of_the_client_comes_where_it_was_written() -> None:
    """The words before the call go on all the same."""
    result = ItemCreated("item1", "tool", "Nobody.", None, FunctionCall("1", ""))
    reply = talk(*spoken("I"), THERE, result, *spoken("look."))
    assert outline(reply) == ["turn1: Look!", "reply1: I look.", "reply1.1: [1]", "item1: 1 gave Nobody."]
    assert reply.prompt(calls=True)[-1] == {"role": "tool", "tool_call_id": "1", "content": "Nobody."}


def test_several_rounds_come_in_their_order() -> None:
    """Before what was said, each result behind what was called with it."""
    first = [HERE, FunctionCalled(WAIT, server_side=True), FunctionReturned("1", "a"), FunctionReturned("2", "b")]
    third = FunctionCall("3", "look")
    second = [*spoken("Hm."), FunctionCalled(third, server_side=True), FunctionReturned("3", "c"), *spoken("So.")]
    calls = [": [1]", ": [2]", ": 1 gave a", ": 2 gave b", ": [3]", ": 3 gave c"]
    assert outline(talk(*first, *second)) == ["turn1: Look!", *calls, "reply1: Hm. So."]


def test_a_result_belongs_to_the_last_call_of_its_name() -> None:
    """Some services count anew in each answer; of a call that nobody knows, nothing is kept."""
    again = talk(HERE, FunctionReturned("1", "a"), HERE, FunctionReturned("1", "b"), FunctionReturned("9", "c"))
    assert outline(again)[1:] == [": [1]", ": 1 gave a", ": [1]", ": 1 gave b"]
    turns = talk(HERE, FunctionReturned("1", "a"), *spoken("Well."), ReplyStarted(START, "reply2"), HERE)
    assert outline(fold(turns, FunctionReturned("1", "b")))[3:] == ["reply1: Well.", ": [1]", ": 1 gave b"]


def test_a_reply_that_was_cut_keeps_what_was_heard_and_called() -> None:
    """The mark is on the words; a call has none, and its result is said to be missing."""
    cut = talk(*spoken("I look"), HERE, ReplyInterrupted("I look", START))
    assert outline(cut) == ["turn1: Look!", ": [1]", f"reply1: I look{CUT}"]
    assert outline(talk(HERE, ReplyInterrupted("", START))) == ["turn1: Look!", ": [1]"]
    assert outline(talk(*spoken("I"), THERE, ReplyInterrupted("I", START), *spoken("look."))) == [
        "turn1: Look!",
        f"reply1: I{CUT}",
        "reply1.1: [1]",
    ]


def test_truncating_what_was_heard_leaves_the_calls() -> None:
    """Also where nothing was heard of the words before them."""
    reply = talk(*spoken("I look."), THERE, HERE)
    some = fold(reply, ItemTruncated("reply1", 100))
    assert outline(some) == ["turn1: Look!", ": [1]", f"reply1: I{CUT}", "reply1.1: [1]"]
    assert outline(fold(reply, ItemTruncated("reply1", 0))) == ["turn1: Look!", ": [1]", "reply1.1: [1]"]


def test_the_client_may_delete_a_call_or_a_result() -> None:
    """The model does not read the rest of the pair."""
    done = talk(THERE, ItemCreated("item1", "tool", "Nobody.", None, LOOK), *spoken("I look."))
    assert outline(fold(done, ItemDeleted("reply1.1"))) == ["turn1: Look!", "reply1: I look.", "item1: 1 gave Nobody."]
    assert [message["role"] for message in fold(done, ItemDeleted("reply1.1")).prompt(calls=True, unfinished=True)] == [
        "system",
        "user",
        "assistant",
    ]
    assert outline(fold(done, ItemDeleted("item1")))[-1] == "reply1.1: [1]"


def test_the_client_may_write_a_call_and_its_result() -> None:
    """Of a talk that has been elsewhere."""
    old = [ItemCreated("item1", "assistant", "", None, LOOK), ItemCreated("item2", "tool", "Nobody.", None, LOOK)]
    conversation = fold(fold(START.user_said("Look!"), old[0]), old[1])
    assert [message["role"] for message in conversation.prompt(calls=True, unfinished=True)[1:]] == [
        "user",
        "assistant",
        "tool",
    ]
    assert not conversation.awaits_reply


def test_a_function_that_the_pipeline_runs_is_no_answer() -> None:
    """Whoever coughs while it runs is still answered."""
    assert talk().awaits_reply
    assert talk(HERE).awaits_reply
    assert talk(HERE, FunctionReturned("1", "Nobody."), ReplyInterrupted("", START)).awaits_reply
    assert not talk(HERE, *spoken("I look.")).awaits_reply
    assert not talk(THERE).awaits_reply


def test_how_the_model_shall_answer_is_as_the_client_set_it_last() -> None:
    """All of it: what is left away is as the model has it."""
    wishes = Generation((Function("look"),), choice="required", max_tokens=9)
    told = fold(START, SettingsChanged("Be kind.", generation=wishes))
    assert (told.system_prompt, told.generation) == ("Be kind.", wishes)
    kept = fold(told, SettingsChanged(generation=Generation(temperature=0.5)))
    assert (kept.system_prompt, kept.generation) == ("Be kind.", Generation(temperature=0.5))


@given(st.permutations(spoken("I look. Nobody.")[:3]).map(list), st.integers(0, 3), st.integers(0, 3))
def test_wherever_a_call_comes_between_the_words_they_are_one_message(words: list[Event], at: int, wait: int) -> None:
    """Ours stands before them, the client's behind them."""
    back = min(at + wait, 3)
    ours = talk(*words[:at], HERE, *words[at:back], FunctionReturned("1", "a"), *words[back:])
    theirs = talk(*words[:at], THERE, *words[at:])
    text = " ".join(word.word for word in words)
    assert outline(ours)[1:] == [": [1]", ": 1 gave a", f"reply1: {text}"]
    assert outline(theirs)[1:] == [f"reply1: {text}", "reply1.1: [1]"]


def test_words_of_a_script_without_spaces_are_remembered_as_they_are_written() -> None:
    """Without a space before what is glued; also as far as they were heard."""
    words = [WordSpoken("今日は。", 0, 1), WordSpoken("元気。", 1, 2, glued=True), WordSpoken("OK?", 2, 3)]
    talk = Conversation().user_said("Hi!")
    for event in (ReplyStarted(talk, "r"), *words):
        talk = fold(talk, event)
    assert talk.messages[-1].text == "今日は。元気。 OK?"
    assert fold(talk, ItemTruncated("r", 1500)).messages[-1].text == f"今日は。元気。{CUT}"
