"""What a client sets of its session: the GA form, which arrives in parts and is merged, and what it means for us."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field

from voicepipe.audio import G711, Codec, OggOpus, Pcm16
from voicepipe.events import SettingsChanged, TurnTaking

__all__ = ["AudioFormat", "BetaSession", "ServerVad", "SessionConfig", "SessionPart", "codec_of", "merged"]

_PATIENCE = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.5}
"""OpenAI waits 8, 4 and 2 s for a hesitant user; we scale the pipeline's own time alike."""


class _Part(BaseModel):
    """Strict in what it knows; what it does not know is kept, and repeated in the answer."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Pcm(_Part):
    type: Literal["audio/pcm"]
    rate: Literal[24000] | None = None


class Pcmu(_Part):
    """G.711 µ-law, 8 kHz."""

    type: Literal["audio/pcmu"]


class Pcma(_Part):
    """G.711 A-law, 8 kHz."""

    type: Literal["audio/pcma"]


class Opus(_Part):
    """Ogg-Opus, 24 kHz: voicepipe's own extension."""

    type: Literal["audio/opus"]


AudioFormat: TypeAlias = Annotated[Pcm | Pcmu | Pcma | Opus, Field(discriminator="type")]


class ServerVad(_Part):
    """Turns end after a silence."""

    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[float, Field(ge=0)] | None = None
    silence_duration_ms: Annotated[float, Field(ge=0, le=60_000)] | None = None
    idle_timeout_ms: Annotated[float, Field(gt=0)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVad(_Part):
    """Turns end by what the speech sounds like, or else after a silence."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class InputAudio(_Part):
    format: AudioFormat | None = None
    transcription: dict[str, Any] | None = None
    noise_reduction: dict[str, Any] | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = None


class VoiceId(_Part):
    id: str


class OutputAudio(_Part):
    format: AudioFormat | None = None
    voice: str | VoiceId | None = None
    speed: float | None = None


class AudioPart(_Part):
    input: InputAudio | None = None
    output: OutputAudio | None = None


class SessionPart(_Part):
    """A part of a session's settings. Null instructions leave the character to us."""

    type: Literal["realtime"] | None = None
    model: str | None = None
    instructions: str | None = None
    output_modalities: list[Literal["audio", "text"]] | None = None
    audio: AudioPart | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None


class BetaSession(_Part):
    """A part of a session's settings, flat, as the beta form has it."""

    model: str | None = None
    instructions: str | None = None
    modalities: list[Literal["audio", "text"]] | None = None
    voice: str | None = None
    speed: float | None = None
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    output_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    input_audio_transcription: dict[str, Any] | None = None
    input_audio_noise_reduction: dict[str, Any] | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = None
    max_response_output_tokens: int | Literal["inf"] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    temperature: float | None = None


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
            "output": {"format": pcm, "voice": "default", "speed": 1.0},
        },
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
    }


_TURN_DEFAULTS: dict[str, dict[str, Any]] = {
    "server_vad": {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500, "idle_timeout_ms": None},
    "semantic_vad": {"eagerness": "auto"},
}


class SessionConfig:
    """One session's settings: everything is set, by the client or by us, for whom `instructions` speak."""

    def __init__(self, model: str, instructions: str) -> None:
        self._defaults = _defaults(model, instructions)
        self.written = self._defaults
        self._complete()

    def update(self, part: dict[str, Any]) -> None:
        """Merge what the client has written, a checked `SessionPart`."""
        self.written = merged(self.written, part)
        self._complete()

    def settings(self, *, answered: bool) -> SettingsChanged:
        """For the pipeline; `answered`: the client is told in return."""
        return SettingsChanged(
            self.written["instructions"],
            self.voice,
            written=self.written if answered else {},
            turns=self._turns(),
            aloud=self.aloud,
        )

    @property
    def given(self) -> dict[str, Any]:
        """The settings of the client's audio."""
        return self.written["audio"]["input"]

    @property
    def wanted(self) -> dict[str, Any]:
        """The settings of our audio."""
        return self.written["audio"]["output"]

    @property
    def aloud(self) -> bool:
        return "audio" in self.written["output_modalities"]

    @property
    def voice(self) -> str | None:
        voice: str | dict[str, str] | None = self.wanted["voice"]
        return voice["id"] if isinstance(voice, dict) else voice

    @property
    def manual(self) -> bool:
        """Whether only the client ends turns."""
        return self.given["turn_detection"] is None

    @property
    def idle_s(self) -> float | None:
        detection: dict[str, Any] | None = self.given["turn_detection"]
        idle_ms: float | None = detection.get("idle_timeout_ms") if detection else None
        return None if idle_ms is None else idle_ms / 1000

    def _turns(self) -> TurnTaking:
        detection: dict[str, Any] | None = self.given["turn_detection"]
        if detection is None:
            return TurnTaking(by="client", answers=False, interrupts=False)
        semantic = detection["type"] == "semantic_vad"
        return TurnTaking(
            by="meaning" if semantic else "voice",
            speech_above=detection.get("threshold"),
            silence_ms=detection.get("silence_duration_ms"),
            patience=_PATIENCE[detection["eagerness"]] if semantic else 1.0,
            answers=detection["create_response"],
            interrupts=detection["interrupt_response"],
            idle_s=self.idle_s,
        )

    def _complete(self) -> None:
        """What the client has set to null, or not set at all, where it must be something."""
        defaults = self._defaults
        self.written = dict(self.written)
        for key in ("model", "output_modalities", "audio"):
            self.written[key] = self.written[key] or defaults[key]
        if self.written["instructions"] is None:
            self.written["instructions"] = defaults["instructions"]
        self.written["audio"] = dict(self.written["audio"])
        for side in ("input", "output"):
            audio = self.written["audio"]
            audio[side] = {**defaults["audio"][side], **(audio.get(side) or {})}
            audio[side]["format"] = audio[side]["format"] or defaults["audio"][side]["format"]
        detection: dict[str, Any] | None = self.given["turn_detection"]
        if detection is not None:
            wanted = {"create_response": True, "interrupt_response": True, **_TURN_DEFAULTS[detection["type"]]}
            set_by_client = {key: value for key, value in detection.items() if value is not None}
            self.given["turn_detection"] = {"type": detection["type"], **wanted, **set_by_client}


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`new` in `old`, at any depth. What has another `type` than before begins anew.

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


def codec_of(audio_format: dict[str, Any]) -> Codec:
    """How audio is written in this format."""
    match audio_format["type"]:
        case "audio/pcmu":
            return G711("mu")
        case "audio/pcma":
            return G711("a")
        case "audio/opus":
            return OggOpus()
        case _:
            return Pcm16()
