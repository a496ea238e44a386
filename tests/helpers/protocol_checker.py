"""A check of the server's messages to one client against the rules of the realtime protocol.

The client's state follows from these messages alone: ids, the active response, the format of its sound.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError
from server_events import BETA_SERVER_EVENTS, GA_SERVER_EVENTS, UNMUTE_SERVER_EVENTS
from unmute_order import Order

__all__ = ["ProtocolChecker"]

Event = dict[str, Any]

OWN: dict[str, TypeAdapter[Any]] = {"ga": GA_SERVER_EVENTS, "beta": BETA_SERVER_EVENTS, "unmute": UNMUTE_SERVER_EVENTS}
_OF_BETA = {
    "conversation.item.created": "conversation.item.added",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
}
_FORMATS_OF_BETA = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_BUFFER, _HEARD = "input_audio_buffer", "conversation.item.input_audio_transcription"
_VOICE, _SCRIPT, _TEXT = "response.output_audio", "response.output_audio_transcript", "response.output_text"
_CALL = "response.function_call_arguments"
_LIST, _TOOL = "mcp_list_tools", "response.mcp_call"
_PART_BEGUN = {f"{_VOICE}.delta", f"{_SCRIPT}.delta", f"{_VOICE}.done", f"{_TEXT}.delta", f"{_TEXT}.done"}
_CALL_BEGUN = {f"{_CALL}.delta", f"{_CALL}.done", "response.output_item.done"}
"""A call that is cut short has no end of its own."""

FOLLOWS: dict[str, set[str]] = {
    "": {
        f"{_BUFFER}.speech_started",
        f"{_BUFFER}.timeout_triggered",
        f"{_BUFFER}.committed",
        "conversation.item.added",
        "response.output_item.added",
    },
    f"{_BUFFER}.speech_started": {f"{_BUFFER}.speech_stopped"},
    f"{_BUFFER}.speech_stopped": {f"{_BUFFER}.committed"},
    f"{_BUFFER}.timeout_triggered": {f"{_BUFFER}.committed"},
    f"{_BUFFER}.committed": {"conversation.item.added"},
    "conversation.item.added": {
        *("conversation.item.done", "response.content_part.added", *_CALL_BEGUN),
        *(f"{_LIST}.in_progress", f"{_TOOL}_arguments.delta"),
    },
    "conversation.item.done": {
        *(f"{_HEARD}.delta", f"{_HEARD}.completed"),
        *(f"{_TOOL}.completed", f"{_TOOL}.failed"),  # of a call that an interruption has outrun
    },
    f"{_LIST}.in_progress": {f"{_LIST}.completed", f"{_LIST}.failed"},
    f"{_LIST}.completed": {"conversation.item.done"},
    f"{_LIST}.failed": {"conversation.item.done"},
    f"{_TOOL}_arguments.delta": {f"{_TOOL}_arguments.done"},
    f"{_TOOL}_arguments.done": {f"{_TOOL}.in_progress"},
    f"{_TOOL}.in_progress": {f"{_TOOL}.completed", f"{_TOOL}.failed", "response.output_item.done"},
    f"{_TOOL}.completed": {"response.output_item.done"},
    f"{_TOOL}.failed": {"response.output_item.done"},
    f"{_HEARD}.delta": {f"{_HEARD}.delta", f"{_HEARD}.completed"},
    f"{_HEARD}.completed": set(),
    "response.output_item.added": {"conversation.item.added", "response.content_part.added", *_CALL_BEGUN},
    "response.content_part.added": _PART_BEGUN,
    f"{_VOICE}.delta": {f"{_VOICE}.delta", f"{_SCRIPT}.delta", f"{_VOICE}.done"},
    f"{_SCRIPT}.delta": {f"{_VOICE}.delta", f"{_SCRIPT}.delta", f"{_VOICE}.done"},
    f"{_VOICE}.done": {f"{_SCRIPT}.done"},
    f"{_SCRIPT}.done": {"response.content_part.done"},
    f"{_TEXT}.delta": {f"{_TEXT}.delta", f"{_TEXT}.done"},
    f"{_TEXT}.done": {"response.content_part.done"},
    f"{_CALL}.delta": _CALL_BEGUN,
    f"{_CALL}.done": {"response.output_item.done"},
    "response.content_part.done": {"response.output_item.done"},
    "response.output_item.done": {"conversation.item.done"},
}
"""The events that may follow for an item, by its last event."""
IN_BETA = {**FOLLOWS, "conversation.item.added": FOLLOWS["conversation.item.added"] | FOLLOWS["conversation.item.done"]}
"""Beta does not tell when an item is done."""
_AT_ANY_TIME = {"conversation.item.retrieved", "conversation.item.truncated", "conversation.item.deleted"}


class ProtocolChecker:
    """`check` validates and records one message of the server. `dialect` is the expected one.

    `of_others` are the types of another library, by dialect, which what the server says has to be of, too.
    """

    def __init__(self, dialect: str, of_others: dict[str, TypeAdapter[Any]]) -> None:
        self.dialect = dialect
        self.heard: list[Event] = []
        self.items: dict[str, Event] = {}
        """The items of the conversation, as last reported."""
        self.item_ids: list[str] = []
        self.response_ids: list[str] = []
        self.event_ids: list[str] = []
        self.call_ids: list[str] = []
        self.format = "audio/pcm"
        self.is_manual = False
        """True: the client ends its turns itself."""
        self.active: str | None = None
        """The response that has the floor."""
        self.on: set[str] = set()
        """That one, and those beside the conversation."""
        self._order: Order | None = Order()
        """Of Unmute's events; None where they tell of what has begun in another dialect."""
        self._of_others = of_others
        self._last: dict[str, str] = {}
        self._ended: set[str] = set()
        self._deleted: set[str] = set()
        self._speaking: str | None = None
        self._seen: set[str] = set()
        self._kinds: set[str] = set()

    def check(self, text: str) -> None:
        """One message of the server. Raises AssertionError for what it may not say now."""
        event: Event = json.loads(text, parse_constant=_no_json)
        self._check_type(event, text)
        assert event["event_id"] not in self._seen, f"an event_id comes twice: {text}"
        self._seen.add(event["event_id"])
        self.event_ids.append(event["event_id"])
        self.heard.append(event)
        if self.dialect == "unmute":
            self._hear_unmute(event, text)
        else:
            self._hear_openai(_OF_BETA.get(event["type"], event["type"]), event)

    def turn_to(self, dialect: str) -> None:
        """From here on the client is spoken to in this one, also of what has begun in the other."""
        if dialect == "unmute" != self.dialect and len(self.heard) > 1:
            self._order = None
            self.on.clear()
            self.active = None
        self.dialect = dialect

    def _check_type(self, event: Event, text: str) -> None:
        for whose in (OWN, self._of_others):
            try:
                if self.dialect in whose and (whose is OWN or self._is_news(event, text)):
                    whose[self.dialect].validate_python(event if whose is OWN else _without_wishes(event))
            except ValidationError as error:
                raise AssertionError(f"{event} is none of the server's events: {str(error)[:2_000]}") from None

    def _is_news(self, event: Event, text: str) -> bool:
        """The first of each type: to look at all of them costs more than the session. Settings repeat the client, and
        Opus is an extension of ours.
        """
        kind = event["type"]
        known = kind in self._kinds
        self._kinds.add(kind)
        return not known and not kind.startswith(("session.", "transcription_session.")) and "audio/opus" not in text

    # ---- GA and beta ------------------------------------------------------------------------------------------------

    def _hear_openai(self, kind: str, event: Event) -> None:
        if kind.startswith(("session.", "transcription_session.")):
            self._hear_settings(event["session"])
        if "response" in event:
            self._hear_response(kind, event["response"])
        elif "response_id" in event:
            assert event["response_id"] in self.on, f"{kind} of a response that is not on ({self.on}): {event}"
        if kind in _AT_ANY_TIME:
            self._hear_edit(kind, event)
        elif item_id := event.get("item_id") or event.get("item", {}).get("id"):
            self._hear_item(kind, item_id, event)

    def _hear_settings(self, session: Event) -> None:
        if self.dialect == "beta":
            self.format, detection = _FORMATS_OF_BETA[session["input_audio_format"]], session["turn_detection"]
        else:
            given = session["audio"]["input"]
            self.format, detection = given["format"]["type"], given["turn_detection"]
        self.is_manual = detection is None

    def _hear_response(self, kind: str, response: Event) -> None:
        response_id = response["id"]
        if kind == "response.created":
            self._hear_begin(response)
            return
        assert (kind, response_id in self.on) == ("response.done", True), f"{kind} of {response_id}: {self.on} are on"
        for item in response["output"]:
            assert self._last.get(item["id"]) in ("response.output_item.done", "conversation.item.done"), response
        self.active = None if self.active == response_id else self.active
        self.on.remove(response_id)
        self._ended.add(response_id)

    def _hear_begin(self, response: Event) -> None:
        response_id = response["id"]
        assert response_id not in self._ended, f"{response_id} was over"
        self.response_ids.append(response_id)
        self.on.add(response_id)
        if response["conversation_id"] is not None or "audio" in _modalities(response):
            assert self.active is None, f"two responses have the floor: {self.active} and {response_id}"
            self.active = response_id

    def _hear_item(self, kind: str, item_id: str, event: Event) -> None:
        before = self._last.get(item_id, "")
        if kind == "conversation.item.added" and item_id in self._deleted:
            self._deleted.remove(item_id)
            before = ""
        follows = IN_BETA if self.dialect == "beta" else FOLLOWS
        assert kind in follows[before], f"{item_id}: {kind} after {before or 'nothing'}"
        self._last[item_id] = kind
        if not before:
            self.item_ids.append(item_id)
        self._hear_place(event)
        if kind == f"{_BUFFER}.speech_started":
            assert self._speaking is None, f"{item_id} begins to speak, and {self._speaking} has not stopped"
            self._speaking = item_id
        elif kind == f"{_BUFFER}.speech_stopped":
            assert self._speaking == item_id
            self._speaking = None
        if kind.startswith("conversation.item.") and "item" in event:
            self.items[item_id] = event["item"]
            if call_id := event["item"].get("call_id"):
                self.call_ids.append(call_id)

    def _hear_place(self, event: Event) -> None:
        previous = event.get("previous_item_id")
        assert previous is None or previous in self._last, f"nobody was told of the previous item: {event}"

    def _hear_edit(self, kind: str, event: Event) -> None:
        item_id = event.get("item_id") or event["item"]["id"]
        assert item_id in self._last, f"nobody was told of the item: {event}"
        if kind == "conversation.item.deleted":
            self.items.pop(item_id, None)
            self._deleted.add(item_id)

    # ---- Unmute -----------------------------------------------------------------------------------------------------

    def _hear_unmute(self, event: Event, text: str) -> None:
        if self._order is None:
            return
        before = self._order.bot
        wrong = list(self._order(event))
        # Of a reply that was cut before it was sent the sound is gone, and the words come:
        left = (before, event["type"]) == ("thinks", "response.text.delta")
        assert not wrong or left, f"{wrong}: {text[:400]}"


def _without_wishes(event: Event) -> Event:
    """Metadata are the client's own, and repeated as they came."""
    return {**event, "response": {**event["response"], "metadata": None}} if "response" in event else event


def _modalities(response: Event) -> list[str]:
    return response.get("output_modalities") or response["modalities"]


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")
