"""Scripted services: an LLM, a TTS and an STT made of diagrams."""

import pytest
import reactivex
from reactivex import operators as ops

from voicepipe.conversation import Conversation
from voicepipe.events import ReplyAudio, ReplyText, SynthesisEnded, SynthesisStarted, WordRecognised, WordSpoken
from voicepipe.testing import ScriptedError
from voicepipe.testing.marbles.sound import speech

hi = Conversation().user_said("hi")


def test_the_llm_answers_by_what_was_said_last(marbles):
    """The answer is played from when it is subscribed; the call is written down."""
    llm = marbles.llm({"hi": "100ms t 80ms u|"}, default="|", t="Hello", u=" there.")
    marbles.expect(llm(hi), "100ms t 80ms u|", t="Hello", u=" there.")
    marbles.expect(llm(hi.bot_said("Hello").user_said("what?")), "|")
    first, second = llm.calls
    assert (first.asked, first.began_ms, first.ended_ms, first.outcome) == ("hi", 0, 220, "completed")
    assert second.asked == "what?"
    assert llm.conversations[0] is hi
    assert not llm.open


def test_the_llm_has_nothing_to_say(marbles):
    """A request without a script is an error that names the scripts."""
    llm = marbles.llm({"hello": "a|"})
    ((_, kind, error),) = marbles.record(llm(hi))
    assert kind == "error"
    assert str(error) == "no answer to 'hi' is scripted, only to 'hello'"


def test_the_llm_is_cancelled(marbles):
    """A disposal before the end is a cancellation, with its time."""
    llm = marbles.llm({}, default="a-b-c|")
    marbles.expect(llm(hi), "a-b!")
    (call,) = llm.cancelled
    assert (call.ended_ms, call.closed) == (60, True)


def test_the_llm_fails_or_stalls(marbles):
    """# fails it; without an end it stalls, which is no cancellation."""
    llm = marbles.llm({"hi": "a#", "": "a"})
    marbles.expect(llm(hi), "a#", error=ScriptedError)
    marbles.expect(llm(Conversation()), "a")
    assert [call.outcome for call in llm.calls] == ["failed", "running"]
    assert not llm.cancelled
    assert not llm.open


def words(marbles, diagram: str):
    return marbles.cold(diagram, a=ReplyText("Hello"), b=ReplyText(" there."))


def test_the_tts_speaks_word_by_word(marbles):
    """Text passes; each word's sound comes after the delay, with its times in the reply."""
    tts = marbles.tts(delay_ms=100, ms_per_word=200)
    marbles.expect(
        words(marbles, "a-b|").pipe(tts),
        "(as)-(bt) 40ms (mhx)-(miy|)",
        m=SynthesisEnded(0.2),
        a=ReplyText("Hello"),
        b=ReplyText(" there."),
        s=SynthesisStarted("Hello"),
        t=SynthesisStarted("there."),
        h=WordSpoken("Hello", 0, 0.2),
        i=WordSpoken("there.", 0.2, 0.4),
        x=ReplyAudio(speech(0, 200, 24_000)),
        y=ReplyAudio(speech(200, 200, 24_000)),
    )
    assert tts.calls[0].asked == ["Hello", "there."]


def kinds(recorded) -> list[tuple[float, str]]:
    return [(one.t_ms, type(one.value).__name__ if one.value else "end") for one in recorded]


def test_the_tts_fails_at_a_word(marbles):
    """The error comes when the word's sound is due."""
    error = ConnectionError("lost")
    tts = marbles.tts(delay_ms=100, fail_at=1, error=error)
    recorded = marbles.record(words(marbles, "a-b|").pipe(tts))
    assert recorded[-1] == (140, "error", error)
    assert (100, "ReplyAudio") in kinds(recorded)
    assert tts.calls[0].outcome == "failed"


def test_the_tts_stalls_at_a_word(marbles):
    """From that word on there is no sound, and no end."""
    tts = marbles.tts(delay_ms=100, stall_at=1)
    assert kinds(marbles.record(words(marbles, "a-b|").pipe(tts)))[-2:] == [(100, "WordSpoken"), (100, "ReplyAudio")]
    assert tts.calls[0].outcome == "running"


def test_the_tts_is_cancelled(marbles):
    """Disposal takes the sound back that is still to come, and the source with it."""
    tts, source = marbles.tts(delay_ms=100), words(marbles, "a-b 1s |")
    marbles.expect(source.pipe(tts, ops.filter(lambda event: isinstance(event, WordSpoken))), "--!")
    assert tts.cancelled[0].ended_ms == 40
    marbles.expect_subscriptions(source, "^-!")


def test_the_tts_starts_anew_with_each_subscription(marbles):
    """A retry counts its words from the first."""
    tts = marbles.tts(delay_ms=0, fail_at=1)
    marbles.record(words(marbles, "ab|").pipe(tts, ops.retry(2)))
    assert [call.asked for call in tts.calls] == [["Hello", "there."]] * 2


def test_the_tts_passes_on_what_it_does_not_know(marbles):
    """Other events, and text without a word in it, pass and have no sound."""
    blank = ReplyText(" ")
    marbles.expect(marbles.cold("xb|", x="x", b=blank).pipe(marbles.tts()), "xb|", x="x", b=blank)


def test_the_stt_hears_what_it_is_told(marbles):
    """Strings become words with times; the audio only keeps it going."""
    stt = marbles.stt("100ms h 80ms e|", h="hello", e=WordRecognised("you", 0, 1))
    microphone = marbles.microphone("sss__ss")
    marbles.expect(
        microphone.pipe(stt), "100ms h 80ms e|", h=WordRecognised("hello", 0.08, 0.1), e=WordRecognised("you", 0, 1)
    )
    marbles.expect_subscriptions(microphone, "^ 200ms !")


def test_the_stt_ends_with_its_audio(marbles):
    """A diagram without an end goes on for as long as there is audio."""
    stt = marbles.stt("-w")
    marbles.expect(marbles.microphone("sss|").pipe(stt), "-w-|", w=WordRecognised("w", 0, 0.02))
    assert stt.calls[0].outcome == "completed"


@pytest.mark.parametrize("script", ["-#", "-w|"])
def test_the_stt_passes_on_a_lost_microphone(marbles, script):
    """An error of the audio is an error of the stage."""
    marbles.expect(
        reactivex.throw(ScriptedError("unplugged")).pipe(marbles.stt(script)), "#", error=ScriptedError("unplugged")
    )
