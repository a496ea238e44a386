"""Each invariant catches a recording that breaks it, by hand, and says when and by what."""

from pathlib import Path

import numpy as np
import pytest

from voicepipe.conversation import Conversation, ItemId
from voicepipe.events import (
    Audio,
    ConversationEnded,
    FunctionContinues,
    FunctionReturned,
    ItemDeleted,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    SpeechEncoded,
    SpeechStarted,
    StageFailed,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnMeasured,
    TurnPaused,
    TurnResumed,
    TurnStarted,
    TurnTaking,
    WordRecognised,
    WordSpoken,
)
from voicepipe.testing import At, Scenario, Transcript, broken, play, run
from voicepipe.testing.invariants.all import INVARIANTS

PLAIN = str(Path(__file__).parents[1] / "plain_pipeline.py")
EMPTY = Conversation()
ASKED = EMPTY.user_said("hello")
BEGIN, END, CUT = ReplyStarted(EMPTY), ReplyEnded("", EMPTY), ReplyInterrupted("", EMPTY)
SOUND = SpeechEncoded(b"", 300)
SPEECH = ReplyAudio(Audio(np.zeros(7200, np.float32), 24_000))
HELLO = [WordRecognised("hello", 0, 0.3), TurnStarted(0), TurnConfirmed(0), Transcribed(0.3), TurnEnded("hello", 0.3)]

