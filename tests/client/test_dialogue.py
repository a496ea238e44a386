"""From messages to facts: turns, latencies, interruptions; no socket, no clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voicepipe.client.dialogue import Dialogue
from voicepipe.client.facts import (
    Fact,
    Heard,
    Interrupted,
    Measured,
    Problem,
    ReplyAudible,
    ReplyCreated,
    ReplyDone,
    ReplyDropped,
    Said,
    SpeechStarted,
    SpeechStopped,
    Understood,
)
from voicepipe.events import Samples

FRAME = 480


class Told:
    """A dialogue, and what came of it."""

    def __init__(self) -> None:
        self.dialogue = Dialogue()
        self.facts: list[Fact] = []
        self._sent = 0

    def speak(self, pattern: str) -> None:
        """20 ms each, the first one from second 0 on: ``s`` is loud, ``_`` is silent."""
        for letter in pattern:
            self._sent += 1
            self.dialogue.speak(self._sent * 0.02, np.full(FRAME, 0.3 if letter == "s" else 0, np.float32))

    def hear(self, at_s: float, kind: str, **fields: Any) -> None:
        self.facts += self.dialogue.hear(at_s, {"type": kind, **fields})

    def sound(self, at_s: float, seconds: float, level: float = 0.1) -> None:
        samples: Samples = np.full(round(seconds * 24_000), level, np.float32)
        self.facts += self.dialogue.sound(at_s, samples)

    def create(self, at_s: float, *said: str) -> None:
        """A reply to this history: the user's messages, and the bot's behind a ``>``."""
        roles = [("assistant", one[1:]) if one.startswith(">") else ("user", one) for one in said]
        history = [{"role": role, "content": text} for role, text in roles]
        self.hear(at_s, "response.created", response={"chat_history": history})

    def tick(self, at_s: float) -> None:
        self.facts += self.dialogue.tick(at_s)

    def those(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


WORD = "conversation.item.input_audio_transcription.delta"
STOPPED = "input_audio_buffer.speech_stopped"


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_turn_is_measured_from_the_last_loud_sample_to_the_first_sound(told: Told):
    """Loud until 0.1 s, the reply's first sound at 0.5 s; the page that begins a stream holds no sound."""
    told.speak("sssss" + "_" * 10)
    told.hear(0.2, WORD, delta=" Hello")
    told.hear(0.3, "response.created")
    told.sound(0.4, 0)
    told.sound(0.5, 0.04)
    told.sound(0.6, 0.04)
    assert told.facts[:3] == [Heard("Hello"), Understood("Hello"), ReplyCreated()]
    (audible,) = told.facts[3:]
    assert isinstance(audible, ReplyAudible)
    assert audible.latency_ms == pytest.approx(400)
    assert not audible.over_user


def test_what_was_said_before_the_first_frame_does_not_move_the_clock(told: Told):
    """A microphone that begins late: its positions are counted from its first frame."""
    told._sent = 50
    told.speak("ss___")
    assert told.dialogue.origin_s == pytest.approx(1.0)
    assert told.dialogue.user_until_s == pytest.approx(1.04)


def test_the_opening_and_an_idle_prompt_answer_no_turn(told: Told):
    """Without a word of the user's since the last reply, there is no latency; noise alone is none."""
    told.hear(0.1, "response.created")
    told.sound(0.2, 0.04)
    told.speak("s" + "_" * 20)
    told.hear(1.0, "response.created")
    told.sound(1.1, 0.04)
    assert [fact.latency_ms for fact in told.facts if isinstance(fact, ReplyAudible)] == [None, None]


def test_sound_while_the_user_speaks_interrupts_the_user(told: Told):
    """The user was loud 20 ms before the bot's first sound."""
    told.speak("s" * 10)
    told.hear(0.1, WORD, delta="Well")
    told.hear(0.19, "response.created")
    told.sound(0.22, 0.04)
    assert told.facts[-1] == ReplyAudible(pytest.approx(20), over_user=True)


