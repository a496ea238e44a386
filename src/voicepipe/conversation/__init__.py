"""The conversation as data: messages, functions, and the prompt made of them. It knows no event."""

from voicepipe.conversation.character import CharacterLines
from voicepipe.conversation.chat_prompt import GREETING, NO_RESULT
from voicepipe.conversation.client_info import ClientInfo, DialectName
from voicepipe.conversation.conversation import Conversation, heard_until, joined, with_word
from voicepipe.conversation.functions import Function, FunctionCall, Generation, ToolFilter, ToolServer
from voicepipe.conversation.message import CUT, NO_ITEM, SILENCE, AudioFormat, ItemId, Message, Role, TimedWord

__all__ = [
    "CUT",
    "GREETING",
    "NO_ITEM",
    "NO_RESULT",
    "SILENCE",
    "AudioFormat",
    "CharacterLines",
    "ClientInfo",
    "Conversation",
    "DialectName",
    "Function",
    "FunctionCall",
    "Generation",
    "ItemId",
    "Message",
    "Role",
    "TimedWord",
    "ToolFilter",
    "ToolServer",
    "heard_until",
    "joined",
    "with_word",
]
