"""The same conversation on pipecat: a backend for the clients and services of `benchmarks.sessions`.

Run by `benchmarks.sessions` where pipecat is. A pipeline as pipecat's documentation has it for a server of WebSockets:
FastAPI, `FastAPIWebsocketTransport` with a serializer, and one `PipelineWorker` for each client. Its own parts are the
transport, `LLMContextAggregatorPair`, and `OpenAILLMService`. Kyutai's services are written as pipecat's own services
for such protocols are: Gradium's and Deepgram Flux's.

What makes it cheaper than the defaults, so that only what a conversation needs is counted:

- no RTVI, turn tracking, idle timer, metrics or log lines below WARNING;
- no VAD and no turn model: the recogniser's pause score decides, by `ExternalUserTurnStrategies` and by the thresholds
  of the other servers, and its proposal comes behind the transcript, so that no timeout waits for one;
- the microphone's sound ends at the recogniser (`audio_passthrough=False`);
- words go to the voice as they are written (`TextAggregationMode.TOKEN`), on a connection that is opened while the
  model thinks;
- no WebSocket is compressed;
- what is imported is kept out of garbage collection, as `voicepipe serve` keeps it: a full collection takes 90 ms;
- all conversations share one client of OpenAI's: pipecat makes one for each, and with it a TLS context, which takes 20
  to 40 ms in which all others wait;
- Opus is written and read by voicepipe's codec (libopus in CELT, and sphn), and MessagePack without lists of floats, so
  that neither makes a difference.

With the microphone's sound passed on, a client of OpenAI's for each conversation, and all objects collected, which is
how pipecat comes, 16 conversations took a tenth more CPU and 13 MB more.

The transport sends 40 ms at a time, its default, and the event loop is asyncio's, as voicepipe's is. A process for each
conversation, which pipecat's hosting runs, would take the memory of a process for each.

    python benchmarks/sides/pipecat_backend.py STT TTS LLM     prints its address
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import socket
import sys
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import ormsgpack
import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from openai import AsyncOpenAI
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import WebsocketSTTService
from pipecat.services.tts_service import TextAggregationMode, WebsocketTTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from voicepipe.audio.opus import OggOpus
from voicepipe.events import Audio

RATE_HZ = 24_000
FRAME, FLUSH_STEPS, STEPS_IGNORED = 1920, 7, 12
SPEECH_BELOW, SILENCE_ABOVE = 0.4, 0.6
HEADERS = {"kyutai-api-key": "public_token"}
HELLO: Any = {"role": "user", "content": "Hello."}  # the bot opens
SOUND = b"\x82\xa4type\xa5Audio\xa3pcm\xdc"
SINGLE = np.dtype([("kind", "u1"), ("value", ">f4")])


def packed(kind: str, **fields: Any) -> bytes:
    """Return a message of Kyutai's protocols."""
    return ormsgpack.packb({"type": kind, **fields}, option=ormsgpack.OPT_SERIALIZE_NUMPY)


def floats(pcm16: bytes) -> np.ndarray:
    """Return samples of -1 to 1."""
    return np.frombuffer(pcm16, np.int16).astype(np.float32) / 32768


def pcm16(samples: np.ndarray) -> bytes:
    """Return samples as pipecat's frames hold them."""
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()


SILENCE = packed("Audio", pcm=np.zeros(FRAME, np.float32))


class UnmuteSerializer(FrameSerializer):
    """Unmute's dialect: Ogg-Opus as base64 in JSON."""

    def __init__(self) -> None:
        super().__init__()
        self._decode, self._encode = OggOpus(RATE_HZ).decoder(), OggOpus(RATE_HZ).encoder()

    async def serialize(self, frame: Frame) -> str | None:
        match frame:
            case OutputAudioRawFrame():
                page = self._encode(Audio(floats(frame.audio), RATE_HZ))
                delta = base64.b64encode(page).decode()
                return json.dumps({"type": "response.audio.delta", "delta": delta}) if page else None
            case OutputTransportMessageFrame() | OutputTransportMessageUrgentFrame():
                return json.dumps(frame.message)
            case InterruptionFrame():
                return json.dumps({"type": "unmute.interrupted_by_vad"})
            case _:
                return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        message = json.loads(data)
        if message["type"] != "input_audio_buffer.append":
            return None
        sound = pcm16(self._decode(base64.b64decode(message["audio"])))
        return InputAudioRawFrame(sound, RATE_HZ, 1) if sound else None


