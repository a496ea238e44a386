"""Kyutai's services as parts of an engine: whose voice it is, and where they are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.engine.kyutai import KyutaiTts
from voicepipe.engine.parts import SessionPart
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import Event, ReplyAudio, ReplyText, StageFailed, TextNotSpoken, Warned, WordSpoken
from voicepipe.services import NULL_OBSERVER
from voicepipe.stage import StageError
from voicepipe.testing import Marbles
from voicepipe.testing.servers import Fails, TtsServer
from voicepipe.voices.catalog import CUSTOM
from voicepipe.voices.store import VoiceStoreDown

EMBEDDING = ormsgpack.packb({"type": "Voice", "embeddings": [0.5], "shape": [1]})


class Store:
    """Cloned voices. `down`: nobody can be asked."""

    def __init__(self) -> None:
        self.kept = {f"{CUSTOM}mine": EMBEDDING}
        self.down = False

    async def put(self, name: str, embedding: bytes) -> None:
        self.kept[name] = embedding

    async def get(self, name: str) -> bytes | None:
        if self.down:
            raise VoiceStoreDown("Redis is away")
        return self.kept.get(name)

    async def close(self) -> None: ...


class Voice:
    """One session's voice, at a server."""

    def __init__(self, marbles: Marbles, server: TtsServer, store: Store) -> None:
        self.marbles, self.server, self.store = marbles, server, store
        settings = EngineSettings(tts_voice="default.wav", tts_searches=2)
        self.opened: SessionPart[Any] = KyutaiTts(server.url, settings, _no_http, NULL_OBSERVER, store).open()

    def says(self, *words: str, voice: str = "") -> list[Event]:
        """Return the sound and words of a reply with these words, in a voice."""
        stage = self.opened.stage(Conversation(voice=voice))
        said: Observable[Event] = self.marbles.cold("(a|)", a=ReplyText(" ".join(words))).pipe(stage)
        return [one.value for one in self.marbles.record(said) if one.kind != "completed"]

    @property
    def voices(self) -> list[str | None]:
        return [visit.query.get("voice") for visit in self.server.visits]


def _no_http() -> Any:
    raise AssertionError("only a probe asks by HTTP")


@pytest.fixture
def voice(marbles: Marbles):
    server = TtsServer(api_key="public_token")
    marbles.run(server.start())
    yield Voice(marbles, server, Store())
    marbles.run(server.stop())


def test_the_client_chooses_the_voice(voice: Voice) -> None:
    """Of each reply; one that names none has the configured one."""
    voice.says("Hello.")
    assert any(isinstance(event, ReplyAudio) for event in voice.says("Hello.", voice="other.wav"))
    assert voice.voices == ["default.wav", "other.wav"]


def test_the_settings_say_how_text_is_read(marbles: Marbles, tmp_path: Path) -> None:
    """Language, pronunciations and scripts: the service gets what is said, and the words are those that are written."""
    server = TtsServer(api_key="public_token")
    marbles.run(server.start())
    words = tmp_path / "words.yaml"
    words.write_text("nginx: engine x", "utf-8")
    settings = EngineSettings(tts_language="de", tts_pronunciations=words)
    stage = KyutaiTts(server.url, settings, _no_http, NULL_OBSERVER, Store()).open().stage(Conversation())
    said: Observable[Event] = marbles.cold("(abc|)", a=ReplyText("NGINX"), b=ReplyText(" 3"), c=ReplyText(" 猫")).pipe(
        stage
    )
    events = [one.value for one in marbles.record(said)]
    marbles.run(server.stop())
    assert [event.word for event in events if isinstance(event, WordSpoken)] == ["NGINX", "3", "猫"]
    assert [event.text for event in events if isinstance(event, TextNotSpoken)] == ["猫"]
    assert [one.get("text") for one in server.visits[0].notes] == ["engine", " x", " drei", None]


def test_a_cloned_voice_is_looked_up_and_sent_as_it_was_made(voice: Voice) -> None:
    """Once, for as long as it is the one."""
    for _ in range(2):
        assert any(isinstance(event, ReplyAudio) for event in voice.says("Hello.", voice=f"{CUSTOM}mine"))
        voice.store.kept.clear()
    assert voice.voices == [None, None]
    first, second = (visit.notes for visit in voice.server.visits)
    assert first[0] == second[0] == ormsgpack.unpackb(EMBEDDING)


def test_a_cloned_voice_that_is_gone_is_told_and_replaced(voice: Voice) -> None:
    """The bot does not fall silent for it."""
    events = voice.says("Hello.", voice=f"{CUSTOM}gone")
    assert Warned("The cloned voice is not kept any more.") in events
    assert any(isinstance(event, ReplyAudio) for event in events)
    assert voice.voices == ["default.wav"]


def test_a_store_that_is_down_is_asked_again(voice: Voice) -> None:
    """By the next reply."""
    voice.store.down = True
    mine = f"{CUSTOM}mine"
    assert Warned("The cloned voice is not available at the moment.") in voice.says("Hello.", voice=mine)
    voice.store.down = False
    voice.says("Hello.", voice=mine)
    assert voice.voices == ["default.wav", None]


def test_a_synthesiser_without_room_fails_the_turn_with_its_name(voice: Voice) -> None:
    """After as many searches as the settings say."""
    voice.marbles.run(voice.server.fail(Fails.FULL))
    error = voice.says("Hello.")[-1]
    assert isinstance(error, StageError)
    assert error.stage == "TTS"
    assert str(error.cause) == "The speech synthesis (TTS) is full."
    assert len(voice.server.visits) == 2
    assert not isinstance(error, StageFailed)
