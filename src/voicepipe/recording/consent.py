"""The consent to recordings: the client's and the operator's."""

from __future__ import annotations

from enum import IntEnum

from voicepipe.events import SettingsChanged

__all__ = ["Keeps", "consented"]


class Keeps(IntEnum):
    """The part of a session that is kept."""

    NOTHING = 0
    """Without the client's consent."""
    EVENTS = 1
    """All events and all words, and the length of the user's sound in place of the sound: what Unmute keeps."""
    SOUND = 2
    """The user's sound, too."""


def consented(message: SettingsChanged, *, sound: bool) -> Keeps:
    """Return what a client's settings and the operator allow.

    Args:
        message: The client's settings; each message says it anew.
        sound: The operator's setting `recordings_user_sound`.

    >>> consented(SettingsChanged(allow_recording=True, allow_sound_recording=True), sound=False).name
    'EVENTS'
    """
    if not message.allow_recording:
        return Keeps.NOTHING
    return Keeps.SOUND if sound and message.allow_sound_recording else Keeps.EVENTS
