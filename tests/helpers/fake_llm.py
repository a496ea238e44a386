"""The options with which a test asks the fake language model."""

from voicepipe.llm.history import whole
from voicepipe.llm.openai.client import Deadlines, OpenAi, Retries

__all__ = ["options_for"]


def options_for(
    url: str, *, max_tokens: int, first_text_s: float, next_text_s: float, times: int = 1, longest_wait_s: float = 1
) -> OpenAi:
    """Of a service that needs no key: answers are bounded, and an opening is warmer than the rest."""
    return OpenAi(
        url=url,
        model="fake",
        api_key=None,
        max_tokens=max_tokens,
        opening_temperature=0.7,
        temperature=0.3,
        history=whole,
        deadlines=Deadlines(connect_s=1, first_text_s=first_text_s, next_text_s=next_text_s),
        retries=Retries(times=times, longest_wait_s=longest_wait_s),
    )
