"""The statement of a client's frame about recordings, before its turn has come to be decoded."""

from __future__ import annotations

import json
from typing import Any, cast

from voicepipe.events import SettingsChanged

__all__ = ["said_of_recording"]

_LONGEST = 1_000_000


def said_of_recording(frame: str | bytes) -> SettingsChanged | None:
    """Return what a frame says of recordings, whatever else is in it, in any dialect; None: nothing.

    A frame waits while the sound in front of it waits; a consent that is withdrawn does not.

    >>> said_of_recording('{"type": "session.update", "session": {"recording": "events"}}').allow_recording
    True
    >>> said_of_recording('{"type": "session.update", "session": {"allow_recording": false}}').allow_recording
    False
    >>> said_of_recording('{"type": "session.update", "session": {"voice": "cedar"}}') is None
    True
    """
    if isinstance(frame, bytes) or "recording" not in frame or len(frame) > _LONGEST:
        return None  # all dialects speak JSON text
    try:
        message: Any = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    session = cast("dict[str, Any]", message).get("session") if isinstance(message, dict) else None
    return _said(cast("dict[str, Any]", session)) if isinstance(session, dict) else None


def _said(session: dict[str, Any]) -> SettingsChanged | None:
    if "recording" in session:  # GA and beta
        sound = session["recording"] == "sound"
        return SettingsChanged(allow_recording=sound or session["recording"] == "events", allow_sound_recording=sound)
    if "allow_recording" in session:  # Unmute
        sound = session.get("allow_sound_recording") is True
        return SettingsChanged(allow_recording=session["allow_recording"] is True, allow_sound_recording=sound)
    return None