PROMPT = ReplyStarted(EMPTY.user_said("...", ItemId("silence1")))
BROKEN = {
    "never two replies at once": [
        ([BEGIN, BEGIN], "a reply began while that of 0 s was still going on"),
    ],
    "a reply ends once": [
        ([END], "ReplyEnded, and no reply was going on"),
        ([BEGIN, END, CUT], "ReplyInterrupted, and no reply was going on"),
    ],
    "no sound of a reply that is over": [
        ([BEGIN, SOUND, CUT, SOUND], "SpeechEncoded of a reply that was over (ReplyInterrupted) at 2 s"),
        ([BEGIN, END, SPEECH], "ReplyAudio of a reply that was over (ReplyEnded) at 1 s"),
        ([BEGIN, CUT, WordSpoken("a", 0, 1)], "WordSpoken of a reply that was over"),
    ],
    "a reply's text is what was spoken": [
        ([BEGIN, SOUND, WordSpoken("a", 0, 0.2), ReplyEnded("a b", EMPTY.bot_said("a"))], "'a b', and spoken was 'a'"),
        ([BEGIN, ReplyInterrupted("a", EMPTY)], "it ended with 'a', and spoken was ''"),
    ],
    "words are spoken in order": [
        ([BEGIN, SOUND, WordSpoken("a", 0.2, 0.3), WordSpoken("b", 0.1, 0.2)], "'b' starts at 0.1 s, 'a' before it"),
        ([BEGIN, SOUND, WordSpoken("a", 0.2, 0.1)], "'a' stops at 0.1 s, before it starts, at 0.2 s"),
    ],
    "a word is spoken when its sound is out": [
        ([BEGIN, SOUND, WordSpoken("a", 0.5, 0.6)], "only 0.3 s of sound have been sent"),
        ([BEGIN, SPEECH, SPEECH, SPEECH, SPEECH, SPEECH, WordSpoken("a", 5, 6)], "only 1.5 s of sound have been sent"),
        (
            [BEGIN, *[SOUND] * 9, WordSpoken("a", 0, 1), BEGIN, SpeechEncoded(b"", 9000), WordSpoken("b", 2, 3)],
            "1 s after",
        ),
    ],
    "silence is bounded": [
        ([*HELLO, *[None] * 20], "silence since 4 s, when 'hello' was heard"),
        ([BEGIN, SOUND, *[None] * 20], "silence since 1 s, in the middle of a reply"),
        ([BEGIN, *[None] * 20], "silence since 0 s, when a reply began"),
        ([BEGIN, CUT, TurnStarted(1), TurnEnded("", 1), *[None] * 20], "silence since 3 s"),
        ([TurnStarted(1), *[None] * 20], "in a turn of the user that does not end"),
    ],
    "a silence is broken in time": [([BEGIN, END, *[SPEECH] * 12], "nothing breaks the silence since 8 s")],
    "no idle prompt comes too early": [
        ([BEGIN, END, ReplyStarted(EMPTY.user_said("..."))], "an idle prompt, 6 s early"),
        ([BEGIN, ReplyStarted(EMPTY.user_said("..."))], "an idle prompt, while something is under way"),
        # One that has failed is not given back after a cough.
        (
            [BEGIN, END, *[None] * 6, PROMPT, END, TurnStarted(10), TurnEnded("", 11), PROMPT],
            "an idle prompt, 4 s early",
        ),
        # The client has taken the lead.
        (
            [BEGIN, END, SettingsChanged(turns=TurnTaking("client")), *[None] * 6, PROMPT],
            "while something is under way",
        ),
    ],
    "a turn is what was recognised": [
        (
            [WordRecognised("a", 0, 1), WordRecognised("b", 1, 2), TurnEnded("a", 2)],
            "the turn 'a' ended, and recognised was 'a b'",
        ),
        (
            [WordRecognised("a", 0, 1), Transcribed(1, "A."), TurnEnded("a", 2)],
            "the turn 'a' ended, and recognised was 'A.'",
        ),
        ([WordRecognised("a", 0, 1), TurnEnded("a", 2), TurnEnded("a", 2)], "recognised was ''"),
    ],
    "the user is not cut in mid-sentence": [],
    "the user's word silences the bot": [
        ([BEGIN, TurnConfirmed(0), SOUND], "SpeechEncoded, after the word of 1 s"),
    ],
    "the parts of a turn sum to its total": [
        ([TurnMeasured(100, {"a": 50, "b": 40})], "the parts sum to 90 ms, the total is 100 ms"),
        ([TurnMeasured(100, {"a": 150, "b": -50})], "the part b took -50 ms"),
    ],
    "only answers are measured": [
        ([ReplyStarted(EMPTY.user_said("...")), TurnMeasured(7000, {"a": 7000})], "of 7000 ms"),
    ],
    "turns do not overlap": [
        ([TurnStarted(0), TurnResumed(1)], "TurnResumed, and the turn was not paused"),
        ([TurnStarted(0), TurnPaused("a", 1), TurnPaused("a", 1)], "TurnPaused, and the turn was paused"),
        ([TurnPaused("a", 1)], "TurnPaused, and the turn was over"),
        ([TurnStarted(0), TurnStarted(1)], "the user's turn began while it was on"),
        ([TurnEnded("", 1)], "the user's turn ended (''), and none was on"),
    ],
    "a turn with words is confirmed once": [
        ([TurnStarted(0), TurnEnded("hello", 1)], "the turn 'hello' was confirmed 0 times"),
        ([TurnStarted(0), TurnConfirmed(0), TurnConfirmed(0), TurnEnded("hello", 1)], "was confirmed 2 times"),
    ],
    "the bot remembers what was heard of it": [
        ([ReplyStarted(EMPTY.bot_said("a"))], "the bot remembers saying 'a', and was not heard to"),
        (
            [BEGIN, SOUND, WordSpoken("a", 0, 1), WordSpoken("b", 0, 1), ReplyEnded("a b", EMPTY.bot_said("b a"))],
            "saying 'a'",
        ),
    ],
    "the bot remembers what the user said": [
        (
            [WordRecognised("a", 0, 1), ReplyStarted(EMPTY.user_said("a b"))],
            "the user saying 'b', which was not recognised",
        ),
    ],
    "the bot forgets what the client deletes": [
        (
            [ItemDeleted(ItemId("i")), ReplyStarted(Conversation().user_said("hello", ItemId("i")))],
            "the bot remembers 'hello', which the client has deleted",
        ),
    ],
    "the next prompt has every result": [
        ([FunctionReturned("1", "21"), BEGIN], "of the call '1' the prompt has None, known is '21'"),
        ([FunctionContinues("1"), BEGIN], "of the call '1' the prompt has None, known is 'The function is still"),
    ],
    "time goes on": [],
    "a closed session is silent": [],
    "nothing is left behind": [],
}


def recorded(events):
    """An event a second."""
    return list(enumerate(events))


@pytest.mark.parametrize(
    ("name", "events", "what"), [(name, events, what) for name, cases in BROKEN.items() for events, what in cases]
)
def test_it_is_noticed(name, events, what):
    """The invariant is named, with the time and the sentence."""
    found = {one.invariant: one for one in broken(recorded(events), idle_prompts=(7, 3))}
    assert what in found[name].what
    assert str(found[name]).startswith(f'broken: "{name}", at {found[name].at_s:g} s: ')