def test_an_interruption_flushes_what_plays_and_says_how_long_it_took(told: Told):
    """The user began at 0.2 s, the bot was stopped at 0.5 s with 0.5 s of sound to go; what comes after is no end."""
    told.hear(0.0, "response.created")
    told.sound(0.0, 1.0)
    told.speak("_" * 10 + "s" * 15)
    told.hear(0.5, "unmute.interrupted_by_vad")
    told.hear(0.5, "response.audio.done")
    assert told.facts[-1] == Interrupted(after_ms=pytest.approx(300), unheard_ms=pytest.approx(500))
    assert len(told.dialogue.playback.heard()) == 12_000
    assert told.dialogue.turns[0].interrupted


def test_a_reply_is_its_words(told: Told):
    """Each word as it is spoken, and the whole at the end."""
    told.hear(0.0, "response.created")
    for word in ("Good", "morning."):
        told.hear(0.1, "response.text.delta", delta=word)
    told.hear(0.2, "response.audio.done")
    assert told.facts[1:] == [Said("Good"), Said("morning."), ReplyDone("Good morning.")]


def test_the_servers_figures_belong_to_the_turn_that_was_answered(told: Told):
    """Once per turn, beside what was measured here; a reply to nobody has none."""
    debug = {"chat_history": [], "debug_dict": {"total_ms": 310.0, "parts_ms": {"tts": 310.0}}}
    told.hear(0.0, "response.created")
    told.hear(0.0, "unmute.additional_outputs", args=debug)
    told.speak("ss" + "_" * 20)
    told.hear(0.2, WORD, delta="Hi")
    told.hear(0.3, "response.created")
    told.sound(0.4, 0.02)
    told.hear(0.5, "unmute.additional_outputs", args=debug)
    told.hear(0.6, "unmute.additional_outputs", args=debug)
    measured = [fact for fact in told.facts if isinstance(fact, Measured)]
    assert measured == [Measured(pytest.approx(360), 310.0, {"tts": 310.0})]
    assert [turn.server_ms for turn in told.dialogue.turns] == [None, 310.0]


def test_complaints_and_notices_become_facts(told: Told):
    """Errors with their kind; the server's recogniser; what is unknown is passed over."""
    told.hear(0.0, "error", error={"type": "warning", "message": "slow"})
    told.hear(0.1, "input_audio_buffer.speech_started")
    told.hear(0.2, "input_audio_buffer.speech_stopped")
    told.hear(0.3, "session.updated", session={})
    told.hear(0.3, "unmute.additional_outputs", args={"debug_dict": {}})
    assert told.facts == [Problem("warning", "slow"), SpeechStarted(), SpeechStopped()]


def test_the_bot_is_quiet_when_it_has_finished_and_its_sound_has_been_played(told: Told):
    """Neither while it thinks, nor while its sound still plays."""
    assert told.dialogue.quiet_since(1.0) == 0
    told.hear(2.0, "response.created")
    assert told.dialogue.quiet_since(2.5) is None
    told.sound(3.0, 1.0)
    told.hear(3.1, "response.audio.done")
    assert told.dialogue.quiet_since(3.9) is None
    assert told.dialogue.quiet_since(4.5) == pytest.approx(4.0)
    told.sound(4.5, 1.0, level=0.001)
    assert told.dialogue.quiet_since(5.0) == pytest.approx(4.0)  # -60 dBFS is silence


def test_answered_means_a_reply_after_the_users_last_sound(told: Told):
    """A reply that began before it was to something else, and one that came to nothing is none."""
    assert not told.dialogue.answered
    told.hear(0.0, "response.created")
    assert told.dialogue.answered
    told.speak("__ss")
    assert not told.dialogue.answered
    told.hear(0.09, "response.created")
    assert not told.dialogue.answered
    told.sound(0.2, 0.1)
    assert told.dialogue.answered


def test_noise_of_the_users_after_the_reply_began_does_not_ask_for_another_one(told: Told):
    """A recording's hiss goes on for a while; what the server has noticed as speech does ask."""
    told.speak("ss" + "_" * 20)
    told.hear(0.3, WORD, delta="Hi")
    told.create(0.4, "Hi")
    told.sound(0.45, 1.0)
    told.speak("_ss_")
    assert told.dialogue.answered
    told.hear(0.6, WORD, delta="Wait")
    assert not told.dialogue.answered


def test_sound_without_a_reply_is_a_turn_of_its_own(told: Told):
    """A pipeline that only echoes never says that it replies."""
    told.speak("ssss")
    told.sound(0.1, 0.04)
    told.sound(0.14, 0.04)
    assert told.facts == [ReplyAudible(pytest.approx(20), over_user=True, announced=False)]
    assert told.dialogue.quiet_since(1.0) == pytest.approx(0.18)
    assert not told.dialogue.turns[0].is_answer


