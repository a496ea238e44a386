"""When the bot breaks a silence, as data."""

from dataclasses import replace

from voicepipe.operators.idle_prompts import IdlePrompts
from voicepipe.presets import INTERRUPTION

IDLE = IdlePrompts.of(replace(INTERRUPTION, idle_after_s=7.0, idle_prompts=2))


def test_a_prompt_is_due_the_idle_time_after_the_silence_began() -> None:
    """At the beginning of a session that is its start."""
    assert IDLE.due_s == 7.0
    assert IDLE.since(3.0).due_s == 10.0


def test_it_does_not_fall_into_a_sound() -> None:
    """One that has ended before it was due does not postpone it."""
    assert IDLE.quiet(5.0).due_s == 7.0
    assert IDLE.quiet(9.0).due_s == 9.3


def test_there_are_only_so_many_in_a_row() -> None:
    """Until the user speaks."""
    assert IDLE.prompted().due_s == 7.0
    assert IDLE.prompted().prompted().due_s is None
    assert IDLE.prompted().prompted().answered().due_s == 7.0


def test_a_client_that_leads_says_how_long() -> None:
    """A change counts from its moment; what stays the same changes nothing; without it the pipeline's time counts."""
    led = IDLE.since(1.0).configured(5.0, led=True, now_s=2.0)
    assert led == replace(IDLE, after_s=5.0, since_s=2.0)
    assert led.configured(5.0, led=True, now_s=4.0) == led
    assert led.configured(None, led=True, now_s=4.0).due_s is None
    assert led.configured(None, led=False, now_s=4.0).due_s == 11.0


def test_a_prompt_is_given_back_until_its_reply_has_ended() -> None:
    """Not when it has failed, nor where idle prompts are off."""
    assert IDLE.prompted().open
    assert not IDLE.prompted().ended(3.0).open
    assert IDLE.prompted().ended(3.0) == replace(IDLE, since_s=3.0, sent=1)
    assert not IDLE.prompted().configured(None, led=True, now_s=3.0).open
    assert IDLE.prompted().configured(5.0, led=True, now_s=3.0).open
