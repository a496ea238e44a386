"""Speech recognisers, and the stages that run them."""

from typing import TYPE_CHECKING

from voicepipe._lazy import lazy
from voicepipe.stt.utterances import by_utterance

if TYPE_CHECKING:
    from voicepipe.stt.moonshine import Moonshine
    from voicepipe.stt.openai import OpenAiStt, OpenAiSttOptions

__all__ = ["Moonshine", "OpenAiStt", "OpenAiSttOptions", "by_utterance"]

__getattr__ = lazy(__name__, {"Moonshine": "moonshine", **dict.fromkeys(("OpenAiStt", "OpenAiSttOptions"), "openai")})
