"""Play a scenario to a server: over the GA wire, in real time, with spoken or written turns."""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from voicepipe.client.socket import ClientSocket, appended, open_socket, websocket_url
from voicepipe.conversation import ItemId
from voicepipe.events import (
    ConversationEnded,
    Event,
    FunctionCalled,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemTruncated,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    SpeechEncoded,
    TurnMeasured,
    WordSpoken,
)
from voicepipe.testing.live.speech import RATE_HZ, Speak, cough
from voicepipe.testing.live.wire import WireReader, to_wire
from voicepipe.testing.player.acts import Act
from voicepipe.testing.player.simulating import Simulating
from voicepipe.testing.player.transcript import At, Transcript, said_in
from voicepipe.testing.scenario.scenario import TAIL_S, Scenario
from voicepipe.testing.scenario.steps import shown
from voicepipe.testing.simulation.model import Ask

__all__ = ["Live", "not_live", "play_live"]

FRAME_S = 0.02
_FRAME = round(FRAME_S * RATE_HZ)
# Of a message that cannot be read.
_SHOWN = 200
OPEN_S = 10.0
"""The time, in seconds, for the handshake, and for the server's first event."""
LOUD = 0.01
"""Of full scale: a frame of the user with no louder sample counts as silence."""


@dataclass(frozen=True)
class Live:
    """A server, and how scenarios are played to it.

    Args:
        url: The server's address.
        speak: The user's voice; None: turns are written.
        model: The language model of a simulated user and of a judge; None: the scripted one.
        tolerance_s: How far times may be off.
        api_key: The key, if the server requires one.
        headers: Headers of the client's own.
    """

    url: str
    speak: Speak | None = None
    model: Ask | None = None
    tolerance_s: float = 1.0
    api_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def not_live(scenario: Scenario) -> list[str]:
    """Return the scenario's acts and claims that need the inside of the server, as code: they are not played."""
    return [str(one) for one in (*scenario.acts, *scenario.expectations) if one.inside]


async def play_live(scenario: Scenario, live: Live) -> Transcript:
    """Play a scenario to a server and return its transcript. What the scenario says of the services has no effect.

    Args:
        scenario: What happens; its expectations are not checked.
        live: The server.

    Raises:
        CannotConnect: There is no server at the address, or it refuses.
    """
    key = live.api_key or os.environ.get("OPENAI_API_KEY")
    # Without a subprotocol the client speaks GA for the server from the handshake on, also without a key.
    socket = await open_socket(websocket_url(live.url), key=key, timeout_s=OPEN_S, protocols=(), headers=live.headers)
    try:
        return await _LiveSession(scenario, live, socket).play()
    finally:
        await socket.close()


