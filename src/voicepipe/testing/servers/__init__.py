"""The services of a voice conversation for tests: real protocols on real sockets, in real or virtual time.

At run time each can be made to fail in the ways in which services fail (`Fails`).
"""

from voicepipe.testing.servers.base import FakeServer, Visit
from voicepipe.testing.servers.chat_answers import Answer, Answers, repeated
from voicepipe.testing.servers.failing import Fails
from voicepipe.testing.servers.llm_server import LlmServer
from voicepipe.testing.servers.realtime_server import RealtimeServer, RealtimeSession
from voicepipe.testing.servers.recognisers import ByTime, ByTone, ByVoice, FakeRecogniser, Said
from voicepipe.testing.servers.speech_server import SpeechServer
from voicepipe.testing.servers.stt_server import SttServer
from voicepipe.testing.servers.tones import Tones
from voicepipe.testing.servers.transcription_server import TranscriptionServer
from voicepipe.testing.servers.tts_server import TtsServer

__all__ = [
    "Answer",
    "Answers",
    "ByTime",
    "ByTone",
    "ByVoice",
    "Fails",
    "FakeRecogniser",
    "FakeServer",
    "LlmServer",
    "RealtimeServer",
    "RealtimeSession",
    "Said",
    "SpeechServer",
    "SttServer",
    "Tones",
    "TranscriptionServer",
    "TtsServer",
    "Visit",
    "repeated",
]
