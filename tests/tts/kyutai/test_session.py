"""The results for a synthesiser's messages, without a connection."""

from dataclasses import replace
from typing import Any

import numpy as np
import ormsgpack
import pytest

from voicepipe.boundary.overflow import BoundaryFull
from voicepipe.events import (
    Audio,
    ReplyAudio,
    ReplyText,
    SynthesisEnded,
    SynthesisStarted,
    TextNotSpoken,
    Warned,
    WordSpoken,
)
from voicepipe.services import NULL_OBSERVER, ConnectionLost, ServiceStalled
from voicepipe.text.reading import Reading
from voicepipe.tts.kyutai.session import KyutaiTtsSession, TtsOptions

SERVICE = "speech synthesis (TTS)"
SPEAKING = TtsOptions(capacity=5, silent_s=1.5, retries=1)
FRAME = np.full(1920, 0.5, np.float32)


class Played:
    """A session with a synthesiser, on a clock that the test sets, with the messages of the test."""

    def __init__(self, text: str = "", *, end: bool = False) -> None:
        self.now_s = 0.0
        self.tts_session = KyutaiTtsSession(lambda: self.now_s, SPEAKING, SERVICE, NULL_OBSERVER)
        self.tts_session.opened()
        for number, word in enumerate(text.split()):
            self.tts_session.put(ReplyText(f" {word}" if number else word))
        if end:
            self.tts_session.finish()

    def sent(self) -> list[str]:
        messages: list[dict[str, Any]] = []
        while (message := self.tts_session.outgoing()) is not None:
            messages.append(ormsgpack.unpackb(message))
        return [message.get("text", message["type"]) for message in messages]

    def says(self, **message: Any) -> Any:
        return self.tts_session.received(ormsgpack.packb(message, option=ormsgpack.OPT_SERIALIZE_NUMPY))

    def says_words(self, text: str) -> None:
        for number, word in enumerate(text.split()):
            self.says(type="Text", text=word, start_s=number, stop_s=number + 1)


def test_words_go_out_as_they_come() -> None:
    """Each is passed on as it was; the first one starts the synthesis; the end is said once."""
    played = Played()
    assert played.tts_session.put(ReplyText("*Well*,")) == [ReplyText("*Well*,"), SynthesisStarted("Well,")]
    assert played.sent() == ["Well,"]
    assert played.tts_session.put(ReplyText(" no.")) == [ReplyText(" no.")]
    assert played.tts_session.put(ReplyText(" **")) == [ReplyText(" **")]
    played.tts_session.finish()
    assert played.sent() == [" no.", "Eos"]
    assert played.sent() == []


def test_words_are_sent_as_they_are_said_and_reported_as_they_are_written() -> None:
    """One message for each word that is said; a number waits for what may be its unit."""
    played = Played("It **cost** $5", end=False)
    assert played.sent() == ["It", " cost"]
    played.tts_session.put(ReplyText(" now."))
    assert played.sent() == [" five", " dollars", " now."]
    played.tts_session.finish()
    played.says_words("It cost")
    assert played.says(type="Audio", pcm=FRAME)[:-1] == [WordSpoken("It", 0, 1), WordSpoken("**cost**", 1, 2)]
    assert played.says(type="Text", text="five", start_s=2, stop_s=3) == [WordSpoken("$5", 2, 3)]
    assert played.says(type="Text", text="dollars", start_s=3, stop_s=4) == []
    assert played.says(type="Text", text="now.", start_s=4, stop_s=5) == [WordSpoken("now.", 4, 5)]


def test_a_script_that_the_voice_cannot_say_is_shown() -> None:
    """It is not sent; the user is told once; its words come in their place, at the end at the latest."""
    reading = Reading(scripts=frozenset({"LATIN"}))
    session = KyutaiTtsSession(lambda: 0.0, replace(SPEAKING, reading=reading), SERVICE, NULL_OBSERVER)
    session.opened()
    assert session.put(ReplyText("今日は。"))[1:] == [TextNotSpoken.of("今日は。")]
    assert session.put(ReplyText("元気。"))[1:] == []
    assert session.outgoing() is None
    assert session.finish() == [WordSpoken("今日は。", 0, 0), WordSpoken("元気。", 0, 0)]
    assert session.done


