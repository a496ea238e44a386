"""The stages that turn sound into turns and turns into sound: pure, synchronous, specified by marble diagrams."""

from voicepipe.operators.codec import decode, encode
from voicepipe.operators.deadline import DeadlineMissed, with_deadline
from voicepipe.operators.endpoint import EndOfTurn, endpoint
from voicepipe.operators.fallback.stages import fallback, hedge, retrying
from voicepipe.operators.followed_by import then
from voicepipe.operators.gaps import fill_gaps
from voicepipe.operators.gate import gate
from voicepipe.operators.hang_up import hang_up_after
from voicepipe.operators.listen import listen
from voicepipe.operators.pace import Due, in_real_time, release_at
from voicepipe.operators.respond import Reply, respond
from voicepipe.operators.tee import tee
from voicepipe.operators.text_only import in_writing, only_text
from voicepipe.operators.tools import with_tools
from voicepipe.operators.turns import detect_turns
from voicepipe.operators.words import at_most_sentences, by_clause, by_word

__all__ = [
    "DeadlineMissed",
    "Due",
    "EndOfTurn",
    "Reply",
    "at_most_sentences",
    "by_clause",
    "by_word",
    "decode",
    "detect_turns",
    "encode",
    "endpoint",
    "fallback",
    "fill_gaps",
    "gate",
    "hang_up_after",
    "hedge",
    "in_real_time",
    "in_writing",
    "listen",
    "only_text",
    "release_at",
    "respond",
    "retrying",
    "tee",
    "then",
    "with_deadline",
    "with_tools",
]