def test_every_invariant_is_tried_here():
    """A new one needs an example."""
    assert list(BROKEN) == list(INVARIANTS)


def test_events_out_of_order_are_noticed():
    """Time does not go back."""
    assert [one.invariant for one in broken([(1.0, ConversationEnded("x")), (0.5, ConversationEnded("x"))])] == [
        "time goes on"
    ]


def test_what_comes_after_the_end_and_what_is_left_are_noticed():
    """A scenario's result knows when it was closed, and what was found after it."""
    played = Transcript(events=[At(1.0, BEGIN), At(3.0, SOUND)], closed_s=2.0, leaks=["a task that still runs"])
    found = {one.invariant: one for one in broken(played)}
    assert found["a closed session is silent"].what == "SpeechEncoded after the session was closed"
    assert found["nothing is left behind"] == ("nothing is left behind", 2.0, "a task that still runs")


def test_a_cut_in_mid_sentence_is_noticed():
    """Unless they could not be heard."""
    cut = Transcript(events=[At(1.5, TurnStarted(1)), At(2.0, TurnEnded("", 1.8))], voice=[(1.0, 3.0)], closed_s=4)
    (found,) = broken(cut)
    assert found == ("the user is not cut in mid-sentence", 2.0, "'' ended, and the user was still speaking, from 1 s")
    cut.unheard = [(1.5, 1.9)]
    assert not broken(cut)
    assert not broken(Transcript(events=cut.events, voice=[(1.8, 2.5)], closed_s=4))


def test_a_good_conversation_breaks_none():
    """Two turns, a barge-in and a failure."""
    said = ASKED.bot_said("Hi")
    reply = [ReplyStarted(ASKED), SOUND, TurnMeasured(100, {"a": 60, "b": 40}), WordSpoken("Hi", 0, 0.3)]
    interrupted = [SpeechStarted(1, 1), TurnStarted(1), ReplyInterrupted("Hi", said.cut()), TurnEnded("", 1)]
    failed = [ReplyStarted(said.cut()), StageFailed("LLM", ValueError()), ReplyEnded("", said.cut())]
    assert broken(recorded([*HELLO, *reply, *interrupted, *failed])) == []


def test_a_request_over_a_reply_counts_for_nothing() -> None:
    """It is refused: the prompts before it count, and after three the silence goes on."""
    prompts = [event for number in range(3) for event in (prompt(number), END, *[None] * 7)]
    refused = [*prompts[:-8], ReplyRequested(item=ItemId("r")), *prompts[-8:]]
    for events in (prompts, refused):
        found = broken(recorded([BEGIN, END, *[None] * 6, *events, *[None] * 20]), idle_prompts=(7, 3))
        assert "a silence is broken in time" not in [one.invariant for one in found]


def prompt(number: int) -> ReplyStarted:
    return ReplyStarted(EMPTY.user_said("...", ItemId(f"silence{number}")))


def test_a_word_need_not_silence_the_bot_once_the_client_decides_that() -> None:
    """A word that may be an echo interrupts nothing; then the client takes over, and the words are in the next turn."""
    events = [BEGIN, WordSpoken("a", 0, 1), WordRecognised("a", 0, 1), TurnConfirmed(0), SOUND]
    taken_over = [SettingsChanged(turns=TurnTaking("client", interrupts=False)), TurnEnded("", 2), SOUND]
    found = [one.invariant for one in broken(recorded([*events, *taken_over]))]
    assert "the user's word silences the bot" not in found


def test_some_can_be_skipped_and_silence_be_longer():
    """By name; a name that is none is an error, with those that are."""
    events = recorded([*HELLO, *[None] * 20])
    assert [one.invariant for one in broken(events)] == ["silence is bounded"]
    assert broken(events, skip=["silence is bounded"]) == broken(events, silence_s=30) == []
    with pytest.raises(ValueError, match="never two replies at once"):
        broken(events, skip=["silence"])


def test_a_scenario_checks_them():
    """Without a word about it, and unless it says so."""

    def stalling() -> Scenario:
        return Scenario().llm_stalls("hi").lasts(30).at(1).user_says("hi")

    assert [one.invariant for one in broken(play(stalling(), PLAIN))] == ["silence is bounded"]
    run(stalling().unchecked("silence is bounded"), PLAIN)
    run(stalling().longest_silence(40), PLAIN)
