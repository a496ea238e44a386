"""`TurnState` as a table: a state, an event, what the bot does, and what has changed in the state."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Audio,
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionReturned,
    ItemCreated,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    TurnTaking,
    TurnTextChanged,
    TurnVoiceChanged,
    WordSpoken,
)
from voicepipe.operators.idle_prompts import IdlePrompts
from voicepipe.operators.turn_state import (
    Action,
    HoldElapsed,
    HoldReply,
    ResumeReply,
    RunningReply,
    StartReply,
    StopTurn,
    TurnState,
)
from voicepipe.presets import Interruption

NOW = 10.0
TALK = Conversation("Be brief.").user_said("Hello.").bot_said("Hi.")
OWED = TALK.user_said("Well?")
RULES = Interruption(7.0, 1, 3.0, 0.25, min_voice_ms=800, resume_within_ms=350)
IDLE = IdlePrompts.of(RULES)
SOUND = ReplyAudio(Audio(np.zeros(12_000, np.float32), 24_000))
LOOK = FunctionCall("1", "look")

SILENT = TurnState(RULES, IDLE, TALK, opened=True, replies=1)
REPLYING = replace(SILENT, reply=RunningReply())
WORKING = replace(SILENT, reply=RunningReply(functions=1))
SOUNDING = replace(SILENT, reply=RunningReply(sounds=True))
LATER = replace(SILENT, reply=RunningReply(sounds=True), sounded_s=5.0)
CALLED = replace(REPLYING, awaits_tool_result=True)
LED = replace(SILENT, turn_taking=TurnTaking())
HELD = replace(
    SILENT,
    reply=RunningReply(sounds=True, held=True),
    sounded_s=5.0,
    user_speaking=True,
    over_reply=True,
    voice=(True, 9.0),
)
DEAF = replace(SOUNDING, turn_taking=TurnTaking(interrupts=False))
MUTE = replace(SILENT, turn_taking=TurnTaking(answers=False))
NEW = TurnState(RULES, IDLE)
SPEAKING = replace(NEW, user_speaking=True)

VOICE, WORD, HELLO, COUGH = TurnStarted(1.0), TurnConfirmed(1.0), TurnEnded("Hello.", 2.0), TurnEnded("", 2.0)
OPEN, LEADS = SettingsChanged("Be brief."), SettingsChanged("Be brief.", turns=TurnTaking())
ASK, CANCEL = ReplyRequested("=a"), ReplyCancelled()
BESIDE = ReplyRequested("=b", aloud=False, remembered=False)
RESULT = ItemCreated("=i", "tool", "21", None, LOOK)

SURE = TurnVoiceChanged(True, 1.0, sure=True)
ECHOING = replace(SOUNDING, began_over=True, spoken=("In", "Paris", "it", "is", "sunny", "today."))
QUIET, LOUD = TurnVoiceChanged(False, 1.0), TurnVoiceChanged(True, 1.0)
MHM = TurnEnded("mhm", 2.0, acknowledgement=True)
HEARD = {"user_speaking": True, "voice": (True, NOW)}
OVER = {**HEARD, "began_over": True}
GONE_ON = {"user_speaking": False, "over_reply": False, "reply": RunningReply(sounds=True)}

NEXT, ASKED = StartReply("reply2"), StartReply("=a", ASK)

INPUTS: list[tuple[str, TurnState, Event, Action, dict[str, Any]]] = [
    # the state       the event  the bot                     what has changed
    ("it opens", NEW, OPEN, StartReply("reply1"), {"opened": True, "reply_due": True, "replies": 1}),
    ("it opens later", SPEAKING, OPEN, None, {"opened": True}),
    ("it has opened", SILENT, OPEN, None, {}),
    ("the client opens", NEW, LEADS, None, {}),
    ("a voice", SILENT, VOICE, StopTurn(), HEARD),
    ("a voice before the sound", REPLYING, VOICE, StopTurn(), OVER),
    ("a voice while a function runs", WORKING, VOICE, None, OVER),
    ("a word while a function runs", WORKING, WORD, StopTurn(), {"user_speaking": True}),
    ("a voice, early", SOUNDING, VOICE, None, {**OVER, "over_reply": True}),
    ("a voice, later", LATER, VOICE, HoldReply(), {**OVER, "over_reply": True, "reply": HELD.reply}),
    ("a voice without effect", DEAF, VOICE, None, {**OVER, "over_reply": True}),
    ("the voice stops", HELD, QUIET, None, {"voice": (False, NOW)}),
    ("the voice goes on", replace(HELD, reply=LATER.reply, voice=(False, 9.5)), LOUD, HoldReply(),
     {"voice": (True, NOW), "reply": HELD.reply}),
    ("too early to decide", replace(HELD, voice=(True, 9.5)), HoldElapsed(), None, {}),
    ("the voice has lasted", HELD, HoldElapsed(), StopTurn(), {"over_reply": False}),
    ("the voice was a cough", replace(HELD, voice=(False, 9.0)), HoldElapsed(), ResumeReply(),
     {"reply": LATER.reply}),
    ("a cough", HELD, COUGH, ResumeReply(), GONE_ON),
    ("an acknowledgement", HELD, MHM, ResumeReply(), GONE_ON),
    ("one over a question", replace(HELD, conversation=TALK.bot_said("Tea?")), MHM, NEXT,
     {"user_speaking": False, "over_reply": False, "reply_due": True, "replies": 2}),
    ("one in silence", SILENT, MHM, NEXT, {"reply_due": True, "replies": 2}),
    ("a word in a held reply", HELD, WORD, StopTurn(), {"over_reply": False}),
    ("a turn over a held reply", HELD, HELLO, NEXT,
     {"user_speaking": False, "over_reply": False, "reply_due": True, "replies": 2}),
    ("a voice that is scored", HELD, SURE, StopTurn(), {"over_reply": False}),
    ("one in the protected sound", replace(SOUNDING, over_reply=True), SURE, None, {"voice": (True, NOW)}),
    ("the bot's own voice", ECHOING, TurnConfirmed(1.0, "Paris"), None, {"user_speaking": True}),
    ("more of it", ECHOING, TurnTextChanged("Paris is sonny"), None, {"echoes": True}),
    ("the user's among it", ECHOING, TurnTextChanged("Paris it is sunny no stop"), StopTurn(), {"echoes": True}),
    ("the end of it", ECHOING, TurnEnded("Paris is sunny.", 2.0), None, {"began_over": False}),
    ("the end of both", ECHOING, TurnEnded("Paris is sunny. No, stop!", 2.0), NEXT,
     {"began_over": False, "reply_due": True, "replies": 2}),
    ("a voice where there is an echo", replace(LATER, echoes=True), VOICE, None, {**OVER, "over_reply": True}),
    ("an echo long after", replace(ECHOING, sounded_s=9.0), TurnConfirmed(1.0, "Paris"), StopTurn(),
     {"user_speaking": True}),
    ("one that is known", replace(ECHOING, sounded_s=9.0, echoes=True), TurnConfirmed(1.0, "Paris"), None,
     {"user_speaking": True}),
    ("an echo that held the reply", replace(HELD, began_over=True, echoes=True, spoken=ECHOING.spoken),
     TurnConfirmed(1.0, "Paris is"), ResumeReply(), {"reply": LATER.reply}),
    ("a first word", SOUNDING, WORD, StopTurn(), {"user_speaking": True}),
    ("a word without effect", DEAF, WORD, None, {"user_speaking": True}),
    ("a turn", SILENT, HELLO, NEXT, {"reply_due": True, "replies": 2}),
    ("a turn over a reply", SOUNDING, HELLO, NEXT, {"reply_due": True, "replies": 2}),
    ("a turn that waits", DEAF, HELLO, None, {"reply_pending": True}),
    ("a turn unanswered", MUTE, HELLO, None, {}),
    ("a cough in silence", SILENT, COUGH, None, {}),
    ("a cough over a reply", SOUNDING, COUGH, None, {}),
    ("a cough instead of an answer", replace(SILENT, conversation=OWED), COUGH, NEXT,
     {"reply_due": True, "replies": 2}),
    ("a cough before the opening", replace(SPEAKING, opened=True), COUGH, StartReply("reply1"),
     {"user_speaking": False, "reply_due": True, "replies": 1}),
    ("a request", LED, ASK, ASKED, {"reply_due": True, "replies": 2}),
    ("a request over a reply", REPLYING, ASK, None, {}),
    ("a request behind a call", CALLED, ASK, None, {"requested": ASK}),
    ("a request beside the talk", LED, BESIDE, None, {}),
    ("a result", SILENT, RESULT, None, {"awaits_tool_result": True}),
    ("a cancelled reply", REPLYING, CANCEL, StopTurn(), {}),
    ("a cancelled one that is due", replace(SILENT, reply_due=True), CANCEL, StopTurn(), {"reply_due": False}),
    ("another one cancelled", REPLYING, ReplyCancelled("=b"), None, {}),
]  # fmt: skip

OUTPUTS: list[tuple[str, TurnState, ReplyAudio | Event, Action, dict[str, Any]]] = [
    ("the first sound", REPLYING, SOUND, None, {"reply": RunningReply(sounds=True), "sounded_s": 0.5}),
    ("later sound", SOUNDING, SOUND, None, {"sounded_s": 0.5}),
    ("a word", REPLYING, WordSpoken("Hi.", 0.0, 0.1), None,
     {"spoken": ("Hi.",), "reply": RunningReply(heard=("Hi.",))}),
    ("text", REPLYING, ReplyTextWritten("Hi"), None, {"reply": RunningReply(written="Hi")}),
    ("a call", REPLYING, FunctionCalled(LOOK), None, {"awaits_tool_result": True}),
    ("a call of the pipeline's", REPLYING, FunctionCalled(LOOK, server_side=True), None, {"reply": WORKING.reply}),
    ("its result", WORKING, FunctionReturned("1", "21"), None, {"reply": RunningReply()}),
    ("the end", REPLYING, ReplyEnded("Hi.", TALK), None, {"reply": None}),
    ("the end, a turn waits", replace(REPLYING, reply_pending=True), ReplyEnded("Hi.", TALK), NEXT,
     {"reply": None, "reply_due": True, "replies": 2}),
    ("the end, a request waits", replace(CALLED, requested=ASK), ReplyEnded("Hi.", TALK), ASKED,
     {"reply": None, "reply_due": True, "replies": 2}),
    ("the cut, a turn waits", replace(CALLED, requested=ASK, reply_pending=True), ReplyInterrupted("Hi", TALK), None,
     {"reply": None, "requested": None, "reply_pending": False}),
    ("no reply", SILENT, SOUND, None, {}),
]  # fmt: skip

NOT_COMPARED = {"conversation", "idle", "turn_taking"}


def changed(before: TurnState, after: TurnState) -> dict[str, Any]:
    """The fields that differ."""
    names = [one.name for one in fields(TurnState) if one.name not in NOT_COMPARED]
    return {name: getattr(after, name) for name in names if getattr(before, name) != getattr(after, name)}


@pytest.mark.parametrize(
    ("state", "event", "action", "change"), [row[1:] for row in INPUTS], ids=[row[0] for row in INPUTS]
)
def test_what_the_user_and_the_client_do(
    state: TurnState, event: Event, action: Action, change: dict[str, Any]
) -> None:
    """Each row of the table."""
    after, does = state.after_input(event, NOW)
    assert does == action
    assert changed(state, after) == change


@pytest.mark.parametrize(
    ("state", "event", "action", "change"), [row[1:] for row in OUTPUTS], ids=[row[0] for row in OUTPUTS]
)
def test_what_the_reply_does(
    state: TurnState, event: ReplyAudio | Event, action: Action, change: dict[str, Any]
) -> None:
    """Each row of the table."""
    after, does = state.after_output(event, NOW)
    assert does == action
    assert changed(state, after) == change


def test_a_reply_begins_with_what_was_asked() -> None:
    """Nothing that was pending is left, and what is not remembered has a conversation of its own."""
    waiting = replace(SILENT, reply_due=True, reply_pending=True, requested=ASK, awaits_tool_result=True)
    after, started = waiting.begun(StartReply("=a", ASK))
    assert started == ReplyStarted(TALK, "=a")
    assert changed(SILENT, after) == {"reply": RunningReply()}
    aside, _ = waiting.begun(StartReply("=c", ReplyRequested("=c", messages=(), remembered=False)))
    assert aside.talk.messages == ()
    assert aside.after_output(WordSpoken("No.", 0.0, 0.1), NOW)[0].conversation == TALK


@pytest.mark.parametrize(
    ("state", "due"),
    [(SILENT, 7.0), (REPLYING, None), (replace(SILENT, reply_due=True), None),
     (replace(SILENT, user_speaking=True), None), (replace(SILENT, awaits_tool_result=True), None), (NEW, None),
     (replace(SILENT, idle=IDLE.prompted()), None)],
    ids=["silent", "replying", "due", "speaking", "function", "new", "prompted"],
)  # fmt: skip
def test_a_silence_is_broken_only_when_nothing_is_under_way(state: TurnState, due: float | None) -> None:
    """A reply, a turn and a function are."""
    assert state.prompt_at_s == due


def test_a_silence_is_answered() -> None:
    """The model reads `...`."""
    after, action = SILENT.after_silence()
    assert action == NEXT
    assert after.conversation.messages[-1].text == "..."
    assert after.idle.sent == 1


EVENTS = st.sampled_from(
    [VOICE, QUIET, LOUD, HoldElapsed(), MHM, WORD, HELLO, COUGH, OPEN, LEADS, ASK, CANCEL, BESIDE, RESULT]
)
SAID = st.sampled_from([SOUND, WordSpoken("Hi.", 0.0, 0.1), FunctionCalled(LOOK), ReplyEnded("Hi.", TALK)])


@given(st.lists(st.one_of(EVENTS, SAID), max_size=40))
def test_in_any_order(events: list[ReplyAudio | Event]) -> None:
    """A state whose actions are done has one reply at most, loses no turn and knows what is due."""
    state = NEW
    for at, event in enumerate(events):
        of_reply = isinstance(event, ReplyAudio | WordSpoken | FunctionCalled | ReplyEnded)
        if of_reply and state.reply is None:
            continue
        before = state
        state, action = state.after_output(event, at) if of_reply else state.after_input(event, at)  # pyright: ignore
        if isinstance(action, StartReply | StopTurn) and state.reply is not None:
            state, none = state.after_output(ReplyInterrupted(state.reply.text, state.talk), at)
            assert none is None
        if isinstance(action, StartReply):
            state, started = state.begun(action)
            assert started.item == action.item
            assert (state.reply_due, state.reply_pending, state.requested) == (False, False, None)
        if isinstance(event, ReplyEnded):
            assert (action is not None) == (before.reply_pending or before.requested is not None)
        assert state.reply is not None or not (state.reply_pending or state.requested)
        assert not state.reply_due
        if state.reply is not None:
            assert state.prompt_at_s is None
