"""Backchannels: the words of a listener that does not want to speak, by language. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ACKNOWLEDGEMENTS", "SHORT_PHRASES"]

_SOUNDS: Final = frozenset(
    {"mhm", "mm", "mmm", "mmh", "mm hmm", "mm hm", "mh", "hm", "hmm", "uh huh", "uhuh", "huh", "uh", "um", "aha",
     "ah", "ahh", "oh", "ohh", "ooh", "wow", "ha", "haha", "ok", "okay", "super"}
)  # fmt: skip
"""Sounds, and words of all these languages."""

ACKNOWLEDGEMENTS: Final[Mapping[str, frozenset[str]]] = {
    "de": _SOUNDS | frozenset(
        {"ja", "jo", "joa", "jap", "ja genau", "genau", "aha", "ach", "ach ja", "ach so", "achso", "stimmt",
         "das stimmt", "klar", "na klar", "alles klar", "gut", "sehr gut", "schön", "richtig", "verstehe",
         "ich verstehe", "verstanden", "echt", "wirklich", "interessant", "natürlich", "sicher",
         "toll", "prima", "weiter", "sag bloß", "eben", "absolut", "äh", "ähm"}
    ),
    "en": _SOUNDS | frozenset(
        {"right", "yeah", "yah", "yep", "yup", "yes", "sure", "for sure", "i see", "got it", "gotcha", "oh wow",
         "oh my", "oh god", "oh my god", "nice", "cool", "great", "of course", "all right", "alright", "interesting",
         "really", "exactly", "precisely", "true", "that's true", "that's right", "you're right", "good",
         "very good", "good point", "i know", "i understand", "understood", "absolutely", "totally", "definitely",
         "certainly", "indeed", "fine", "perfect", "amazing", "awesome", "wonderful", "excellent", "lovely",
         "fantastic", "incredible", "brilliant", "sounds good", "sounds great", "makes sense", "that makes sense",
         "fair enough", "right on", "go on", "go ahead", "keep going", "i agree", "agreed", "correct"}
    ),
    "es": _SOUNDS | frozenset(
        {"sí", "si", "vale", "claro", "claro que sí", "ya", "ajá", "bueno", "ya veo", "ya sé", "de acuerdo",
         "entiendo", "entendido", "exacto", "exactamente", "es verdad", "verdad", "cierto", "muy bien", "bien",
         "por supuesto", "perfecto", "genial", "en serio", "qué bien", "desde luego", "correcto", "eh"}
    ),
    "fr": _SOUNDS | frozenset(
        {"oui", "ouais", "d'accord", "hum", "ah bon", "je vois", "je sais", "je comprends", "bien sûr", "exact",
         "exactement", "c'est ça", "c'est vrai", "vrai", "tout à fait", "voilà", "très bien", "bien", "bon",
         "parfait", "entendu", "compris", "vraiment", "génial", "absolument", "effectivement", "en effet",
         "carrément", "euh"}
    ),
    "it": _SOUNDS | frozenset(
        {"sì", "si", "certo", "va bene", "bene", "capisco", "capito", "ho capito", "esatto", "esattamente",
         "giusto", "vero", "davvero", "d'accordo", "perfetto", "ah sì", "già", "infatti"}
    ),
    "nl": _SOUNDS | frozenset(
        {"ja", "jawel", "oké", "goed", "precies", "klopt", "dat klopt", "natuurlijk", "tuurlijk", "zeker",
         "ik snap het", "ik begrijp het", "leuk", "mooi", "echt"}
    ),
    "pt": _SOUNDS | frozenset(
        {"sim", "claro", "certo", "tá", "tá bom", "está bem", "entendi", "entendo", "percebo", "pois", "pois é",
         "é", "exato", "exatamente", "isso", "verdade", "muito bem", "bom", "beleza", "perfeito", "com certeza"}
    ),
}  # fmt: skip
"""Without "no", "stop", "wait" and "but", and without phrases that begin with them: a "no" would have to wait for the
word behind it."""

SHORT_PHRASES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        *("Mhm", "Mm-hmm", "Mm", "Hmm", "Uh-huh", "Ah", "Oh", "Okay", "Oh, okay", "Right", "Yeah", "Yeah, sure", "Yep"),
        *("Yup", "Yes", "Sure", "I see", "Oh, I see", "Got it", "Oh wow", "Wow", "Nice", "Cool", "Great", "Of course"),
        *("All right", "Alright", "Interesting", "Really", "Exactly", "True", "Good", "I know"),
        *(
            "Stop",
            "No",
            "Wait",
            "Hold on",
            "Hang on",
            "Don't",
            "Excuse me",
            "But why",
            "Why",
            "What",
            "Enough",
            "Sorry",
        ),
        *("Not now", "Never mind", "Listen"),
    ),
}
"""What is said alone over a talking bot, by language, spelled as a recogniser does: acknowledgements, and then words
that interrupt, with which one must not be confused."""
