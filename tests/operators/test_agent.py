"""Several agents, as data: which one speaks, what it may call, and what its model reads."""

from __future__ import annotations

import pytest

from voicepipe.conversation import CharacterLines, Conversation, FunctionCall, Message
from voicepipe.events import FunctionCalled, FunctionReturned, ItemCreated
from voicepipe.events.fold import fold
from voicepipe.operators import Agent
from voicepipe.operators.agent import Team, noted

DESK = Agent("desk", "You are the desk.")
BILLING = Agent("billing", "You are billing.", description="For invoices.")
REPAIRS = Agent("repairs", "You are repairs.", hands_over_to=("desk",))
TEAM = Team([DESK, BILLING, REPAIRS])
TALK = Conversation("of the session", lines=CharacterLines("Hello!")).user_said("why so much")


def handed_over(talk: Conversation, name: str, result: str) -> Conversation:
    call = TEAM.handover(name, f"call{len(talk.messages)}")
    called = fold(talk, FunctionCalled(call, server_side=True))
    return fold(called, FunctionReturned(call.id, result))


def texts(talk: Conversation) -> list[str]:
    return [message.text for message in talk.messages]


def test_the_first_agent_begins() -> None:
    assert TEAM.speaking(TALK) is DESK


def test_the_agent_speaks_that_has_taken_over_last() -> None:
    """Also after others, and back again."""
    talk = handed_over(TALK, "billing", '{"agent": "billing"}')
    assert TEAM.speaking(talk) is BILLING
    back = handed_over(talk.user_said("thank you"), "desk", '{"agent": "desk"}')
    assert TEAM.speaking(back) is DESK


def test_a_handover_without_its_result_has_not_taken_place() -> None:
    """The user has interrupted the summary that the next agent needs."""
    assert TEAM.speaking(TALK.bot_called(TEAM.handover("billing", "call1"), server_side=True)) is DESK


def test_a_function_of_the_clients_is_no_handover() -> None:
    """Whatever its name, and its result."""
    call = FunctionCall("call1", "transfer_to_billing")
    talk = fold(TALK.bot_called(call), ItemCreated("item1", "tool", "nonsense", call=call))
    assert TEAM.speaking(talk) is DESK
    assert TEAM.view(talk, DESK).messages == talk.messages


def test_an_agent_hands_over_to_all_others_or_to_those_it_names() -> None:
    assert [function.name for function in TEAM.handovers(DESK)] == ["transfer_to_billing", "transfer_to_repairs"]
    assert [function.name for function in TEAM.handovers(REPAIRS)] == ["transfer_to_desk"]
    assert TEAM.handovers(DESK)[0].description == "Hand the conversation over to billing. For invoices."


def test_the_model_reads_the_agents_prompt_and_no_handover() -> None:
    """All that was said; the lines of another character do not fit."""
    talk = handed_over(TALK.bot_said("One moment."), "billing", '{"agent": "billing"}').user_said("hello")
    view = TEAM.view(talk, BILLING)
    assert (view.system_prompt, view.lines) == ("You are billing.", CharacterLines())
    assert texts(view) == ["why so much", "One moment.", "hello"]


def test_the_model_reads_a_summary_in_place_of_what_was_before() -> None:
    """And what the client has noted, whenever."""
    noticed = Conversation(messages=(Message("system", "It is late."), *TALK.messages))
    talk = handed_over(noticed, "billing", '{"agent": "billing", "summary": "It is 30 euros."}').user_said("hello")
    view = TEAM.view(talk, BILLING)
    assert view.system_prompt == "You are billing.\n\nWhat was said before: It is 30 euros."
    assert texts(view) == ["It is late.", "hello"]


def transfer_to_desk() -> str:
    """Hand over."""
    return ""


@pytest.mark.parametrize(
    ("agents", "message"),
    [
        ((), "agents need different names: there is none"),
        ((DESK, DESK), "agents need different names: desk, desk"),
        ((Agent("the desk", ""),), "an agent cannot be called 'the desk': letters, digits, _ and -"),
        (
            (DESK, Agent("lost", "", tools=(transfer_to_desk,))),
            "transfer_to_desk hands over to another agent: no function of lost can be called so",
        ),
        ((REPAIRS,), "there is no agent 'desk', only repairs"),
    ],
)
def test_what_cannot_be_a_team_is_named(agents: tuple[Agent, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Team(agents)


def test_a_running_reply_is_read_in_its_order() -> None:
    """Text, a call with its result, more text: as the next agent reads it."""
    call = FunctionCall("1", "look")
    said = ["Let ", "me see.", FunctionCalled(call, server_side=True), FunctionReturned("1", "a cat"), " A cat."]
    assert noted(TALK, said).messages[1:] == (
        Message("assistant", "Let me see."),
        Message("assistant", "", call=call),
        Message("tool", "a cat", call=call),
        Message("assistant", "A cat."),
    )