def test_silence_without_a_reply_is_no_turn(told: Told):
    """A pipeline that echoes sends silence without end."""
    for number in range(50):
        told.sound(number * 0.02, 0.02, level=0)
    told.tick(1.0)
    assert told.dialogue.turns == []
    assert told.dialogue.quiet_since(1.0) == 0
    assert told.facts == []


def test_what_a_bot_answers_without_announcing_it_is_counted(told: Told):
    """Each time that it speaks after the user, and was silent for a second; not where it goes on by itself."""
    told.speak("ssss" + "_" * 46)
    told.sound(0.5, 0.1)
    told.sound(0.9, 0.1)  # a pause of its own
    told.speak("_" * 75 + "sssss" + "_" * 20)
    told.sound(3.0, 0.1)
    told.sound(6.0, 0.1)
    assert [turn.latency_ms for turn in told.dialogue.turns] == [pytest.approx(420), pytest.approx(400), None]
    assert [turn.is_answer for turn in told.dialogue.turns] == [True, True, False]


def test_the_latency_counts_to_the_first_audible_sample(told: Told):
    """A voice begins with 0.05 s of silence; the word that comes with the packet is told behind it."""
    told.speak("sssss" + "_" * 10)
    told.hear(0.2, WORD, delta="Hello")
    told.create(0.3, "Hello")
    told.sound(0.4, 0.05, level=0)
    told.sound(0.41, 0.03)
    told.hear(0.42, "response.text.delta", delta="Hi")
    assert told.facts[-2:] == [ReplyAudible(pytest.approx(350), over_user=False), Said("Hi")]


def test_sound_that_is_due_later_is_told_when_it_is_played(told: Told):
    """A packet with 0.3 s of silence in front: nobody hears the bot before."""
    told.hear(0.0, "response.created")
    told.sound(0.1, 0.3, level=0)
    told.sound(0.1, 0.3)
    told.tick(0.2)
    assert told.those(ReplyAudible) == []
    told.tick(0.32)
    assert len(told.those(ReplyAudible)) == 1


def test_a_reply_that_made_no_sound_was_not_interrupted(told: Told):
    """The user goes on while the bot thinks, or while its first sound is still queued."""
    told.speak("ss")
    told.create(0.1, "Hi")
    told.hear(0.3, "unmute.interrupted_by_vad")
    told.create(0.4, "Hi", "again")
    told.sound(0.4, 0.5, level=0)
    told.sound(0.4, 0.5)
    told.hear(0.6, "unmute.interrupted_by_vad")
    told.tick(1.0)
    assert told.those(ReplyDropped) == [ReplyDropped(), ReplyDropped()]
    assert told.those(Interrupted) == told.those(ReplyAudible) == []
    assert not any(turn.is_answer or turn.interrupted for turn in told.dialogue.turns)


def test_an_interruption_counts_from_where_the_user_speaks_over_the_bot(told: Told):
    """A reader of whole pages, who has pauses of 0.3 s: the bot takes one for the end, and is heard 0.1 s later. It is
    interrupted by what comes after that, not by what was read before.
    """
    told.speak("s" * 100 + "_" * 15)
    told.hear(2.1, WORD, delta="Once")
    told.create(2.1, "Once")
    told.sound(2.1, 3.0)
    told.speak("s" * 20)
    told.hear(2.7, "unmute.interrupted_by_vad")
    assert told.facts[-1] == Interrupted(after_ms=pytest.approx(400), unheard_ms=pytest.approx(2400))


def test_an_interruption_of_two_that_speak_at_once_counts_from_the_bots_first_sound(told: Told):
    """The user spoke all the time."""
    told.speak("s" * 50)
    told.hear(0.5, "response.created")
    told.sound(0.6, 3.0)
    told.hear(1.0, "unmute.interrupted_by_vad")
    assert told.facts[-1] == Interrupted(after_ms=pytest.approx(400), unheard_ms=pytest.approx(2600))


