"""Speech synthesisers (TTS), and the stage that gives them clauses."""

from typing import TYPE_CHECKING

from voicepipe._lazy import lazy
from voicepipe.text.reading import Reading, speakable
from voicepipe.tts.clauses import Timing, clause_by_clause

if TYPE_CHECKING:
    from voicepipe.tts.hibari import Hibari
    from voicepipe.tts.openai import OpenAiTts, OpenAiTtsOptions

__all__ = ["Hibari", "OpenAiTts", "OpenAiTtsOptions", "Reading", "Timing", "clause_by_clause", "speakable"]

__getattr__ = lazy(__name__, {"Hibari": "hibari", **dict.fromkeys(("OpenAiTts", "OpenAiTtsOptions"), "openai")})
