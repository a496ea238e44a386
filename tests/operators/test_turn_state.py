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
    EchoEnded,
    EchoFound,
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionContinues,
    FunctionReturned,
    ItemCreated,
    ReplyAudio,
    ReplyCancelled,
    ReplyDelayed,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SettingsChanged,
    SpeechRequested,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    TurnTaking,
    TurnTextChanged,
    TurnVoiceChanged,
    WordSpoken,
)
from voicepipe.operators.idle_prompts import IdlePrompts
from voicepipe.operators.next_reply import NextReply
from voicepipe.operators.running_reply import RunningReply
from voicepipe.operators.turn_actions import Action, HoldElapsed, HoldReply, ResumeReply, StartReply, StopTurn
from voicepipe.operators.turn_state import TurnState
from voicepipe.operators.user_turn import UserTurn
from voicepipe.presets import Interruption

NOW = 10.0
TALK = Conversation("Be brief.").user_said("Hello.").bot_said("Hi.")
OWED = TALK.user_said("Well?")
QUIETLY = TALK.user_said("...")
RULES = Interruption(7.0, 1, 3.0, 0.25, min_voice_ms=800, resume_within_ms=350)
IDLE = IdlePrompts.of(RULES)
SOUND = ReplyAudio(Audio(np.zeros(12_000, np.float32), 24_000))
LOOK = FunctionCall("1", "look")


def of_user(state: TurnState, **changes: Any) -> TurnState:
    """The state with other fields of the user's turn, or of the bot's own voice."""
    own = {name: changes.pop(name) for name in ("likely_s", "spoken", "found") if name in changes}
    return replace(state, user=replace(state.user, own_voice=replace(state.user.own_voice, **own), **changes))


def saying(state: TurnState, **changes: Any) -> TurnState:
    """The state with other fields of what the bot says next."""
    return replace(state, next=replace(state.next, **changes))


SILENT = TurnState(UserTurn.of(RULES), IDLE, TALK, opened=True, next=NextReply(count=1))
REPLYING = replace(SILENT, reply=RunningReply())
WORKING = replace(SILENT, reply=RunningReply(functions=1))
SOUNDING = replace(SILENT, reply=RunningReply(sounds=True))
LATER = of_user(SOUNDING, likely_s=0.0)
CALLED = replace(REPLYING, awaits_tool_result=True)
LED = replace(SILENT, turn_taking=TurnTaking())
HELD = of_user(
    replace(SILENT, reply=RunningReply(sounds=True, held=True)),
    likely_s=0.0, speaking=True, over_reply=True, voice=(True, 9.0),
)  # fmt: skip
DEAF = replace(SOUNDING, turn_taking=TurnTaking(interrupts=False))
MUTE = replace(SILENT, turn_taking=TurnTaking(answers=False))
NEW = TurnState.of(RULES)
SPEAKING = of_user(NEW, speaking=True)

VOICE, WORD, HELLO, COUGH = TurnStarted(1.0), TurnConfirmed(1.0), TurnEnded("Hello.", 2.0), TurnEnded("", 2.0)
OPEN, LEADS = SettingsChanged("Be brief."), SettingsChanged("Be brief.", turns=TurnTaking())
ASK, CANCEL = ReplyRequested("=a"), ReplyCancelled()
BESIDE = ReplyRequested("=b", aloud=False, remembered=False)
RESULT = ItemCreated("=i", "tool", "21", None, LOOK)

SURE = TurnVoiceChanged(True, 1.0, sure=True)
ECHOING = of_user(SOUNDING, began_over=True, spoken=("In", "Paris", "it", "is", "sunny", "today."))
QUIET, LOUD = TurnVoiceChanged(False, 1.0), TurnVoiceChanged(True, 1.0)
MHM = TurnEnded("mhm", 2.0, acknowledgement=True)
HEARD = {"speaking": True, "voice": (True, NOW)}
OVER = {**HEARD, "began_over": True}
GONE_ON = {"speaking": False, "over_reply": False, "reply": RunningReply(sounds=True)}

NEXT, ASKED = StartReply("reply2"), StartReply("=a", ASK)
ASKING = RunningReply(sounds=True, heard=("Tea?", "I", "do."))
BEHIND = replace(SILENT, conversation=TALK.bot_called(LOOK, server_side=True))

