"""A client that leads: turns that it ends, replies that it asks for, and what it does to the conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reactivex
from reactivex import Observable

from voicepipe.audio import Pcm16
from voicepipe.conversation import CUT, SILENCE, Conversation, Message
from voicepipe.events import (
    Audio,
    AudioReceived,
    Event,
    InputCleared,
    InputCommitted,
    ItemCreated,
    ItemDeleted,
    ItemTruncated,
    Pause,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    SpeechProbability,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnStarted,
    TurnTaking,
    TurnTextChanged,
    WordRecognised,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.operators import decode, detect_turns, endpoint, fill_gaps, hang_up_after, respond
from voicepipe.presets import INTERRUPTION
from voicepipe.rx import transduce
from voicepipe.testing import Marbles

CLIENT = TurnTaking("client", answers=False, interrupts=False)
COMMIT = InputCommitted("=a")


def next_values(marbles: Marbles, observable: Observable[Any], **options: Any) -> list[Any]:
    return [one.value for one in marbles.record(observable, **options) if one.kind == "next"]


# ---- turns ----------------------------------------------------------------------------------------------------------

LEADS = SettingsChanged(turns=CLIENT)
HEARD = {
    "M": CLIENT,
    "L": LEADS,
    "p": Pause(0.0, 1.0),
    "P": Pause(1.0, 2.0),
    "w": WordRecognised("so", 1.0, 1.5),
    "v": WordRecognised("it is", 1.5, 2.0),
    "t": Transcribed(2.0),
    "C": COMMIT,
    "D": InputCommitted("=b"),
    "x": InputCleared(),
    "r": ReplyRequested("=r"),
    "i": ItemCreated("=i", "user", "And?"),
    "k": ReplyCancelled(),
    "d": ItemDeleted("=i"),
}
TURNS = {
    "s": TurnStarted(1.0),
    "c": TurnConfirmed(1.0),
    "g": TurnTextChanged("so it is"),
    "a": TurnEnded("so it is", 2.0),
    "n": TurnEnded("", 2.0),
}


def expect(marbles: Marbles, heard: str, turns: str) -> None:
    stage = detect_turns(pause_above=0.6, resume_below=0.4)
    marbles.expect(marbles.cold(heard, table=HEARD).pipe(stage), turns, table=TURNS)


@pytest.mark.parametrize(
    ("heard", "kinds"),
    [
        ("MpwvPtC|", [TurnEnded]),  # the words are there before the commit
        ("MpwvPC-t|", [TurnEnded]),  # or after it
        ("MpwvPtp-PtC|", [TurnEnded]),  # a hesitation ends nothing
        ("MpwvPCrit|", [TurnEnded, ReplyRequested, ItemCreated]),  # what is about the time after waits
        ("MpwvPCrktr|", [ReplyCancelled, TurnEnded, ReplyRequested]),  # a reply cancelled while it waits is not begun
        ("MpwvPCdt|", [ItemDeleted, TurnEnded]),  # what is about the time before does not wait
    ],
)
def test_a_client_ends_its_turns(marbles: Marbles, heard: str, kinds: list[type]) -> None:
    """With the words of all that it has said; nothing is told of its voice."""
    told = next_values(marbles, marbles.cold(heard, table=HEARD).pipe(detect_turns(pause_above=0.6, resume_below=0.4)))
    assert [type(event) for event in told] == kinds
    (ended,) = [event for event in told if isinstance(event, TurnEnded)]
    assert ended == TurnEnded("so it is", 2.0, committed=True)
    assert ended.item == "=a"


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ("MCw-v-T|", "------a|"),  # before anything of it was heard
        ("MpwC-vPtT|", "--------a|"),  # a pause before it is not its end
        ("MpwvPtTC|", "-------a|"),  # all of it was transcribed before
        ("MCw-x-v-T|", "--------b|"),  # what is cleared later waits for its own place
    ],
)
def test_a_commit_whose_place_is_known_waits_for_all_before_it(marbles: Marbles, heard: str, told: str) -> None:
    """Though the recogniser lags behind, and nobody knows of any speech yet."""
    placed = {"C": InputCommitted("=a", at_s=2.5), "x": InputCleared(at_s=2.6), "T": Transcribed(2.5)}
    stage = detect_turns(pause_above=0.6, resume_below=0.4)
    text = "so it is"
    ends = {"a": TurnEnded(text, 2.5, committed=True), "b": TurnEnded(text, 2.5, committed=True)}
    if "P" in heard:
        ends["a"] = TurnEnded(text, 2.0, committed=True)
    marbles.expect(marbles.cold(heard, table=HEARD | placed).pipe(stage), told, table=ends)


def test_a_clearing_whose_place_is_known_drops_the_words_that_come_late(marbles: Marbles) -> None:
    """And no others."""
    placed = {"x": InputCleared(at_s=1.7), "T": Transcribed(1.7), "C": InputCommitted("=a", at_s=2.5)}
    placed |= {"U": Transcribed(2.5)}
    stage = detect_turns(pause_above=0.6, resume_below=0.4)
    told = next_values(marbles, marbles.cold("MxwTvCU|", table=HEARD | placed).pipe(stage))
    assert [(event.text, event.item) for event in told] == [("it is", "=a")]


def test_silence_can_be_committed(marbles: Marbles) -> None:
    """Each commit is a turn, though without words."""
    told = next_values(
        marbles, marbles.cold("MC--D|", table=HEARD).pipe(detect_turns(pause_above=0.6, resume_below=0.4))
    )
    assert [(event.text, event.item) for event in told] == [("", "=a"), ("", "=b")]


def test_what_was_cleared_is_no_turn(marbles: Marbles) -> None:
    """Neither the client's, nor, where it was announced, with words."""
    expect(marbles, "MpwvxPt-|", "--------|")
    expect(marbles, "pw-v-x-P-t|", "sc-g-----n|")


