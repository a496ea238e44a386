"""The text in the answer of `/v1/audio/transcriptions`, whole or as a stream of events. No I/O.

OpenAI's events are `transcript.text.delta` and `transcript.text.done`. vLLM's have the form of a chat completion's, and
those of others are segments, `{"text": …}`, or bare text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from voicepipe.services.openai.sse import SseParser

__all__ = ["NotATranscript", "TranscriptStream", "whole_text"]

# Of one event; a delta's has some hundreds.
_MAX_EVENT_BYTES = 1_000_000
# Of one text: a clip of 30 s of fast speech has 1,000. A model that repeats itself may never end.
_MOST_CHARS = 20_000


class NotATranscript(ValueError):
    """The bytes are no answer with a text."""


def whole_text(body: bytes, content_type: str) -> str:
    """Return the text of an answer in one piece, JSON or plain.

    Raises NotATranscript.

    >>> whole_text(b'{"text": " Hello. "}', "application/json"), whole_text(b"Hello.", "text/plain")
    ('Hello.', 'Hello.')
    """
    text = body.decode(errors="replace").strip()
    if content_type == "text/plain" and not text.startswith("{"):
        return _bounded(text)
    try:
        told = json.loads(text)["text"]
    except (KeyError, TypeError, ValueError, RecursionError):
        told = None
    if not isinstance(told, str):
        raise NotATranscript(f"{content_type} without a text: {text[:80]}")
    return _bounded(told.strip())


class TranscriptStream:
    r"""Takes the bytes of a stream, cut anywhere. `text` is what has come of the text, and `complete` its end.

    >>> stream = TranscriptStream()
    >>> list(stream.feed(b'data: {"type": "transcript.text.delta", "delta": "Hello."}\n\n'))
    ['Hello.']
    >>> _ = list(stream.feed(b'data: {"type": "transcript.text.done", "text": "Hello."}\n\n'))
    >>> stream.text, stream.complete
    ('Hello.', True)
    """

    def __init__(self) -> None:
        self._events = SseParser(max_event_bytes=_MAX_EVENT_BYTES)
        self._in_deltas = False
        self.text = ""
        self.complete = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the text so far, each time that more of it has come. Raises ValueError: this is no transcript."""
        for data in self._events.feed(chunk) if chunk else self._events.finish():
            if self._take(data.strip()):
                yield self.text

    def finish(self) -> None:
        """Note the end of the body: a stream of segments has no other end. Raises ValueError."""
        list(self.feed(b""))
        self.complete = self.complete or (bool(self.text) and not self._in_deltas)

    def _take(self, data: str) -> bool:
        """Return whether there is more text."""
        if data == "[DONE]":
            self.complete = True
            return False
        event = _parsed(data)
        match event:
            case {"error": error} if error:
                raise NotATranscript(f"an error in the stream: {json.dumps(error)[:200]}")
            case {"type": "transcript.text.done", "text": str(text)}:
                self.text, self.complete = _bounded(text.strip()), True
                return False
            case {"type": "transcript.text.delta", "delta": str(delta)}:
                return self._add(delta)
            case {"choices": [{"delta": {"content": str(delta)}}, *_]}:
                return self._add(delta)
            case {"text": str(segment)} if "type" not in event:
                self.text = _bounded(f"{self.text} {segment.strip()}".strip())
                return True
            case _:
                return False

    def _add(self, delta: str) -> bool:
        self._in_deltas = True
        self.text = _bounded(self.text + delta)
        return bool(delta)


def _bounded(text: str) -> str:
    """Return the text. Raises NotATranscript for one that is longer than anything that was said."""
    if len(text) > _MOST_CHARS:
        raise NotATranscript(f"a text of more than {_MOST_CHARS} characters for one clip: …{text[-80:]}")
    return text


def _parsed(data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise NotATranscript(f"an event that is no JSON: {data[:80]}") from None
    if not isinstance(event, dict):
        raise NotATranscript(f"an event that is no object: {data[:80]}")
    return cast("dict[str, Any]", event)
