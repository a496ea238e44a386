"""The stages that turn sound into turns and turns into sound: pure, synchronous, specified by marble diagrams."""

from voicepipe.operators.agent import Agent
from voicepipe.operators.agents import with_agents, with_voices
from voicepipe.operators.background import Background
from voicepipe.operators.cancel_echo import cancel_echo
from voicepipe.operators.codec import decode, encode
from voicepipe.operators.deadline import DeadlineMissed, with_deadline
from voicepipe.operators.endpoint import EndOfTurn, endpoint
from voicepipe.operators.fallback.stages import fallback, hedge, retrying
from voicepipe.operators.filler import with_filler
from voicepipe.operators.followed_by import followed_by
from voicepipe.operators.gaps import fill_gaps
from voicepipe.operators.gate import gate
from voicepipe.operators.hang_up import end_call, hang_up_after
from voicepipe.operators.listen import listen
from voicepipe.operators.listening import listening
from voicepipe.operators.mcp_server import McpServer
from voicepipe.operators.override_settings import override_settings
from voicepipe.operators.pace import Due, pace, release_at
from voicepipe.operators.reply import Reply
from voicepipe.operators.replying import replying
from voicepipe.operators.respond import respond
from voicepipe.operators.speculate import speculate
from voicepipe.operators.suppress_noise import suppress_noise
from voicepipe.operators.tee import tee
from voicepipe.operators.text_only import as_text, text_only
from voicepipe.operators.tools import with_tools
from voicepipe.operators.turns import detect_turns
from voicepipe.operators.wait_for_user import wait_for_user
from voicepipe.operators.words import at_most_sentences, by_clause, split_words

__all__ = [
    "Agent",
    "Background",
    "DeadlineMissed",
    "Due",
    "EndOfTurn",
    "McpServer",
    "Reply",
    "as_text",
    "at_most_sentences",
    "by_clause",
    "cancel_echo",
    "decode",
    "detect_turns",
    "encode",
    "end_call",
    "endpoint",
    "fallback",
    "fill_gaps",
    "followed_by",
    "gate",
    "hang_up_after",
    "hedge",
    "listen",
    "listening",
    "override_settings",
    "pace",
    "release_at",
    "replying",
    "respond",
    "retrying",
    "speculate",
    "split_words",
    "suppress_noise",
    "tee",
    "text_only",
    "wait_for_user",
    "with_agents",
    "with_deadline",
    "with_filler",
    "with_tools",
    "with_voices",
]