INPUTS: list[tuple[str, TurnState, Event, Action, dict[str, Any]]] = [
    # the state       the event  the bot                     what has changed
    ("it opens", NEW, OPEN, StartReply("reply1"), {"opened": True, "is_due": True, "count": 1}),
    ("it opens later", SPEAKING, OPEN, None, {"opened": True}),
    ("it has opened", SILENT, OPEN, None, {}),
    ("the client opens", NEW, LEADS, None, {}),
    ("a voice", SILENT, VOICE, StopTurn(), HEARD),
    ("a voice before the sound", REPLYING, VOICE, StopTurn(), OVER),
    ("a voice while a function runs", WORKING, VOICE, None, {**OVER, "over_reply": True}),
    ("a word while a function runs", WORKING, WORD, StopTurn(), {"speaking": True}),
    ("a voice, early", SOUNDING, VOICE, None, {**OVER, "over_reply": True}),
    ("a voice, later", LATER, VOICE, HoldReply(), {**OVER, "over_reply": True, "reply": HELD.reply}),
    ("a voice without effect", DEAF, VOICE, None, {**OVER, "over_reply": True}),
    ("the voice stops", HELD, QUIET, None, {"voice": (False, NOW)}),
    ("the voice goes on", of_user(replace(HELD, reply=LATER.reply), voice=(False, 9.5)), LOUD, HoldReply(),
     {"voice": (True, NOW), "reply": HELD.reply}),
    ("too early to decide", of_user(HELD, voice=(True, 9.5)), HoldElapsed(), None, {}),
    ("the voice has lasted", HELD, HoldElapsed(), StopTurn(), {"over_reply": False}),
    ("the voice was a cough", of_user(HELD, voice=(False, 9.0)), HoldElapsed(), ResumeReply(),
     {"reply": LATER.reply}),
    ("the voice acknowledges", HELD, TurnVoiceChanged(True, 1.0, acknowledges=True), None, {"voice": (True, NOW)}),
    ("it did, and has stopped", of_user(HELD, voice=(False, 9.9)), TurnVoiceChanged(True, 1.0, acknowledges=True), None,
     {}),
    ("an answer behind a question", of_user(HELD, asked=True), MHM, NEXT,
     {"speaking": False, "over_reply": False, "is_due": True, "count": 2}),
    ("a voice behind a question", replace(LATER, reply=ASKING), VOICE, HoldReply(),
     {**OVER, "over_reply": True, "asked": True, "reply": replace(ASKING, held=True)}),
    ("a cough", HELD, COUGH, ResumeReply(), GONE_ON),
    ("an acknowledgement", HELD, MHM, ResumeReply(), GONE_ON),
    ("one over a question", replace(HELD, conversation=TALK.bot_said("Tea?")), MHM, NEXT,
     {"speaking": False, "over_reply": False, "is_due": True, "count": 2}),
    ("one in silence", SILENT, MHM, NEXT, {"is_due": True, "count": 2}),
    ("a word in a held reply", HELD, WORD, StopTurn(), {"over_reply": False}),
    ("a turn over a held reply", HELD, HELLO, NEXT,
     {"speaking": False, "over_reply": False, "is_due": True, "count": 2}),
    ("a voice that is scored", HELD, SURE, StopTurn(), {"over_reply": False}),
    ("one in the protected sound", of_user(SOUNDING, over_reply=True), SURE, None, {"voice": (True, NOW)}),
    ("the bot's own voice", ECHOING, TurnConfirmed(1.0, "Paris"), None, {"speaking": True}),
    ("more of it", ECHOING, TurnTextChanged("Paris is sonny"), None, {"likely_s": 15.0}),
    ("the user's among it", ECHOING, TurnTextChanged("Paris it is sunny no stop"), StopTurn(), {"likely_s": 15.0}),
    ("the end of it", ECHOING, TurnEnded("Paris is sunny.", 2.0), None, {"began_over": False}),
    ("the end of both", ECHOING, TurnEnded("Paris is sunny. No, stop!", 2.0), NEXT,
     {"began_over": False, "is_due": True, "count": 2}),
    ("a voice where there is an echo", of_user(LATER, found=True), VOICE, None, {**OVER, "over_reply": True}),
    ("an echo long after", of_user(ECHOING, likely_s=0.0), TurnConfirmed(1.0, "Paris"), StopTurn(),
     {"speaking": True}),
    ("one that is known", of_user(ECHOING, likely_s=0.0, found=True), TurnConfirmed(1.0, "Paris"), None,
     {"speaking": True}),
    ("an echo that held the reply", of_user(HELD, began_over=True, found=True, spoken=ECHOING.user.own_voice.spoken),
     TurnConfirmed(1.0, "Paris is"), ResumeReply(), {"reply": LATER.reply}),
    ("an echo in the sound", LATER, EchoFound(), None, {"found": True}),
    ("its end", of_user(LATER, found=True), EchoEnded(), None, {"found": False}),
    ("the end of one that was noticed in words", of_user(LATER, likely_s=9.0), EchoEnded(), None, {"likely_s": 0.0}),
    ("a first word", SOUNDING, WORD, StopTurn(), {"speaking": True}),
    ("a word without effect", DEAF, WORD, None, {"speaking": True}),
    ("a turn", SILENT, HELLO, NEXT, {"is_due": True, "count": 2}),
    ("a turn over a reply", SOUNDING, HELLO, NEXT, {"is_due": True, "count": 2}),
    ("a turn that waits", DEAF, HELLO, None, {"pending": True}),
    ("a turn unanswered", MUTE, HELLO, None, {}),
    ("a cough in silence", SILENT, COUGH, None, {}),
    ("a cough over a reply", SOUNDING, COUGH, None, {}),
    ("a cough instead of an answer", replace(SILENT, conversation=OWED), COUGH, NEXT,
     {"is_due": True, "count": 2}),
    ("a cough before the opening", replace(SPEAKING, opened=True), COUGH, StartReply("reply1"),
     {"speaking": False, "is_due": True, "count": 1}),
    ("a request", LED, ASK, ASKED, {"is_due": True, "due": ASK, "count": 2}),
    ("a request over a reply", REPLYING, ASK, None, {}),
    ("a request behind a call", CALLED, ASK, None, {"requested": ASK}),
    ("a request beside the talk", LED, BESIDE, None, {}),
    ("a result", SILENT, RESULT, None, {"awaits_tool_result": True}),
    ("a function goes on", BEHIND, FunctionContinues("1"), None, {"functions": frozenset({"1"})}),
    ("it returns", replace(BEHIND, functions=frozenset({"1", "2"})), FunctionReturned("1", "21"), None,
     {"functions": frozenset({"2"})}),
    ("it is called again", replace(BEHIND, functions=frozenset({"1"})), FunctionContinues("1", "2"), None,
     {"functions": frozenset()}),
    ("a cancelled reply", REPLYING, CANCEL, StopTurn(), {"declined": True}),
    ("a cough behind it", replace(SILENT, conversation=OWED, declined=True), COUGH, None, {}),
    ("a turn behind it", replace(SILENT, conversation=OWED, declined=True), HELLO, NEXT,
     {"declined": False, "is_due": True, "count": 2}),
    ("a cancellation when none runs", replace(SILENT, conversation=OWED), CANCEL, StopTurn(), {}),
    ("a cough instead of an idle prompt", replace(SILENT, conversation=QUIETLY, idle=IDLE.prompted()), COUGH, NEXT,
     {"is_due": True, "count": 2}),
    ("one behind a prompt that has failed", replace(SILENT, conversation=QUIETLY, idle=IDLE.prompted().ended(9.0)),
     COUGH, None, {}),
    ("a cancelled one that is due", saying(SILENT, is_due=True), CANCEL, StopTurn(),
     {"is_due": False, "declined": True}),
    ("another one cancelled", REPLYING, ReplyCancelled("=b"), None, {}),
]  # fmt: skip