def test_a_turn_that_was_announced_ends_though_the_client_takes_the_lead(marbles: Marbles) -> None:
    """Behind the settings, which say what its end does, and without words, which are those of its commit, or of the
    next turn that is detected."""
    stage = detect_turns(pause_above=0.6, resume_below=0.4)
    told = next_values(marbles, marbles.cold("pwMLvPC-t|", table=HEARD).pipe(stage))
    assert told[2:] == [LEADS, TurnEnded("", 1.0), TurnEnded("so it is", 2.0, committed=True)]
    assert [event.item for event in told[3:]] == ["turn1", "=a"]
    cleared = next_values(marbles, marbles.cold("pwMLv-xP-t|", table=HEARD).pipe(stage))
    assert cleared[2:] == [LEADS, TurnEnded("", 1.0)]


def test_clearing_nothing_changes_nothing(marbles: Marbles) -> None:
    """The next turn is whole."""
    expect(marbles, "x-p-w-v-P-t|", "--s-c-g---a|")


def test_a_turn_has_one_name(marbles: Marbles) -> None:
    """From its voice to its end, and no other has it."""
    stage = detect_turns(pause_above=0.6, resume_below=0.4)
    told = next_values(marbles, marbles.cold("pwPtpwPt|", table=HEARD).pipe(stage))
    assert [event.item for event in told if not isinstance(event, TurnConfirmed)] == [
        "turn1",
        "turn1",
        "turn2",
        "turn2",
    ]


# ---- sound ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [InputCommitted(), InputCleared()])
def test_the_detectors_turn_ends_by_silence(marbles: Marbles, end: Event) -> None:
    """At once, where the client says so; where there was no sound, none is added."""
    sound = AudioReceived(bytes(960))
    received = marbles.hot("sx|", s=sound, x=end)
    out = next_values(marbles, received.pipe(decode(Pcm16()), fill_gaps(after_ms=200, at_most_ms=400)))
    kinds = [event.duration_s if isinstance(event, Audio) else type(event) for event in out]
    assert kinds == [0.02, type(end), 0.2, 0.2]
    quiet = marbles.hot("x|", x=end)
    assert next_values(marbles, quiet.pipe(fill_gaps(after_ms=200, at_most_ms=400))) == [end]