class _LiveSession:
    """One conversation: the reader of what comes, the microphone, and the acts. Times are since it began."""

    def __init__(self, scenario: Scenario, live: Live, socket: ClientSocket) -> None:
        self._scenario, self._live, self._socket = scenario, live, socket
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self.played = Transcript(length_s=scenario.length_s, tolerance_s=live.tolerance_s, live=True)
        self._simulating = Simulating(scenario.cast, live.model, self._loop, self.played, self._began_s)
        self._user = self._simulating.user(self.say, lambda: self._at(self._now_s + TAIL_S, self._over.set))
        self._over = asyncio.Event()
        self._reader = WireReader()
        self._outbox: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self._sound: deque[np.ndarray] = deque()
        self._muted, self._held_until_s = False, 0.0
        self._loud_s: float | None = None
        self._cued = [(act.cue, act) for act in scenario.acts if act.cue is not None and not act.inside]
        self._saying = ""

    @property
    def _now_s(self) -> float:
        return self._loop.time() - self._began_s

    async def play(self) -> Transcript:
        played, tasks = self.played, [self._loop.create_task(one) for one in (self._read(), self._write())]
        if self._live.speak is not None:
            tasks.append(self._loop.create_task(self._microphone()))
        timers = [self._at(act.at_s, self._perform, act) for act in self._scenario.acts if not (act.cue or act.inside)]
        timers.append(self._at(played.length_s, self._over.set))
        self._begin()
        try:
            await self._over.wait()
        finally:
            for one in (*tasks, *timers):
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._user is not None:
                self._user.stop()
        played.closed_s = self._now_s
        await self._simulating.judge()
        return played

    def _begin(self) -> None:
        """Send the settings, and let the bot open, as in virtual time: GA clients ask for the first reply."""
        if (prompt := self._scenario.cast.prompt) is not None:
            self._send(SettingsChanged(prompt, aloud=None if self._live.speak is not None else False))
            self._send(ReplyRequested())
        if self._user is not None:
            self._user.begin()

    def _at(self, at_s: float, do: object, *args: object) -> asyncio.TimerHandle:
        return self._loop.call_at(self._began_s + at_s, do, *args)  # type: ignore[arg-type]

    def _perform(self, act: Act) -> None:
        act.perform(self)

    # ---- what is sent ------------------------------------------------------------------------------------------------

    def _send(self, event: Event) -> None:
        self._outbox.put_nowait(to_wire(event))
        if isinstance(event, ItemCreated):
            self._reader.wrote(event)

    async def _write(self) -> None:
        while True:
            message = await self._outbox.get()
            await asyncio.sleep(max(0.0, self._held_until_s - self._now_s))
            await self._socket.send(message)

    async def _microphone(self) -> None:
        """Send a frame every 20 ms: what is being said, or silence."""
        silence = np.zeros(_FRAME, np.float32)
        for number in range(1_000_000):
            await asyncio.sleep(max(0.0, self._began_s + number * FRAME_S - self._loop.time()))
            frame = self._sound.popleft() if self._sound else silence
            if frame.any() and np.abs(frame).max() > LOUD:
                self._loud_s = self._now_s
            if not self._muted:
                pcm = (np.clip(frame, -1, 1) * 32767).astype("<i2").tobytes()
                self._outbox.put_nowait(appended(pcm))

    # ---- what comes --------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Note what comes, to the end of the connection. What cannot be read ends the scenario, which has failed."""
        while (text := await self._socket.receive()) is not None:
            try:
                for event in self._reader.read(json.loads(text)):
                    self._note_event(event)
            except Exception as error:  # of many kinds; without it, the server would count as silent
                what = f"the server sent what is no event of the Realtime API ({error!r}): {text[:_SHOWN]}"
                self.played.missed.append(what)
                return self._over.set()
        reason = f"the server closed the connection ({self._socket.close_code})"
        self.played.ended_s, self.played.reason = self._now_s, reason
        self.played.events.append(At(self._now_s, ConversationEnded(reason)))
        self._over.set()
        return None

    def _note_event(self, event: Event) -> None:
        if isinstance(event, SpeechEncoded | ReplyTextWritten) and self._loud_s is not None:
            total_ms, self._loud_s = (self._now_s - self._loud_s) * 1000, None
            self.played.events.append(At(self._now_s, TurnMeasured(total_ms)))
        self.played.events.append(At(self._now_s, event))
        match event:
            case ReplyStarted():
                self._saying = ""
            case WordSpoken(word=word):
                self._saying += f" {word}"
                self._give_cues()
            case ReplyEnded(text=text) if self._user is not None:
                self._at(max(self._now_s, self._silent_s()), lambda: self._tell_user(text, ended=True))
            case ReplyInterrupted(heard_text=text) if self._user is not None:
                self._tell_user(text, ended=False)
            case _:
                pass

    def _tell_user(self, text: str, *, ended: bool) -> None:
        if self._user is not None and not self._over.is_set():
            self._user.hear(text, ended=ended)

    def _silent_s(self) -> float:
        """Return when the client has played all sound that has come."""
        return max((stop_s for _, stop_s in self.played.audible()), default=0.0)

    def _give_cues(self) -> None:
        for cue, act in list(self._cued):
            if said_in(cue, self._saying):
                self._cued.remove((cue, act))
                self._at(self._now_s + act.at_s, self._perform, act)

    # ---- what acts do ------------------------------------------------------------------------------------------------

    def say(self, text: str) -> float:
        self._note(f'"{text}"')
        if self._live.speak is None:
            self._send(ItemCreated(ItemId(""), "user", text))
            self.played.events.append(At(self._now_s, ItemCreated(ItemId(""), "user", text)))
            self._loud_s = self._now_s
            self._send(ReplyRequested())
            return 0.0
        return self._play(self._live.speak(text))

    def cough(self, length_s: float) -> None:
        self._note("coughs")
        self._play(cough(length_s))

    def _play(self, samples: np.ndarray) -> float:
        self._sound.extend(_frames(samples))
        start_s = self._now_s
        self.played.voice.append((start_s, start_s + len(samples) / RATE_HZ))
        return len(samples) / RATE_HZ

    def mute(self, muted: bool) -> None:
        self._note("is muted" if muted else "is back")
        self._muted = muted

    def hold_network(self, length_s: float) -> None:
        self._note(f"network stalls for {length_s:g} s")
        self._held_until_s = self._now_s + length_s

    def leave(self) -> None:
        self._note("leaves")
        self.played.ended_s, self.played.reason = self._now_s, "the client left"
        self._over.set()

    def send(self, event: Event) -> None:
        self._note(f"client sends {shown(event)}")
        self._send(event)

    def commit(self) -> None:
        self.send(InputCommitted())

    def truncate(self, heard_ms: float) -> None:
        self.send(ItemTruncated(ItemId(self._reader.reply_item), heard_ms))

    def return_result(self, name: str, output: str) -> None:
        called = [event.call for event in self.played.of(FunctionCalled) if event.call.name == name]
        if called:
            self.send(ItemCreated(ItemId(""), "tool", output, call=called[-1]))
        else:
            what = InputRejected("unknown_call", f"the bot has not called {name}")
            self.played.events.append(At(self._now_s, what))

    def stall(self, length_s: float) -> None:
        """Do nothing: acts inside of the server are not played."""

    def deafen(self) -> None:
        """Do nothing: acts inside of the server are not played."""

    def _note(self, what: str) -> None:
        self.played.done.append((self._now_s, what))


def _frames(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the frames of 20 ms; the last one is filled with silence."""
    padded = np.pad(samples, (0, -len(samples) % _FRAME))
    yield from padded.reshape(-1, _FRAME)