OUTPUTS: list[tuple[str, TurnState, ReplyAudio | Event, Action, dict[str, Any]]] = [
    ("the first sound", REPLYING, SOUND, None, {"reply": RunningReply(sounds=True), "likely_s": 2.5}),
    ("later sound", SOUNDING, SOUND, None, {"likely_s": 2.5}),
    ("sound long after an echo in words", of_user(SOUNDING, likely_s=0.3), SOUND, None, {"likely_s": 0.0}),
    ("sound without an echo", LATER, SOUND, None, {}),
    ("a word", REPLYING, WordSpoken("Hi.", 0.0, 0.1), None,
     {"spoken": ("Hi.",), "reply": RunningReply(heard=("Hi.",))}),
    ("text", REPLYING, ReplyTextWritten("Hi"), None, {"reply": RunningReply(written="Hi")}),
    ("a call", REPLYING, FunctionCalled(LOOK), None, {"awaits_tool_result": True}),
    ("a call of the pipeline's", REPLYING, FunctionCalled(LOOK, server_side=True), None, {"reply": WORKING.reply}),
    ("its result", WORKING, FunctionReturned("1", "21"), None, {"reply": RunningReply()}),
    ("the end", REPLYING, ReplyEnded("Hi.", TALK), None, {"reply": None}),
    ("the end, a turn waits", saying(REPLYING, pending=True), ReplyEnded("Hi.", TALK), NEXT,
     {"reply": None, "is_due": True, "count": 2}),
    ("the end, a request waits", saying(CALLED, requested=ASK), ReplyEnded("Hi.", TALK), ASKED,
     {"reply": None, "is_due": True, "due": ASK, "count": 2}),
    ("the cut, a turn waits", saying(CALLED, requested=ASK, pending=True), ReplyInterrupted("Hi", TALK), None,
     {"reply": None, "requested": None, "pending": False}),
    ("no reply", SILENT, SOUND, None, {}),
]  # fmt: skip

