"""The scripted services as remote services: each answers by itself, after a while."""

from __future__ import annotations

from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Audio, Event
from voicepipe.session import Tts
from voicepipe.stage import Stage, named
from voicepipe.testing.loop.virtual_loop import VirtualLoop
from voicepipe.testing.marbles.services import Call
from voicepipe.testing.marbles.sources import Scene
from voicepipe.testing.player.llm_and_tts import ScenarioLlm, ScenarioTts
from voicepipe.testing.player.microphone import Microphone
from voicepipe.testing.player.recogniser import ScriptedRecogniser
from voicepipe.testing.player.script import ServiceScript

__all__ = ["Remote"]


class Remote:
    """One session's services. `asked` is the LLM's requests."""

    rate_hz = 24_000

    def __init__(self, cast: ServiceScript, microphone: Microphone, loop: VirtualLoop) -> None:
        scene = Scene(loop)
        self._ear, self._mind = ScriptedRecogniser(cast, microphone), ScenarioLlm(scene, cast)
        self.stt: Stage[Audio | Event, Event] = named("STT", self._ear.recognise)
        speak = ScenarioTts(scene, cast)
        self.tts: Tts = lambda _: named("TTS", speak)

    @property
    def asked(self) -> list[Call]:
        return self._mind.calls

    @property
    def missed(self) -> list[str]:
        """The requests to the LLM without a scripted answer."""
        return self._mind.missed

    def end_of_turn(self, sound: Audio) -> Observable[float]:
        return self._ear.judge(sound)

    def llm(self, conversation: Conversation) -> Observable[str | Event]:
        return self._mind(conversation)

    def deafen(self) -> None:
        """Let the recogniser fail for good."""
        self._ear.fail()

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
