"""voicepipe: real-time voice conversation as composable observables.

The names below are imported when they are first used, so that `voicepipe --help` need not wait for numpy and reactivex.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicepipe.conversation import Conversation, Message
    from voicepipe.events import Event
    from voicepipe.session import Llm, Pipeline, Session
    from voicepipe.stage import Stage

__all__ = ["Conversation", "Event", "Llm", "Message", "Pipeline", "Session", "Stage"]

_HOMES = {
    "Conversation": "voicepipe.conversation",
    "Event": "voicepipe.events",
    "Llm": "voicepipe.session",
    "Message": "voicepipe.conversation",
    "Pipeline": "voicepipe.session",
    "Session": "voicepipe.session",
    "Stage": "voicepipe.stage",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