def test_sound_and_words_come_back() -> None:
    """An empty word is none; the words' times are the reply's; the end tells how much sound there was."""
    played = Played("Hi there", end=True)
    played.sent()
    assert played.says(type="Text", text="", start_s=0, stop_s=0) == ()
    assert played.says(type="Text", text="Hi", start_s=0.1, stop_s=0.4) == (), "it is not spoken before there is sound"
    assert played.says(type="Audio", pcm=FRAME) == [WordSpoken("Hi", 0.1, 0.4), ReplyAudio(Audio(FRAME, 24_000))]
    assert played.says(type="Text", text=" there", start_s=0.4, stop_s=0.8) == [WordSpoken("there", 0.4, 0.8)]
    assert played.says(type="Other") == ()
    assert played.tts_session.closed() == [SynthesisEnded(0.08)]
    assert played.tts_session.done


def test_more_words_than_may_wait_fail_the_turn() -> None:
    """Text is never dropped; what was sent does not wait."""
    played = Played("one two three four five")
    with pytest.raises(BoundaryFull, match="5 items wait"):
        played.tts_session.put(ReplyText(" six"))
    assert len(played.sent()) == 5
    assert played.tts_session.put(ReplyText(" six")) == [ReplyText(" six")]


@pytest.mark.parametrize("text", ["", "** :"])
def test_a_reply_with_nothing_to_say_is_over_at_once(text: str) -> None:
    """Nobody need be asked for the sound of punctuation."""
    played = Played(text, end=True)
    assert played.tts_session.done


def test_before_anything_was_said_another_one_is_tried() -> None:
    """All words are said again, the end too; the user is told; after the last retry it is an error."""
    played = Played("Hi there", end=True)
    played.sent()
    played.says_words("Hi")
    (warned,) = played.tts_session.lost(ServiceStalled(SERVICE))
    assert warned == Warned("The speech synthesis (TTS) has fallen silent. Trying another one.")
    played.tts_session.opened()
    assert played.sent() == ["Hi", " there", "Eos"]
    played.says_words("Hi")
    assert played.says(type="Audio", pcm=FRAME)[:-1] == [WordSpoken("Hi", 0, 1)]
    played = Played("Hi there")
    played.tts_session.lost(ServiceStalled(SERVICE))
    with pytest.raises(ServiceStalled):
        played.tts_session.lost(ServiceStalled(SERVICE))


def test_after_something_was_said_the_turn_fails() -> None:
    """Half a reply cannot be said again."""
    played = Played("Hi there")
    played.sent()
    played.says(type="Audio", pcm=FRAME)
    with pytest.raises(ConnectionLost):
        played.tts_session.lost(ConnectionLost(SERVICE, "close code 1006"))


def test_an_end_before_the_last_word_is_an_error() -> None:
    """Also one in good order; and one before we have said that there is no more."""
    for said, end in (("Hi", True), ("", True), ("Hi my friend.", False)):
        played = Played("Hi my friend.", end=end)
        played.sent()
        played.says_words(said)
        with pytest.raises(ConnectionLost, match="it ended before it had finished"):
            played.tts_session.closed()


@pytest.mark.parametrize("said", ["Hi my friend", "Himy friend.", "Hi my friend and more", "Hi 'my' FRIEND!"])
def test_a_server_may_write_words_otherwise(said: str) -> None:
    """It counts that the server has come to the last word."""
    played = Played("Hi my friend. —", end=True)
    played.sent()
    played.says_words(said)
    assert played.tts_session.closed()


def test_silence_is_a_fault_only_while_something_is_owed() -> None:
    """A model that waits for the next words owes nothing; at the end of the text it owes the rest."""
    played = Played("one two three")
    assert played.tts_session.overdue_at is None
    played.sent()
    assert played.tts_session.overdue_at is None
    played.now_s = 5.0
    for word in ("four", "five"):
        played.tts_session.put(ReplyText(f" {word}"))
    played.sent()
    assert played.tts_session.overdue_at == 6.5
    played.now_s = 6.0
    played.says_words("one")
    assert played.tts_session.overdue_at is None
    played.now_s = 7.0
    played.tts_session.finish()
    played.sent()
    assert played.tts_session.overdue_at == 8.5


def test_what_it_does_not_know_passes() -> None:
    """An event of somebody else's is no text."""
    assert Played().tts_session.put("something") == ["something"]