NOT_COMPARED = {"conversation", "idle", "turn_taking", "user", "own_voice", "rules", "next"}


def changed(before: TurnState, after: TurnState) -> dict[str, Any]:
    """The fields that differ, with those of its parts."""
    pairs: list[tuple[Any, Any]] = [(before, after), (before.user, after.user), (before.next, after.next)]
    pairs.append((before.user.own_voice, after.user.own_voice))
    return {
        one.name: getattr(new, one.name)
        for old, new in pairs
        for one in fields(old)
        if one.name not in NOT_COMPARED and getattr(old, one.name) != getattr(new, one.name)
    }


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
    waiting = replace(saying(SILENT, is_due=True, pending=True, requested=ASK), awaits_tool_result=True)
    after, started = waiting.begun(StartReply("=a", ASK))
    assert started == ReplyStarted(TALK, "=a")
    assert changed(SILENT, after) == {"reply": RunningReply()}
    aside, _ = waiting.begun(StartReply("=c", ReplyRequested("=c", messages=(), remembered=False)))
    assert aside.talk.messages == ()
    assert aside.after_output(WordSpoken("No.", 0.0, 0.1), NOW)[0].conversation == TALK


def test_what_is_to_be_said_unasked_waits_for_its_moment() -> None:
    """It is ordered when the reply has ended, with the pipeline's wish; a reply that cannot be interrupted goes on."""
    tea = SpeechRequested("Your tea is ready.", interruptible=False)
    waiting, action = SOUNDING.after_input(tea, NOW)
    assert (waiting.next.unasked.waiting, action) == ((tea,), None)
    ordered, action = waiting.after_output(ReplyEnded("Hi.", TALK), NOW)
    assert action == StartReply("reply2", unasked=tea)
    running, started = ordered.begun(StartReply("reply2", unasked=tea))
    assert (started.unasked, started.conversation.verbatim) == (tea, "Your tea is ready.")
    assert running.after_input(WORD, NOW)[1] is None
    assert running.after_input(CANCEL, NOW) == (running, None)
    answered, action = running.after_input(HELLO, NOW)
    assert (answered.next.pending, action) == (True, None)
    assert answered.after_output(ReplyEnded("Your tea is ready.", TALK), NOW)[1] == StartReply("reply3")


def test_a_reply_that_is_due_stays_due_when_the_one_before_it_is_cut() -> None:
    """It begins when that has cleaned up."""
    ordered = saying(SOUNDING, is_due=True)
    cut, action = ordered.after_output(ReplyInterrupted("Hi", TALK), NOW)
    assert (cut.reply, cut.next.is_due, cut.prompt_at_s, action) == (None, True, None, None)


@pytest.mark.parametrize(
    ("state", "due"),
    [(SILENT, 7.0), (REPLYING, None), (saying(SILENT, is_due=True), None),
     (of_user(SILENT, speaking=True), None), (replace(SILENT, awaits_tool_result=True), None), (NEW, None),
     (replace(SILENT, idle=IDLE.prompted()), None), (replace(SILENT, functions=frozenset({"1"})), None)],
    ids=["silent", "replying", "due", "speaking", "function", "new", "prompted", "goes on"],
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
            assert (state.next.is_due, state.next.pending, state.next.requested) == (False, False, None)
        if isinstance(event, ReplyEnded):
            assert (action is not None) == (before.next.pending or before.next.requested is not None)
        assert state.reply is not None or not (state.next.pending or state.next.requested)
        assert not state.next.is_due
        if state.reply is not None:
            assert state.prompt_at_s is None


@pytest.mark.parametrize(
    ("events", "answered"),
    [
        ([], False),
        ([ReplyText("Well,")], False),  # it was not heard
        ([ReplyText("Well,"), SOUND], True),
        ([ReplyText("Wait."), ReplyDelayed(2.0), SOUND], False),  # a filler is no answer
        ([ReplyText("Wait."), ReplyDelayed(2.0), SOUND, ReplyText(" Yes.")], True),
        ([ReplyTextWritten("Well,")], True),
    ],
)
def test_whether_the_user_has_heard_an_answer(events: list[Event | ReplyAudio], answered: bool) -> None:
    """A failure before that leaves them in silence."""
    state = REPLYING
    for event in events:
        state, _ = state.after_output(event, NOW)
    assert state.reply is not None
    assert state.reply.is_answered is answered
