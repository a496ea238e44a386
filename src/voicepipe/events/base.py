"""Base classes: of all events, of two groups of events, and of what a stage has to transform."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClientEvent", "Event", "TurnEvent", "Unpaced", "Unspoken"]


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all events: small, frozen, slotted facts. Derive your own from it.

    A stage acts on the events that it knows and passes the others on. What stages transform is not an event, and stands
    in the type of a stage that takes or gives it: `AudioReceived`, `Audio` and `ReplyAudio` (sound), and `str` (the
    LLM's text).

    >>> @dataclass(frozen=True, slots=True)
    ... class KeywordHeard(Event):
    ...     keyword: str
    ...     at_s: float
    >>> KeywordHeard("voicepipe", at_s=1.5)
    KeywordHeard(keyword='voicepipe', at_s=1.5)
    """


@dataclass(frozen=True, slots=True)
class ClientEvent(Event):
    """Base class of the client's messages, except its sound."""


@dataclass(frozen=True, slots=True)
class TurnEvent(Event):
    """Base class of the events of `detect_turns`. `respond` takes `TurnEvent` and `ClientEvent` only."""


class Unspoken:
    """Text of a reply that no TTS has taken yet. Every `ReplyText` is one.

    `split_words` gives `Unspoken`, which is not an `Event` to a type checker; the TTS takes it and passes the same
    object on as an `Event`. A pipeline that leaves the TTS out is therefore a type error.
    """

    __slots__ = ()


class Unpaced:
    """Sound of a reply as fast as the TTS makes it. Every `ReplyAudio` is one.

    `Session.tts` gives `Unpaced`, `pace` makes `ReplyAudio` of it, and only that may be sent: a pipeline that
    leaves `pace` out is a type error.
    """

    __slots__ = ()
