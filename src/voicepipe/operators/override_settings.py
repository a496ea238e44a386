"""`override_settings`: a bot with instructions and a voice of the pipeline's, whatever the client sets."""

from __future__ import annotations

from dataclasses import replace

from reactivex import operators as rx_ops

from voicepipe.events import ClientMessage, ReplyRequested, SettingsChanged
from voicepipe.stage import Stage, stage_factory

__all__ = ["override_settings"]


@stage_factory(passes=True)
def override_settings(
    *, system_prompt: str | None = None, voice: str | None = None
) -> Stage[ClientMessage, ClientMessage]:
    """Put the pipeline's instructions and voice in place of the client's; everything else passes.

    In each dialect the client's settings come first, so that these hold from the first reply on, also for a single
    reply that the client asks for with instructions or a voice of its own (`ReplyRequested`). The client is told its
    own settings, as it wrote them. Where it comes: first, on `session.received`.

    Args:
        system_prompt: The bot's instructions; None: those of the client.
        voice: The name of a voice of the TTS; None: that of the client.

    .. marbles::

        received            s-S-a|     s: SettingsChanged("a")   S: SettingsChanged(voice="v")   a: AudioReceived
        override_settings   p-P-a|     with "b" and "w"   p, P: SettingsChanged("b", "w")
    """

    def overridden(message: ClientMessage) -> ClientMessage:
        match message:
            case SettingsChanged():
                prompt = message.system_prompt if system_prompt is None else system_prompt
                return replace(message, system_prompt=prompt, voice=voice or message.voice)
            case ReplyRequested():
                prompt = message.system_prompt if system_prompt is None else None
                return replace(message, system_prompt=prompt, voice=voice or message.voice)
            case _:
                return message

    return rx_ops.map(overridden)