class KyutaiSTT(WebsocketSTTService):
    """Words and the end of the user's turn: a pause is followed by silence that flushes the recogniser's delay."""

    def __init__(self, url: str) -> None:
        super().__init__(audio_passthrough=False, sample_rate=RATE_HZ, settings=STTSettings(model=None, language=None))
        self._url, self._sound, self._words = f"ws{url[4:]}/api/asr-streaming", bytearray(), list[str]()
        self._steps, self._flush_left, self._speaks = 0, 0, False
        self._receive_task: asyncio.Task[None] | None = None

    @property
    def supports_ttfs(self) -> bool:
        return False  # the service says where a turn ends

    async def setup(self, setup: FrameProcessorSetup) -> None:
        await super().setup(setup)
        await self._connect()

    async def _connect(self) -> None:
        await super()._connect()
        await self._connect_websocket()
        if self._receive_task is None:
            self._receive_task = self.create_task(self._receive_task_handler(self._report_error))

    async def _connect_websocket(self) -> None:
        self._websocket = await self._websocket_connect(self._url, additional_headers=HEADERS, compression=None)

    async def _disconnect(self) -> None:
        await super()._disconnect()
        if self._receive_task is not None:
            await self.cancel_task(self._receive_task)
            self._receive_task = None
        await self._disconnect_websocket()

    async def _disconnect_websocket(self) -> None:
        if self._websocket is not None:
            await self._websocket.close()
            self._websocket = None

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        self._sound += audio
        while len(self._sound) >= 2 * FRAME:
            frame = floats(bytes(self._sound[: 2 * FRAME]))
            del self._sound[: 2 * FRAME]
            await self._websocket.send(packed("Audio", pcm=frame))
        yield None

    async def _receive_messages(self) -> None:
        async for data in self._websocket:
            message = ormsgpack.unpackb(data)
            if message["type"] == "Word" and message["text"]:
                self._words.append(message["text"])
                await self.push_frame(self._transcript(InterimTranscriptionFrame))
            elif message["type"] == "Step":
                await self._step(message["prs"][2])

    async def _step(self, pause: float) -> None:
        self._steps += 1
        if self._flush_left:
            self._flush_left -= 1
            if not self._flush_left:
                await self._end_turn()
        elif self._steps > STEPS_IGNORED and not self._speaks and pause < SPEECH_BELOW:
            self._speaks = True
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
        elif self._speaks and pause > SILENCE_ABOVE and self._words:
            self._flush_left = FLUSH_STEPS
            for _ in range(FLUSH_STEPS):
                await self._websocket.send(SILENCE)

    async def _end_turn(self) -> None:
        self._speaks = False
        transcript = self._transcript(TranscriptionFrame)
        transcript.finalized = True
        self._words.clear()
        await self.push_frame(transcript)
        await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)

    def _transcript(self, kind: type[Any]) -> Any:
        return kind(" ".join(self._words), self._user_id, time_now_iso8601())


