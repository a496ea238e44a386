"""The talk of a user of Unmute's page with a bot that keeps to a script: all that can happen, in 20 s."""

from __future__ import annotations

from unmute_frontend import Frontend, Session, loud

__all__ = ["ANSWERS", "SAID", "SAID_WORD_S", "SESSION", "WORD_S", "whole_talk"]

SAID = ("Hello there.", "Tell me a story.", "Stop it, please.", "Something short.")
SAID_WORD_S = 0.25
WORD_S = 0.2
"""Of the bot."""

ANSWERS = {
    "Hello.": "Good morning to you.",  # the user's part in the bot's opening
    "Hello there.": "Nice to meet you.",
    "Tell me a story.": "Once upon a time there was" + " a bird and" * 10 + " a tree.",
    "Stop it, please.": "As you like. What shall we talk about now?",
    "Something short.": "All right.",
    "...": "Are you still there? Bye!",
}

SESSION: Session = {
    "instructions": {"type": "constant", "text": "You are a storyteller.", "language": "en"},
    "voice": "unmute-prod-website/p329_022.wav",
    "allow_recording": True,
}

_BREATH_S = 0.25
_STORY_WORDS = 17
"""So many words take longer than the bot's voice is protected from being taken for the user's."""


async def whole_talk(page: Frontend) -> None:
    """The bot opens, the user asks, is answered, cuts a story short by their voice, cuts an answer short by a word, is
    answered, and falls silent; the bot asks, says good-bye and hangs up."""
    over = await _over(page, 0)
    await _say(page, SAID[0])
    over = await _over(page, over)
    await _say(page, SAID[1])
    await page.until("response.text.delta", _STORY_WORDS, since=over)
    await _say(page, SAID[2])
    over = await page.until("response.audio.done", since=over)
    await page.until("response.text.delta", since=over)
    await _say(page, SAID[3])
    await page.closed()


async def _over(page: Frontend, since: int) -> int:
    """Wait until the bot's reply is over."""
    return await page.until("response.audio.done", since=since)


async def _say(page: Frontend, text: str) -> None:
    await page.say(loud(_BREATH_S) * 0)
    await page.say(loud(SAID_WORD_S * len(text.split())))
