"""voicepipe: real-time voice conversation as composable observables.

The names below are imported when they are first used, so that `voicepipe --help` need not wait for numpy and reactivex.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicepipe.boundary.overflow import Overflow
    from voicepipe.boundary.tasks import async_stage
    from voicepipe.boundary.threads import in_worker
    from voicepipe.conversation import ClientInfo, Conversation, Message
    from voicepipe.events import Event
    from voicepipe.rx import merge
    from voicepipe.session import Llm, Pipeline, Session
    from voicepipe.stage import Stage, StageError, stage_factory

__all__ = [
    "ClientInfo",
    "Conversation",
    "Event",
    "Llm",
    "Message",
    "Overflow",
    "Pipeline",
    "Session",
    "Stage",
    "StageError",
    "async_stage",
    "in_worker",
    "merge",
    "stage_factory",
]

_HOMES = {
    "ClientInfo": "voicepipe.conversation",
    "Conversation": "voicepipe.conversation",
    "Event": "voicepipe.events",
    "Llm": "voicepipe.session",
    "Message": "voicepipe.conversation",
    "Overflow": "voicepipe.boundary.threads",
    "Pipeline": "voicepipe.session",
    "Session": "voicepipe.session",
    "Stage": "voicepipe.stage",
    "StageError": "voicepipe.stage",
    "async_stage": "voicepipe.boundary.tasks",
    "in_worker": "voicepipe.boundary.threads",
    "merge": "voicepipe.rx",
    "stage_factory": "voicepipe.stage",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
