"""The pipeline's instructions and voice, in place of the client's."""

from voicepipe.events import AudioReceived, ReplyRequested, SettingsChanged
from voicepipe.operators import override_settings
from voicepipe.testing import Marbles


def test_the_pipelines_settings_hold(marbles: Marbles) -> None:
    """Also where the client changes its own in the middle."""
    sound = AudioReceived(b"")
    received = marbles.cold("s-S-a|", s=SettingsChanged("a"), S=SettingsChanged(voice="v"), a=sound)
    fixed = SettingsChanged("b", "w")
    stage = override_settings(system_prompt="b", voice="w")
    marbles.expect(received.pipe(stage), "p-P-a|", p=fixed, P=fixed, a=sound)


def test_they_hold_for_a_single_reply(marbles: Marbles) -> None:
    """Its own instructions are dropped: those of the conversation hold."""
    asked = marbles.cold("r|", r=ReplyRequested("item1", system_prompt="a", voice="v"))
    stage = override_settings(system_prompt="b", voice="w")
    marbles.expect(asked.pipe(stage), "r|", r=ReplyRequested("item1", voice="w"))


def test_what_is_not_overridden_stays_the_clients(marbles: Marbles) -> None:
    """The voice of one pipeline, with the client's instructions."""
    settings, request = SettingsChanged("a", "v"), ReplyRequested(system_prompt="a", voice="v")
    stage = override_settings(voice="w")
    marbles.expect(
        marbles.cold("sr|", s=settings, r=request).pipe(stage), "sr|",
        s=SettingsChanged("a", "w"), r=ReplyRequested(system_prompt="a", voice="w"),
    )  # fmt: skip


def test_nothing_is_overridden_without_arguments(marbles: Marbles) -> None:
    """Every message is the client's own."""
    settings = SettingsChanged("a", "v")
    marbles.expect(marbles.cold("s|", s=settings).pipe(override_settings()), "s|", s=settings)
