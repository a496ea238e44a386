"""A client that sends drawn messages and checks the answers against the rules of the protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import numpy as np
from drawn_messages import Known, Long, Noise, Say, Sound, Speak, Step, Upset, Verbatim, Wait
from expected_answer import KINDS, ExpectedAnswer, expected_answer
from in_memory import BINARY, PING, RESERVED, TEXT, Line
from protocol_checker import ProtocolChecker
from pydantic import TypeAdapter

from voicepipe.audio import G711, Codec, OggOpus, Pcm16
from voicepipe.events import Audio
from voicepipe.server.session.pacing import AudioMeter

__all__ = ["FAREWELL", "FuzzClient"]

HANDSHAKES: dict[str, dict[str, str]] = {
    "ga": {},
    "beta": {"OpenAI-Beta": "realtime=v1"},
    "unmute": {"Sec-WebSocket-Protocol": "realtime"},
}
CODECS: dict[str, Codec] = {
    "audio/pcm": Pcm16(),
    "audio/pcmu": G711("mu"),
    "audio/pcma": G711("a"),
    "audio/opus": OggOpus(),
}
RATE_HZ = 24_000
FRAME_S = 0.2
"""Of the microphone."""
INSTANT_S = 1e-4
"""In which all happens that needs no time."""
LEAD_MS = 400
"""The ms by which a client may be ahead of real time without being delayed: a little less than in `ServerSettings`."""
MESSAGE_BYTES = 1_000_000
CPU_S = 1.0
"""The CPU time, in seconds, that one message may cost."""

FAREWELL = "Bye!"
"""After which the bot hangs up."""
ADDED = "conversation.item.added"


@lru_cache(maxsize=256)
def packets(audio_format: str, loud_s: float, silent_s: float, frame_s: float) -> tuple[str, ...]:
    """A tone and then silence, in base64; of Ogg-Opus, a stream of its own."""
    encode = CODECS[audio_format].encoder()
    loud = np.arange(round((loud_s + silent_s) * RATE_HZ)) < loud_s * RATE_HZ
    sound = np.sin(np.arange(len(loud)) * 0.1).astype(np.float32) * np.float32(0.5) * loud
    step = round(frame_s * RATE_HZ)
    parts = [encode(Audio(sound[at : at + step], RATE_HZ)) for at in range(0, len(sound), step)]
    return tuple(base64.b64encode(part).decode() for part in parts if part)


class FuzzClient:
    """One connection, in virtual time. `kind` is what its handshake says; `of_others` a client library's types.

    Raises AssertionError as soon as the server breaks a rule.
    """

    def __init__(self, server: Callable[[], Any], kind: str, of_others: dict[str, TypeAdapter[Any]]) -> None:
        self.kind = kind
        self.said = 0
        """Messages that were drawn, and sent."""
        self.checker = ProtocolChecker(kind, of_others)
        self.line = Line(server)
        self._openai = "beta" if kind == "beta" else "ga"
        self._may_end: list[tuple[int, str] | None] = []
        """The close codes and reasons that the server may use, after what the client did."""
        self._clock = asyncio.get_running_loop().time
        self._sound = AudioMeter(self._clock)
        self._settled = False
        self._waiting: list[str] = []
        self._waiting_ms = 0.0

    @property
    def is_over(self) -> bool:
        return self.line.closed is not None or self.line.is_cut

    async def connect(self) -> None:
        self.line.connect(HANDSHAKES[self.kind])
        await self._settle()
        assert self.line.status == 101

    async def play(self, steps: list[Step]) -> None:
        for step in steps:
            if self.is_over:
                return
            await self._do(step)
        await self._send()

    async def check_alive(self) -> None:
        """That the bot still answers, whatever has been said. A transcription session of beta has no way back."""
        if any(event["type"] == "transcription_session.updated" for event in self.checker.heard):
            return
        on = self.checker.on.copy()
        for _ in range(3):
            before = self._begun
            await self.play(self._question())
            if self.is_over:
                return
            assert not on & self.checker.on, f"a response does not end: {on}"
            if self._begun > before:
                return
        raise AssertionError("the bot does not answer any more")

    def _question(self) -> list[Step]:
        if self.checker.dialect == "unmute":
            session = {"instructions": {"type": "smalltalk"}, "allow_recording": False}
            return [Say({"type": "session.update", "session": session}), Speak(1.0, 1.0), Wait(3.0)]
        asks = [Say({"type": "response.cancel"}), Wait(5.0), Say({"type": "response.create"}), Wait(5.0)]
        if self.checker.dialect == "beta":
            return asks
        return [Say({"type": "session.update", "session": {"type": "realtime"}}), *asks]

    @property
    def _begun(self) -> int:
        return sum(event["type"] == "response.created" for event in self.checker.heard)

    async def leave(self, *, politely: bool) -> None:
        """And wait until the server has noticed."""
        if self.is_over:
            pass
        elif politely:
            self._may_end.append((1000, ""))
            self.line.leave(1000)
        else:
            self._may_end.append(None)
            self.line.vanish()
        await self._pass(5)
        assert self.line.is_cut

    async def _do(self, step: Step) -> None:
        match step:
            case Say(message=message, more=more):
                self._waiting.append(message if isinstance(message, str) else self.written(message))
                self.said += 1
                if not (more and self._settled):
                    await self._send()
            case Wait(seconds=seconds):
                await self._send()
                await self._undisturbed(self._pass(seconds))
            case Speak():
                await self._send()
                await self._undisturbed(self._speak(step))
            case Upset(kind=kind):
                await self._send()
                await self._upset(kind)

    # ---- writing ----------------------------------------------------------------------------------------------------

    def written(self, message: Any) -> str:
        """As JSON, with what is known by now in the place of what stands for it."""
        verbatim: list[str] = []

        def known(one: Any) -> Any:
            if isinstance(one, Verbatim):
                verbatim.append(one.json)
                return f"\0verbatim {len(verbatim) - 1}"
            return self._known(one)

        text = json.dumps(message, default=known, ensure_ascii=False)
        return re.sub(r'"\\u0000verbatim (\d+)"', lambda at: verbatim[int(at[1])], text) if verbatim else text

    def _known(self, one: Any) -> str:
        checker = self.checker
        match one:
            case Known(kind=kind, number=number):
                by_kind = {"item": checker.item_ids, "response": checker.response_ids, "event": checker.event_ids}
                names = by_kind.get(kind, checker.call_ids)
                return names[-1 - number % len(names)] if names else f"no {kind}"
            case Sound(ms=ms, loud=loud):
                # A message in the same packet may change the format: PCM16 at 24 kHz is six times as long as G.711.
                self._waiting_ms += ms * (6 if self._waiting else 1)
                loud_s, silent_s = (ms / 1000, 0.0) if loud else (0.0, ms / 1000)
                return "".join(packets(self._format, loud_s, silent_s, ms / 1000))
            case Noise() | Long():
                self._waiting_ms += len(one.text) * 0.75 / 8  # at most, for what it is sound
                return one.text
            case _:
                raise TypeError(one)

    @property
    def _format(self) -> str:
        return "audio/opus" if self.checker.dialect == "unmute" else self.checker.format

    # ---- sending ----------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        """Send all waiting messages in one packet, and check the answers."""
        texts, self._waiting = self._waiting, []
        if not self._settled:  # it may be understood otherwise than what is yet to be heard
            await self._pass(self._sound.level_ms / 1000)
        if not texts or self.is_over:
            return
        self._learn(texts[0])
        self._sound.add(self._waiting_ms)
        self._waiting_ms = 0.0
        ahead_s = max(INSTANT_S, self._sound.level_ms / 1000 if self._sound.level_ms > LEAD_MS else 0.0)
        alone = len(texts) == 1 and ahead_s < FRAME_S
        verdicts = [expected_answer(text, self.checker, alone=alone) for text in texts]
        began, before = time.thread_time(), len(self.checker.heard)
        self.line.send(TEXT, *(text.encode() for text in texts))
        await self._pass(ahead_s)
        took_s = time.thread_time() - began
        assert took_s < CPU_S * len(texts), f"{took_s:.2f} s for {texts}"
        if not self.is_over:
            self._check(verdicts, self.checker.heard[before:], alone=alone)

    def _learn(self, text: str) -> None:
        """Which dialect this message settles, by the rules of the wire."""
        if self._settled:
            return
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return
        match value:
            case {"type": "session.update", "session": dict(session)}:
                self._settled = True
                self.checker.turn_to("unmute" if "allow_recording" in session else self._openai)
            case {"type": str(kind)} if kind in KINDS["ga"] - KINDS["unmute"]:
                self.checker.turn_to(self._openai)
            case _:
                pass

    def _receive(self, text: str) -> None:
        if not self._settled and '"type":"session.created"' in text:
            self.checker.turn_to(self._openai)
        self.checker.check(text)
        if self.checker.dialect == "unmute" and self.checker.heard[-1].get("text", "").endswith(FAREWELL):
            self._may_end.append((1000, f"the bot said {FAREWELL!r}"))

    async def _settle(self) -> None:
        """Until all has happened that needs no time."""
        await self._pass(INSTANT_S)

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        came, self.line.came = self.line.came, []
        for text in came:
            self._receive(text)
        if self.is_over:
            assert self.line.closed in self._may_end, f"closed with {self.line.closed}"

    # ---- how it is answered -----------------------------------------------------------------------------------------

    def _check(self, verdicts: list[ExpectedAnswer], heard: list[dict[str, Any]], *, alone: bool) -> None:
        errors = [event["error"] for event in heard if event["type"] == "error"]
        errors = [error for error in errors if error["code"] != "unsupported_tool"]  # the rest of its message holds
        for error in errors:
            assert error["type"] == "invalid_request_error", error
        told = Counter(error["event_id"] for error in errors)
        least = Counter(verdict.event_id for verdict in verdicts if verdict.refused)
        most = least + Counter(verdict.event_id for verdict in verdicts if verdict.refused is None)
        assert least <= told <= most, f"errors {told}, where at least {least} and at most {most} are due: {errors}"
        if alone and verdicts[0].told is not None:
            self._check_answer(verdicts[0], verdicts[0].told, heard, refused=bool(errors))

    def _check_answer(self, verdict: ExpectedAnswer, told: str, heard: list[dict[str, Any]], *, refused: bool) -> None:
        told = "conversation.item.created" if (told, self.checker.dialect) == (ADDED, "beta") else told
        named = (told, f"transcription_{told}")  # as a transcription session of beta has it
        answers = [event for event in heard if event["type"] in named and _is_about(event, verdict.event)]
        assert len(answers) + refused == 1, f"{len(answers)} times {told} to {verdict.event}, refused: {refused}"

    # ---- what is no message -----------------------------------------------------------------------------------------

    async def _undisturbed(self, doing: Awaitable[None]) -> None:
        """Nothing goes wrong of which the client is not the cause."""
        before = len(self.checker.heard)
        await doing
        errors = [event["error"] for event in self.checker.heard[before:] if event["type"] == "error"]
        errors = [error for error in errors if error["code"] != "invalid_audio" or self._format != "audio/opus"]
        assert not errors, errors  # a page shows that bytes before it, of an earlier message, were no page

    async def _speak(self, step: Speak) -> None:
        for audio in packets(self._format, step.loud_s, step.silent_s, FRAME_S):
            if self.is_over:
                return
            text = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
            self._learn(text)
            self._sound.add(FRAME_S * 1000)
            self.line.send(TEXT, text.encode())
            await self._pass(FRAME_S)

    async def _upset(self, kind: str) -> None:
        before = len(self.checker.heard)
        match kind:
            case "binary":
                self.line.send(BINARY, b"\0\1")
            case "split":
                self.line.send_split(b'{"type": "sing"}', 7)
            case "ping":
                self.line.send(PING, b"are you there?")
            case "not UTF-8":
                self._must_end(1007, "a text message is not UTF-8")
                self.line.send(TEXT, b"\xff\xfe")
            case "too long":
                self._must_end(1009, f"a message is longer than {MESSAGE_BYTES} bytes")
                self.line.send(TEXT, bytes(MESSAGE_BYTES + 1))
            case _:
                self._must_end(1002, "that was no WebSocket frame")
                self.line.send(RESERVED, b"")
        await self._settle()
        codes = [event["error"]["code"] for event in self.checker.heard[before:] if event["type"] == "error"]
        answers = {"binary": ["unexpected_binary_frame"], "split": ["invalid_value"], "ping": []}
        assert codes == answers.get(kind, codes)

    def _must_end(self, code: int, reason: str) -> None:
        self._may_end = [(code, reason)]


def _is_about(answer: dict[str, Any], event: dict[str, Any]) -> bool:
    """Return whether both name the same item or response, if they name one."""
    wanted = event.get("item_id") or event.get("item", {}).get("id") or event.get("response_id")
    named = [answer.get("item_id"), *(answer.get(part, {}).get("id") for part in ("item", "response"))]
    return wanted is None or wanted in named
