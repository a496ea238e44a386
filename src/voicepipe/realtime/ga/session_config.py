"""A client's session settings: the GA form, which arrives in parts and is merged, and its meaning for the pipeline."""

from __future__ import annotations

import json
from typing import Any, cast

from voicepipe.conversation import AudioFormat
from voicepipe.conversation.tokens import estimated_tokens, tool_tokens
from voicepipe.events import Function, Generation, SettingsChanged, TurnTaking
from voicepipe.realtime.ga.mcp_tools import server_of, without_keys
from voicepipe.realtime.ga.session_parts import Choice
from voicepipe.realtime.limits import LimitExceeded, RequestLimits

__all__ = [
    "DEFAULT_VOICE",
    "SessionConfig",
    "SettingsTooLong",
    "merged",
    "voice_name",
]

# Of all settings as JSON: each answer repeats them.
_MOST_BYTES = 64_000
# The voice that a client reads where it has chosen none: the synthesiser's own; only the engine knows its name.
DEFAULT_VOICE = "default"
# OpenAI waits 8, 4 and 2 s for a hesitant user; these factors scale the pipeline's own time alike.
_PATIENCE = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.5}


def _defaults(model: str, instructions: str) -> dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": instructions,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": {"model": "voicepipe"},
                "noise_reduction": None,
                "turn_detection": {"type": "semantic_vad"},
            },
            "output": {"format": pcm, "voice": DEFAULT_VOICE, "speed": 1.0},
        },
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
    }


# Without `prefix_padding_ms`: a turn begins at its onset, and the recogniser hears as much before as it needs.
_TURN_DEFAULTS: dict[str, dict[str, Any]] = {
    "server_vad": {"threshold": 0.5, "silence_duration_ms": 500, "idle_timeout_ms": None},
    "semantic_vad": {"eagerness": "auto"},
}


class SettingsTooLong(ValueError):
    """A client's settings are longer than a session keeps. The message is for the client."""