class KyutaiTTS(WebsocketTTSService):
    """Words into sound: one connection for each reply, which the server closes behind the last sound."""

    def __init__(self, url: str) -> None:
        super().__init__(
            text_aggregation_mode=TextAggregationMode.TOKEN,
            push_text_frames=False,  # the server tells when a word is said
            push_start_frame=True,
            sample_rate=RATE_HZ,
            settings=TTSSettings(model=None, voice=None, language=None),
        )
        self._url, self._word = f"ws{url[4:]}/api/tts_streaming", ""
        self._opening: asyncio.Task[None] | None = None
        self._receive_task: asyncio.Task[None] | None = None

    async def on_turn_context_created(self, context_id: str) -> None:
        await self._disconnect()
        self._word = ""
        self._opening = self.create_task(self._open(context_id))

    async def _open(self, context_id: str) -> None:
        await self._connect_websocket()
        self._receive_task = self.create_task(self._receive(self._websocket, context_id))

    async def _connect_websocket(self) -> None:
        self._websocket = await self._websocket_connect(self._url, additional_headers=HEADERS, compression=None)

    async def _disconnect(self) -> None:
        # Not the base's: it would close the audio context of the turn that begins.
        for task in (self._opening, self._receive_task):
            if task is not None and not task.done():
                await self.cancel_task(task)
        self._opening = self._receive_task = None
        await self._disconnect_websocket()

    async def _disconnect_websocket(self) -> None:
        if self._websocket is not None:
            await self._websocket.close()
            self._websocket = None

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        await self._disconnect()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Send the words that are whole: a token may be less than a word."""
        *words, self._word = (self._word + text).split(" ")
        for word in filter(None, words):
            await self._send(packed("Text", text=word))
        yield None

    async def flush_audio(self, context_id: str | None = None) -> None:
        if self._word:
            await self._send(packed("Text", text=self._word))
        await self._send(packed("Eos"))

    async def _send(self, message: bytes) -> None:
        if self._opening is not None:
            await self._opening
        if self._websocket is not None:
            await self._websocket.send(message)

    async def _receive(self, websocket: Any, context_id: str) -> None:
        async for data in websocket:
            if data.startswith(SOUND):
                sound = pcm16(np.frombuffer(data, SINGLE, offset=len(SOUND) + 2)["value"].astype(np.float32))
                frame = TTSAudioRawFrame(sound, RATE_HZ, 1, context_id=context_id)
                await self.append_to_audio_context(context_id, frame)
            elif (message := ormsgpack.unpackb(data))["type"] == "Text" and message["text"]:
                await self.add_word_timestamps([(message["text"], message["start_s"])], context_id)
        await self.append_to_audio_context(context_id, TTSStoppedFrame(context_id=context_id))
        await self.remove_audio_context(context_id)

    async def _receive_messages(self) -> None:
        raise NotImplementedError("each reply has a task of its own: _receive")


class OneClientLLM(OpenAILLMService):
    """pipecat's service, with one client for all conversations of a base address."""

    @classmethod
    @cache
    def _shared(cls, base_url: str) -> Any:
        return AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0)

    def create_client(self, base_url: str = "", **_: Any) -> Any:
        return self._shared(base_url)


class Responses(FrameProcessor):
    """Tell the client where a response begins and ends."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSStartedFrame):
            await self.push_frame(OutputTransportMessageUrgentFrame(message={"type": "response.created"}))
        await self.push_frame(frame, direction)
        if isinstance(frame, TTSStoppedFrame):
            await self.push_frame(OutputTransportMessageFrame(message={"type": "response.audio.done"}))


async def converse(websocket: WebSocket, stt_url: str, tts_url: str, llm_url: str) -> None:
    """Run the pipeline of one client."""
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=UnmuteSerializer())
    transport = FastAPIWebsocketTransport(websocket, params)
    settings = OpenAILLMService.Settings(model="fake", system_instruction="Be brief.")
    llm = OneClientLLM(api_key="none", base_url=f"{llm_url}/v1", settings=settings)
    strategies = LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
    user, assistant = LLMContextAggregatorPair(LLMContext([HELLO]), user_params=strategies)
    stages = [transport.input(), KyutaiSTT(stt_url), user, llm, KyutaiTTS(tts_url), Responses()]
    worker = PipelineWorker(
        Pipeline([*stages, transport.output(), assistant]),
        params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_connected")
    async def _(*_: object) -> None:
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def _(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main(urls: list[str]) -> None:
    """Serve until the process is ended."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    app = FastAPI()

    @app.websocket("/v1/realtime")
    async def _(websocket: WebSocket) -> None:
        await websocket.accept("realtime" if "realtime" in websocket.scope["subprotocols"] else None)
        await converse(websocket, *urls)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        print(f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/realtime", flush=True)
        gc.collect()
        gc.freeze()
        config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