def test_a_turn_of_the_clients_own_needs_no_silence(marbles: Marbles) -> None:
    """The recogniser is told where it ends."""
    received = marbles.hot("sC|", s=AudioReceived(bytes(960)), C=COMMIT)
    out = next_values(marbles, received.pipe(decode(Pcm16()), fill_gaps(after_ms=200, at_most_ms=400)))
    assert [type(event) for event in out] == [Audio, InputCommitted]


def test_how_turns_are_taken_goes_with_the_sound(marbles: Marbles) -> None:
    """Of a client that leads, in front of its settings."""
    led, own = SettingsChanged("x", turns=CLIENT), SettingsChanged("x")
    assert next_values(marbles, marbles.cold("lo|", l=led, o=own).pipe(decode(Pcm16()))) == [CLIENT, led, own]


def _voices(levels: str) -> list[Event]:
    """A frame of 100 ms per letter, as loud as its digit says."""
    return [Audio(np.full(100, int(level) / 10, np.float32), 1000) for level in levels]


def _endpoint(marbles: Marbles, first: list[Event], levels: str) -> list[Any]:
    at = [0.0]

    def vad(audio: Audio) -> list[SpeechProbability]:
        at[0] = round(at[0] + 0.1, 3)
        return [SpeechProbability(float(audio.samples[0]), at[0])]

    stage = endpoint(
        transduce(lambda _: vad),
        lambda _: reactivex.just(0.7),
        speech_above=0.5,
        silence_below=0.35,
        onset_ms=100,
        pause_ms=200,
        ask_again_ms=800,
        sure_above=0.6,
        silence_ms=800,
        context_s=8,
        longest_s=30,
    )
    return next_values(marbles, reactivex.from_iterable([*first, *_voices(levels)]).pipe(stage))


def test_the_client_sets_thresholds_and_times(marbles: Marbles) -> None:
    """A voice that the pipeline would hear is none; a silence ends the turn sooner, and the model is not asked."""
    heard = [type(event) for event in _endpoint(marbles, [], "66000000000")]
    assert heard == [SpeechStarted, Pause, SpeechStopped, Pause, Pause]
    turns = TurnTaking("voice", speech_above=0.7, silence_ms=500)
    assert _endpoint(marbles, [turns], "6600000000") == []
    told = _endpoint(marbles, [turns], "8800000000")
    assert told[-1] == Pause(1.0, 0.2)
    assert [event.probability for event in told if isinstance(event, Pause)] == [0.0, 1.0]


def test_patience_multiplies_the_silence(marbles: Marbles) -> None:
    """Low eagerness waits longer, high less."""

    def silence_s(patience: float) -> int:
        told = _endpoint(marbles, [TurnTaking("meaning", patience=patience)], "99" + "0" * 30)
        return [event.probability for event in told if isinstance(event, Pause)].count(1.0)

    assert [silence_s(patience) for patience in (0.5, 1.0, 2.0, 4.0)] == [1, 1, 1, 0]


# ---- replies --------------------------------------------------------------------------------------------------------

SOUND = ReplyAudio(Audio(np.zeros(8, np.float32), 1000))
ASIDE = ReplyRequested("=q", "Sing.", (ItemCreated("", "user", "Now?"),), aloud=False, remembered=False)
SAYS = {
    "w": WordSpoken("good", 0.0, 0.1),
    "v": WordSpoken("day", 0.1, 0.2),
    "S": SOUND,
    "x": ReplyTextWritten("Good day."),
}
LED = TurnTaking("meaning")


