"""The texts that an Unmute client is told, which are one talk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["Texts"]

Message = dict[str, Any]
SILENCE = "..."
CUT = "—"
NO_VOICE = "missing"
"""Unmute's name for the voice of a client that has requested none."""


class Texts:
    """The texts of both sides: words as they are sent, whole texts at the end, and the history that the client gets."""

    def __init__(self, *, words_are_final: bool) -> None:
        self._words_are_final = words_are_final
        self._voice = NO_VOICE
        self._turns: list[str] = []
        self._turn: list[str] = []
        self._last_start_s = 0.0
        self._history: list[Message] = []
        self._ready: list[str] = []
        self._spoken: list[str] = []
        self._cut = self._failed = self._is_on = False

    def __call__(self, event: Message) -> Iterator[str]:
        match event["type"]:
            case "session.updated":
                self._updated(event["session"])
            case "conversation.item.input_audio_transcription.delta":
                yield from self._heard(event)
            case "input_audio_buffer.speech_stopped":
                self._turns.append(" ".join(self._turn))
                self._turn = []
            case "response.created":
                yield from self._created(event["response"])
            case "unmute.response.text.delta.ready":
                yield from self._is_ready(event["delta"])
            case "response.text.delta":
                self._spoken.append(event["delta"])
                yield from self._prefix()
            case "response.text.done":
                yield from self._done(event["text"])
            case "unmute.interrupted_by_vad":
                self._cut = True
            case "error":
                self._failed = True
            case "unmute.additional_outputs":
                yield from self._outputs(event["args"])
            case _:
                pass

    def _updated(self, session: Message) -> None:
        """Store the session's voice; a setting that is absent stays as it was."""
        self._voice = session.get("voice") or self._voice

    # -- the user ------------------------------------------------------------------------------------------------------

    def _heard(self, event: Message) -> Iterator[str]:
        self._turn.append(event["delta"])
        if event["start_time"] < self._last_start_s:
            yield f"starts at {event['start_time']} s, and the word before it at {self._last_start_s} s"
        self._last_start_s = event["start_time"]

    # -- the bot -------------------------------------------------------------------------------------------------------

    def _created(self, response: Message) -> Iterator[str]:
        history = response["chat_history"]
        yield from self._continued(history)
        if response["voice"] != self._voice:
            yield f"speaks with {response['voice']!r}"
        self._history, self._turns, self._ready, self._spoken = history, [], [], []
        self._cut = self._failed = False
        self._is_on = True

    def _continued(self, history: list[Message]) -> Iterator[str]:
        before = self._history
        if history[: len(before)] != before:
            yield f"forgets what was said: {before} became {history}"
        yield from self._prompted(history)
        new = history[len(before) :]
        if not self._follows(new, before):
            yield f"answers {new}, and said was {self._turns}"

    def _prompted(self, history: list[Message]) -> Iterator[str]:
        """The system prompt is not the client's business."""
        if any(message["role"] == "system" for message in history):
            yield f"shows the system prompt: {history}"

    def _follows(self, new: list[Message], before: list[Message]) -> bool:
        """Return whether the new messages are the user's words, or the silence that the bot breaks.

        None are new when the bot opens, or resumes its turn after a cough had cut it.
        """
        said = [message["content"] for message in new]
        if any(message["role"] != "user" for message in new) or not all(said):
            return False
        if not self._words_are_final and self._turns:
            return len(said) <= len(self._turns)
        if not new:
            return not self._turns and (not before or before[-1]["role"] == "user")
        return said == (self._turns or [SILENCE])

    def _is_ready(self, word: str) -> Iterator[str]:
        if word.startswith(" ") != bool(self._ready):
            yield f"{word!r} is word {len(self._ready) + 1} of its reply"
        self._ready.append(word)

    def _prefix(self) -> Iterator[str]:
        written = "".join(self._ready).split()
        if written[: len(self._spoken)] != self._spoken:
            yield f"{self._spoken[-1]!r} is spoken, and written was {written}"

    def _done(self, text: str) -> Iterator[str]:
        if text != " ".join(self._spoken):
            yield f"{text!r} is not what was spoken: {self._spoken}"
        if text.split() != "".join(self._ready).split() and not self._failed:
            yield f"{text!r} is not what was written: {self._ready}"

    def _outputs(self, outputs: Message) -> Iterator[str]:
        if not self._is_on:  # in front of a reply
            yield from self._continued(outputs["chat_history"])
            return
        self._is_on = False
        said = " ".join(self._spoken) + (CUT if self._cut else "")
        message = [{"role": "assistant", "content": said}] if self._spoken else []
        talk, before = outputs["chat_history"], self._history
        if talk != [*before, *message]:
            yield f"the history is {talk} after {before} and {message}"
        yield from self._prompted(outputs["chat_history"])
        self._history = outputs["chat_history"]
        measured = outputs["debug_dict"]
        if measured and abs(sum(measured["parts_ms"].values()) - measured["total_ms"]) > 1e-3:
            yield f"the parts of a latency do not sum to it: {measured}"
