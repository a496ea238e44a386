"""Clients of a server: a library for OpenAI's Realtime API, a stage, and the caller of `voicepipe talk`.

`connect` opens a conversation with a server of the Realtime API (GA), voicepipe or OpenAI's own, and `relay` is one as
a stage of a pipeline.

`Talk` runs a conversation as a person does: a microphone (`RecordedMicrophone`, or one of `voicepipe.client.devices`)
makes the user's sound; what happens is reported and measured. It speaks Unmute's dialect (`voicepipe.client.unmute`),
which tells the latency of each turn. Tests, benchmarks and `voicepipe talk` use it.
"""

from voicepipe.client.connection import RealtimeConnection, connect
from voicepipe.client.dialogue import Dialogue, Turn
from voicepipe.client.facts import Fact
from voicepipe.client.link import ConversationLost
from voicepipe.client.microphone import Microphone, RecordedMicrophone
from voicepipe.client.playback import PlaybackQueue
from voicepipe.client.recording import BadRecording, read_recording, write_stereo
from voicepipe.client.socket import CannotConnect, websocket_url
from voicepipe.client.speech_to_speech.stage import relay
from voicepipe.client.talk import Summary, Talk

__all__ = [
    "BadRecording",
    "CannotConnect",
    "ConversationLost",
    "Dialogue",
    "Fact",
    "Microphone",
    "PlaybackQueue",
    "RealtimeConnection",
    "RecordedMicrophone",
    "Summary",
    "Talk",
    "Turn",
    "connect",
    "read_recording",
    "relay",
    "websocket_url",
    "write_stereo",
]