def events(turns: TurnTaking | None = LED, **more: Event) -> dict[str, Event]:
    return {
        "o": SettingsChanged("Be brief.", turns=turns),
        "e": TurnEnded("hello", 1.0, "turn1"),
        "E": TurnEnded("hello", 1.0, "turn1", committed=True),
        "s": TurnStarted(1.0),
        "c": TurnConfirmed(1.0),
        "r": ReplyRequested("=r"),
        "q": ASIDE,
        "k": ReplyCancelled(),
        "i": ItemCreated("=i", "user", "And?"),
        **more,
    }


class Bot:
    """Answers with a diagram, and remembers what it was asked."""

    def __init__(self, marbles: Marbles, reply: str) -> None:
        self._marbles, self._reply = marbles, reply
        self.asked: list[Conversation] = []

    def __call__(self, conversation: Conversation) -> Observable[Event]:
        self.asked.append(conversation)
        return self._marbles.cold(self._reply, table=SAYS)

    def hear(self, said: str, values: dict[str, Event], **options: Any) -> list[Any]:
        rules = replace(INTERRUPTION, idle_after_s=1.0, idle_prompts=1, uninterruptible_s=0.1, grace_s=0.1)
        stage = respond(self, replace(rules, **options))
        return next_values(self._marbles, self._marbles.hot(said, table=values).pipe(stage))


def kinds(out: list[Any]) -> str:
    """One letter each: started, ended, interrupted."""
    letters = {
        ReplyStarted: "b",
        ReplyEnded: "e",
        ReplyInterrupted: "x",
        WordSpoken: "w",
        ReplyTextWritten: "t",
        ReplyAudio: "S",
        TurnJudged: "j",
    }
    return "".join(letters[type(event)] for event in out)


def test_a_client_that_leads_is_not_spoken_to_unasked(marbles: Marbles) -> None:
    """No opening, and no nudge; a turn is answered."""
    bot = Bot(marbles, "w-|")
    assert kinds(bot.hear("o---e 3s |", events())) == "bwe"


def test_a_silence_is_broken_after_the_clients_own_time(marbles: Marbles) -> None:
    """If it has set one."""
    bot = Bot(marbles, "w-|")
    out = bot.hear("oe 3s |", events(TurnTaking("meaning", idle_s=2.0)))
    assert kinds(out) == "bwebwe"
    silence = bot.asked[-1].messages[-1]
    assert (silence.text, silence.item) == (SILENCE, "silence1")


def test_turns_may_be_left_unanswered(marbles: Marbles) -> None:
    """Until a reply is asked for; it knows what was said."""
    bot = Bot(marbles, "w-|")
    assert kinds(bot.hear("oe---r|", events(TurnTaking("meaning", answers=False)))) == "bwe"
    assert bot.asked[-1].messages == (Message("user", "hello"),)
    assert kinds(Bot(marbles, "w-|").hear("oE---|", events())) == ""


def test_a_reply_that_is_asked_for_has_the_name_that_was_given(marbles: Marbles) -> None:
    """And is cut, or not begun while another one is on."""
    out = Bot(marbles, "w------v|").hear("or-r-k|", events())
    assert kinds(out) == "bwx"
    assert out[0].item == "=r"
    assert out[-1].heard_text == "good"


def test_a_voice_has_no_effect_where_it_shall_not_interrupt(marbles: Marbles) -> None:
    """Words that were spoken meanwhile are answered when the reply has ended."""
    bot = Bot(marbles, "w----v|")
    out = bot.hear("oesc-e|", events(TurnTaking("meaning", interrupts=False)))
    assert kinds(out) == "bwjwebwwe"
    assert [message.text for message in bot.asked[-1].messages] == ["hello", "good day", "hello"]