def test_a_pause_of_the_bots_is_no_sound_that_an_interruption_waits_for(told: Told):
    """Its last audible sound was played before the user began."""
    told.hear(0.0, "response.created")
    told.sound(0.0, 0.2)
    told.sound(0.2, 1.0, level=0)
    told.speak("_" * 20 + "s" * 10)
    told.hear(0.6, "unmute.interrupted_by_vad")
    assert told.facts[-1] == Interrupted(after_ms=0, unheard_ms=pytest.approx(600))


# ---- what the user has said ------------------------------------------------------------------------------------------


def test_the_words_are_corrected_by_the_history_of_the_reply(told: Told):
    """It holds what the recogniser made of the whole, as the bot has read it."""
    for word in ("It", "was", "the", "swin"):
        told.hear(0.1, WORD, delta=word)
    told.hear(0.2, STOPPED)
    told.create(0.2, "It was the spring.")
    assert told.those(Understood) == [Understood("It was the spring.")]
    told.hear(1.0, WORD, delta="And")
    told.hear(1.1, STOPPED)
    told.create(1.1, "It was the spring.", ">Yes", "An end.")
    assert told.those(Understood)[1:] == [Understood("An end.")]
    assert [turn.asked_until_s for turn in told.dialogue.turns] == [None, None]  # it has not been loud


def test_a_transcription_of_the_whole_corrects_the_words(told: Told):
    """OpenAI's event; the history of the reply does not tell it again."""
    told.hear(0.1, WORD, delta="Hal")
    told.hear(0.2, "conversation.item.input_audio_transcription.completed", transcript="Hello.")
    told.create(0.3, "Hello.")
    assert told.those(Understood) == [Understood("Hello.")]


def test_words_that_were_taken_back_are_no_utterance(told: Told):
    """The recogniser heard a word in noise, and the history does not have it; the nudge that follows answers nobody."""
    told.speak("ss")
    told.create(0.1, "Hi")
    told.hear(1.0, WORD, delta="You")
    told.hear(1.1, STOPPED)
    told.create(1.2, "Hi", "...")
    assert told.those(Understood) == [Understood("")]
    assert told.dialogue.turns[-1].asked_until_s is None


def test_words_without_a_reply_stand_as_they_were_guessed(told: Told):
    """A dictation answers nothing: 0.3 s after the end of the turn. The words of the next one are its own."""
    told.hear(0.1, WORD, delta="Good")
    told.hear(0.2, WORD, delta="day.")
    told.hear(0.3, STOPPED)
    told.tick(0.4)
    assert told.those(Understood) == []
    told.tick(0.6)
    assert told.those(Understood) == [Understood("Good day.")]
    told.hear(0.7, WORD, delta="Bye.")
    told.facts += told.dialogue.end()
    assert told.those(Understood)[1:] == [Understood("Bye.")]


def test_a_late_reply_does_not_tell_its_utterance_again(told: Told):
    """It was settled as it was guessed; what is said meanwhile is another one."""
    told.hear(0.1, WORD, delta="Hi.")
    told.hear(0.2, STOPPED)
    told.tick(0.6)
    told.hear(0.7, WORD, delta="You")
    told.create(0.8, "Hi.")
    assert told.those(Understood) == [Understood("Hi.")]
    told.hear(0.9, WORD, delta="there?")
    told.hear(1.0, STOPPED)
    told.create(1.0, "Hi.", "You there?")
    assert told.those(Understood)[1:] == [Understood("You there?")]


def test_a_word_that_is_empty_is_none(told: Told):
    """Some servers send the space between words by itself."""
    told.hear(0.1, WORD, delta=" ")
    assert told.facts == []


def test_an_utterance_that_never_ends_is_settled_when_no_word_comes_any_more(told: Told):
    """For servers that do not say when the user has stopped."""
    told.hear(0.1, WORD, delta="Hi.")
    told.tick(10.0)
    assert told.those(Understood) == []
    told.tick(10.2)
    assert told.those(Understood) == [Understood("Hi.")]


def test_a_reply_that_is_begun_again_answers_the_same_words(told: Told):
    """A cough stopped the first one before its sound: the history ends with the user, so this is the answer."""
    told.speak("ss" + "_" * 20)
    told.create(0.2, "Hi")
    told.hear(0.3, "unmute.interrupted_by_vad")
    told.create(0.5, "Hi")
    told.sound(0.6, 0.1)
    assert told.dialogue.turns[-1].latency_ms == pytest.approx(560)
