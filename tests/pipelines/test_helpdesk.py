"""The help desk: two agents, two voices, and a handover in mid-conversation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import Event, Session
from voicepipe.events import AgentChanged, FunctionReturned, WordSpoken
from voicepipe.loader import load_pipeline
from voicepipe.operators import Agent, end_call
from voicepipe.testing import Scenario, Transcript, run

HELPDESK = str(Path(__file__).parents[2] / "pipelines" / "helpdesk.py")
DESK, BILLING = "unmute-prod-website/p329_022.wav", "unmute-prod-website/developer-1.mp3"
OPENING = Agent("", "").opening


def scene(title: str) -> Scenario:
    told = (
        Scenario(title).llm("", "Good morning.").llm_calls("is my bill open", "transfer_to_billing", says="One moment.")
    )
    return told.llm(OPENING, "What is your customer number?")


def talk(scenario: Scenario) -> tuple[Transcript, list[tuple[str, str]]]:
    """Play it, and return which words were given to which voice, too."""
    helpdesk, spoken = load_pipeline(HELPDESK), list[tuple[str, str]]()

    def pipeline(session: Session) -> Observable[Event]:
        def tts(conversation: Any) -> Any:
            stage = session.tts(conversation)
            note = lambda word: spoken.append((conversation.voice, word.delta.strip()))
            return lambda words: stage(words.pipe(rx_ops.do_action(note)))

        return helpdesk(replace(session, tts=tts))

    return run(scenario, pipeline), spoken


def test_one_reply_has_two_voices() -> None:
    """The second greets, and asks what it needs; word times go on, and so does the second agent in the next reply."""
    told = (
        scene("Handover")
        .llm_calls("it is seven", "open_invoices", {"customer": 7})
        .llm('["invoice 7-7: 30 euros"]', "Yes.")
    )
    told.at(2).user_says("is my bill open").at(9).user_says("it is seven")
    told.by(8, times=1).bot_says("One moment. This is billing. What is your customer number?")
    told.by(12, times=1).bot_says("Yes.").ever(times=1).bot_calls("open_invoices")
    played, spoken = talk(told)
    by_voice = {voice: " ".join(word for one, word in spoken if one == voice) for voice, _ in spoken}
    assert by_voice == {
        DESK: "Good morning. One moment.",
        BILLING: "This is billing. What is your customer number? Yes.",
    }
    assert played.of(AgentChanged) == [AgentChanged("billing", BILLING)]
    starts = [word.start_s for word in played.of(WordSpoken) if word.word not in ("Good", "morning.", "Yes.")]
    assert starts == sorted(starts)
    assert len(set(starts)) == 10


def test_a_barge_in_behind_the_handover_is_answered_by_the_new_agent() -> None:
    """It has taken over, whether or not it was heard."""
    told = scene("Barge-in").llm("no stop please", "I stop.").at(2).user_says("is my bill open")
    told.lasts(9).at(4).user_says("no stop please").ever(times=1).bot_is_interrupted().by(8).bot_says("I stop.")
    _, spoken = talk(told)
    assert spoken[-2:] == [(BILLING, "I"), (BILLING, "stop.")]


def test_the_bot_hangs_up_when_its_goodbye_was_heard() -> None:
    told = scene("End").llm_calls("thanks goodbye", "end_call").llm(end_call(), "Have a nice day.")
    told.at(2).user_says("thanks goodbye").by(6, times=1).bot_says("Have a nice day.")
    played, _ = talk(told)
    assert played.reason == "the bot called end_call"
    assert played.of(FunctionReturned)[-1].output == end_call()