def test_a_reply_that_is_spoken_and_forgotten(marbles: Marbles) -> None:
    """With instructions and messages of its own; it takes the floor, and leaves no trace."""
    bot = Bot(marbles, "w|")
    once = ReplyRequested("=q", "Sing.", (ItemCreated("", "user", "Now?"),), remembered=False)
    out = bot.hear("oiq---r|", events(q=once))
    assert kinds(out) == "bwebwe"
    assert bot.asked[0] == replace(Conversation("Sing.", (Message("user", "Now?"),)), led=True)
    assert bot.asked[1].messages == (Message("user", "And?"),)
    assert out[2].text == "good"
    assert out[-1].conversation.messages == (Message("user", "And?"), Message("assistant", "good"))


def test_a_client_that_leads_is_not_hung_up_on(marbles: Marbles) -> None:
    """Whatever the bot says."""
    ended = ReplyEnded("Bye!", Conversation(led=True))
    marbles.expect(marbles.cold("e|", e=ended).pipe(hang_up_after("Bye!")), "e|", e=ended)


# ---- the conversation -----------------------------------------------------------------------------------------------


def told(*happened: Event) -> Conversation:
    talk = Conversation()
    for event in happened:
        talk = fold(talk, event)
    return talk


WORDS = [WordSpoken(word, 0.2 * number, 0.2 * number + 0.2) for number, word in enumerate(["One", "two", "three."])]
REPLY = (ReplyStarted(Conversation(), "reply1"), *WORDS)


def test_a_message_is_written_where_the_client_wants_it() -> None:
    """At the end, at the beginning, behind another; not twice."""
    talk = told(
        ItemCreated("=a", "user", "one"),
        ItemCreated("=b", "system", "zero", ""),
        ItemCreated("=c", "assistant", "two", "=a"),
        ItemCreated("=d", "user", "three"),
        ItemCreated("=a", "user", "again"),
    )
    assert [message.text for message in talk.messages] == ["zero", "one", "two", "three"]
    assert [message["role"] for message in talk.prompt()] == ["system", "user", "assistant", "user"]
    assert talk.prompt()[0]["content"] == "zero"


def test_a_message_is_deleted() -> None:
    """By its name."""
    talk = told(TurnEnded("Hi.", 1.0, "turn1"), ItemDeleted("turn1"), ItemDeleted("gone"))
    assert talk.messages == ()


@pytest.mark.parametrize(
    ("end_ms", "left"),
    [(0, None), (100, f"One{CUT}"), (200, f"One{CUT}"), (201, f"One two{CUT}"), (9000, "One two three.")],
)
def test_a_reply_is_cut_to_what_was_heard(end_ms: float, left: str | None) -> None:
    """By the times of its words; nothing at all is no message."""
    talk = told(*REPLY, ItemTruncated("reply1", end_ms))
    assert [message.text for message in talk.messages] == ([] if left is None else [left])


def test_what_comes_after_the_cut_is_not_remembered() -> None:
    """The bot may go on for a moment; the user does not hear it."""
    talk = told(
        *REPLY, ItemTruncated("reply1", 100), WordSpoken("four", 0.6, 0.8), ReplyInterrupted("", Conversation())
    )
    assert [message.text for message in talk.messages] == [f"One{CUT}"]


def test_two_replies_in_a_row_are_two_messages() -> None:
    """And the model reads them as one."""
    talk = told(*REPLY, ReplyStarted(Conversation(), "reply2"), WordSpoken("Four.", 0.0, 0.2))
    assert [message.text for message in talk.messages] == ["One two three.", "Four."]
    assert talk.prompt(unfinished=True)[-1]["content"] == "One two three. Four."


def test_what_was_written_is_kept_letter_for_letter() -> None:
    """Lines and all."""
    talk = told(ReplyStarted(Conversation(), "reply1"), ReplyTextWritten("- a\n"), ReplyTextWritten("- b"))
    assert talk.messages == (Message("assistant", "- a\n- b"),)


def test_a_reply_goes_on_with_its_message_though_the_user_has_spoken() -> None:
    """It does so where a voice does not interrupt."""
    talk = told(*REPLY[:2], TurnEnded("Hm.", 1.0, "turn1"), *REPLY[2:])
    assert [message.text for message in talk.messages] == ["One two three.", "Hm."]
