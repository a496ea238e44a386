"""A client that talks to a server as a browser does.

`connect` opens the WebSocket, a microphone (`RecordedMicrophone`, or one of `voicepipe.client.devices`) makes the
user's sound, and `Talk` runs the conversation, reports what happens, and measures it. Tests, benchmarks and `voicepipe
talk` use it.
"""

from voicepipe.client.dialogue import Dialogue, Turn
from voicepipe.client.facts import Fact
from voicepipe.client.microphone import Microphone, RecordedMicrophone
from voicepipe.client.playback import PlaybackQueue
from voicepipe.client.recording import BadRecording, read_recording, write_stereo
from voicepipe.client.talk import Summary, Talk
from voicepipe.client.unmute import CannotConnect, ClientConnection, connect, websocket_url

__all__ = [
    "BadRecording",
    "CannotConnect",
    "ClientConnection",
    "Dialogue",
    "Fact",
    "Microphone",
    "PlaybackQueue",
    "RecordedMicrophone",
    "Summary",
    "Talk",
    "Turn",
    "connect",
    "read_recording",
    "websocket_url",
    "write_stereo",
]