class SessionConfig:
    """One session's settings: every field is set, by the client or by default.

    Where the model cannot call `functions`, there are none, whatever the client sets; nor are there `logprobs` that the
    recogniser does not give. `transcribes`: the session begins as one of the type "transcription", in which the bot
    never speaks. `rtp`: sound travels as RTP, so that the pipeline gives PCM whatever format the client names.
    """

    def __init__(
        self,
        model: str,
        instructions: str,
        *,
        functions: bool = True,
        logprobs: bool = False,
        limits: RequestLimits | None = None,
        transcribes: bool = False,
        rtp: bool = False,
    ) -> None:
        self._rtp = rtp
        self.functions, self._gives_logprobs, self._limits = functions, logprobs, limits or RequestLimits()
        self._defaults = _defaults(model, instructions)
        if transcribes:
            self._defaults["type"] = "transcription"
        self.raw = self._defaults
        self._complete()

    def update(self, part: dict[str, Any], note_tokens: int = 0) -> None:
        """Merge the client's part, a checked `SessionPart`. If it raises, the settings stay as they are.

        Args:
            part: what the client has set
            note_tokens: what system messages take in a prompt besides

        Raises:
            SettingsTooLong: All settings would have more than 64 kB.
            LimitExceeded: Instructions and functions would cost too much.
        """
        whole = merged(self.raw, part)
        if (size := len(json.dumps(whole, ensure_ascii=False).encode(errors="replace"))) > _MOST_BYTES:
            raise SettingsTooLong(f"The session's settings would have {size} bytes; {_MOST_BYTES} is the limit.")
        before, self.raw = self.raw, whole
        self._complete()
        try:
            self._check_cost(part, note_tokens)
        except LimitExceeded:
            self.raw = before
            raise

    def _check_cost(self, part: dict[str, Any], note_tokens: int) -> None:
        """Check what the client has set. What it has not set is the server's own. Raises LimitExceeded."""
        if part.get("instructions") is not None or part.get("tools"):
            self._limits.check_fixed(self.raw["instructions"], self.generation({}).functions, note_tokens)

    @property
    def prompt_tokens(self) -> int:
        """Return what instructions and functions take in each prompt (estimated)."""
        return estimated_tokens(self.raw["instructions"]) + tool_tokens(self.generation({}).functions)

    @property
    def transcribes(self) -> bool:
        """Return whether the client wants its sound recognised, and no replies."""
        return self.raw["type"] == "transcription"

    def written(self) -> dict[str, Any]:
        """The settings as the client reads them."""
        if not self.transcribes:
            return {**self.raw, "tools": [without_keys(tool) for tool in self.raw["tools"] or ()]}
        sound = {key: self.input[key] for key in ("format", "transcription", "noise_reduction", "turn_detection")}
        kind = {"type": "transcription", "object": "realtime.transcription_session"}
        return {**kind, "audio": {"input": sound}, "include": self.raw.get("include")}

    @property
    def logprobs(self) -> bool:
        """Return whether the client gets the log probabilities of the recognised tokens."""
        return bool(self.raw.get("include"))

    def settings(self, *, answered: bool) -> SettingsChanged:
        """Return the event for the pipeline; `answered`: the client gets a confirmation."""
        return SettingsChanged(
            self.raw["instructions"],
            self.voice,
            self.raw.get("recording") in ("events", "sound"),
            written=self.written() if answered else {},
            turns=self._turns(),
            aloud=self.aloud,
            generation=self.generation({}),
            output_format=self.output_format(self.output),
            allow_sound_recording=self.raw.get("recording") == "sound",
        )

    def generation(self, wishes: dict[str, Any]) -> Generation:
        """Return how the model answers: as the session says, with the `wishes` of one response."""
        written = {**self.raw, **{key: value for key, value in wishes.items() if value is not None}}
        tools: list[dict[str, Any]] = written["tools"] or [] if self.functions else []
        functions = tuple(_function(tool) for tool in tools if tool["type"] == "function")
        choice: Any = written["tool_choice"] or "auto"
        named = "" if isinstance(choice, str) else str(choice["name"])
        limit = written["max_output_tokens"]
        return Generation(
            functions,
            choice=cast("Choice", "auto" if named else choice),
            must_call=named if any(function.name == named for function in functions) else "",
            max_tokens=limit if isinstance(limit, int) else None,
            temperature=written.get("temperature"),
            servers=tuple(server_of(tool) for tool in tools if tool["type"] != "function"),
        )

    def output_format(self, output: dict[str, Any]) -> AudioFormat:
        """Return the format in which the pipeline gives sound, for the settings of a session's or a reply's output."""
        return "audio/pcm" if self._rtp else output["format"]["type"]

    @property
    def input_format(self) -> AudioFormat:
        """The format of the client's packets."""
        return self.input["format"]["type"]

    @property
    def input(self) -> dict[str, Any]:
        """The settings of the client's audio."""
        return self.raw["audio"]["input"]

    @property
    def output(self) -> dict[str, Any]:
        """The settings of the server's audio."""
        return self.raw["audio"]["output"]

    @property
    def aloud(self) -> bool:
        return "audio" in self.raw["output_modalities"]

    @property
    def voice(self) -> str | None:
        return voice_name(self.output["voice"])

    @property
    def manual(self) -> bool:
        """Return whether only the client ends turns."""
        return self.input["turn_detection"] is None

    @property
    def idle_s(self) -> float | None:
        idle_ms = self._detects("idle_timeout_ms")
        return None if idle_ms is None else idle_ms / 1000

    @property
    def prefix_ms(self) -> float | None:
        """Return how much sound before the onset belongs to a turn, if the client has set it."""
        return self._detects("prefix_padding_ms")

    def _detects(self, setting: str) -> float | None:
        detection: dict[str, Any] | None = self.input["turn_detection"]
        return detection.get(setting) if detection else None

    @property
    def interrupts(self) -> bool:
        """Return whether the user's voice stops a response."""
        return self._turns().interrupts

    def _turns(self) -> TurnTaking:
        detection: dict[str, Any] | None = self.input["turn_detection"]
        if detection is None:
            return TurnTaking(by="client", answers=False, interrupts=False)
        if self.transcribes:
            detection = {**detection, "create_response": False, "interrupt_response": False}
        semantic = detection["type"] == "semantic_vad"
        return TurnTaking(
            by="meaning" if semantic else "voice",
            speech_above=detection.get("threshold"),
            silence_ms=detection.get("silence_duration_ms"),
            prefix_ms=self.prefix_ms,
            patience=_PATIENCE[detection["eagerness"]] if semantic else 1.0,
            answers=detection["create_response"],
            interrupts=detection["interrupt_response"],
            idle_s=None if self.transcribes else self.idle_s,
        )

    def _complete(self) -> None:
        """Yield required fields that the client has set to null, or not set."""
        defaults = self._defaults
        self.raw = {**self.raw, "type": self.raw["type"] or defaults["type"], "object": defaults["object"]}
        for key in ("model", "output_modalities", "audio"):
            self.raw[key] = self.raw[key] or defaults[key]
        if self.raw["instructions"] is None:
            self.raw["instructions"] = defaults["instructions"]
        if not self._gives_logprobs:
            self.raw.pop("include", None)
        if not self.functions:
            self.raw["tools"], self.raw["tool_choice"] = [], "auto"
        self.raw["audio"] = dict(self.raw["audio"])
        for side in ("input", "output"):
            audio = self.raw["audio"]
            audio[side] = {**defaults["audio"][side], **(audio.get(side) or {})}
            audio[side]["format"] = audio[side]["format"] or defaults["audio"][side]["format"]
        self.input["noise_reduction"], self.output["speed"] = None, 1.0  # what holds, whatever was asked for
        detection: dict[str, Any] | None = self.input["turn_detection"]
        if detection is not None:
            wanted = {"create_response": True, "interrupt_response": True, **_TURN_DEFAULTS[detection["type"]]}
            set_by_client = {key: value for key, value in detection.items() if value is not None}
            self.input["turn_detection"] = {"type": detection["type"], **wanted, **set_by_client}


def voice_name(voice: str | dict[str, str] | None) -> str | None:
    """Return the name of a voice that the client has chosen; None: it has chosen none, or sends our word for that back.

    A synthesiser has no voice of that name: a service would refuse it, and the user would be told of a missing voice.
    """
    name = voice["id"] if isinstance(voice, dict) else voice
    return None if name == DEFAULT_VOICE else name


def _function(tool: dict[str, Any]) -> Function:
    return Function(tool["name"], tool.get("description") or "", tool.get("parameters") or {})


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge `new` into `old`, at any depth. An object with another `type` replaces the old one.

    >>> merged({"a": {"type": "x", "b": 1}, "c": 2}, {"a": {"d": 3}})
    {'a': {'type': 'x', 'b': 1, 'd': 3}, 'c': 2}
    >>> merged({"a": {"type": "x", "b": 1}}, {"a": {"type": "y"}})
    {'a': {'type': 'y'}}
    """
    result = dict(old)
    for key, value in new.items():
        result[key] = _merged(result.get(key), value)
    return result


def _merged(old: object, new: object) -> object:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    before, after = cast(dict[str, Any], old), cast(dict[str, Any], new)
    return merged(before, after) if after.get("type") in (None, before.get("type")) else after
