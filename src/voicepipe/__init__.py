"""voicepipe: real-time voice conversation as composable observables."""

from voicepipe.conversation import Conversation, Message
from voicepipe.events import Event
from voicepipe.session import Llm, Pipeline, Session
from voicepipe.stage import Stage

__all__ = ["Conversation", "Event", "Llm", "Message", "Pipeline", "Session", "Stage"]
