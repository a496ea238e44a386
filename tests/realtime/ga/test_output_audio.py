"""`output_audio_buffer.*`, for a client whose sound travels as RTP."""

from __future__ import annotations

import json

from voicepipe.conversation import Conversation
from voicepipe.events import ReplyCancelled, ReplyEnded, ReplyInterrupted, ReplyStarted, SettingsChanged, SpeechEncoded
from voicepipe.realtime.ga.dialect import Ga

TALK = Conversation("Be brief.").user_said("Hi!")
SOUND = SpeechEncoded(b"\0\0" * 480, 20)


def kinds(ga: Ga, *events: object) -> list[str]:
    told = [message["type"] for event in events for message in ga.encode(event)]
    return [
        kind
        for kind in told
        if kind.startswith("output_audio_buffer") or kind.endswith(("audio.delta", "response.done"))
    ]


def test_it_starts_with_the_first_sound_and_stops_when_all_was_heard() -> None:
    """And no sound is in a message."""
    ga = Ga(rtp=True)
    assert kinds(ga, ReplyStarted(TALK), SOUND, SOUND, ReplyEnded("Hello.", TALK)) == [
        "output_audio_buffer.started",
        "response.done",
        "output_audio_buffer.stopped",
    ]


def test_a_reply_that_is_cut_clears_it_once() -> None:
    """By a voice, or by the client."""
    for before in ((), (ReplyCancelled(clears=True),)):
        ga = Ga(rtp=True)
        told = kinds(ga, ReplyStarted(TALK), SOUND, *before, ReplyInterrupted("He", TALK))
        assert told.count("output_audio_buffer.cleared") == 1
        assert "output_audio_buffer.stopped" not in told


def test_without_sound_there_is_nothing_to_tell() -> None:
    assert kinds(Ga(rtp=True), ReplyStarted(TALK), ReplyEnded("", TALK)) == ["response.done"]


def test_the_format_of_the_settings_changes_nothing() -> None:
    """It is that of RTP."""
    ga = Ga(rtp=True)
    audio = {side: {"format": {"type": "audio/pcmu"}} for side in ("input", "output")}
    changed = ga.decode(json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": audio}}))
    assert isinstance(changed, SettingsChanged)
    assert changed.output_format == ga.sound(b"\0\0", "audio/pcm").audio_format == "audio/pcm"
