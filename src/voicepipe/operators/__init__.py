"""The stages that turn sound into turns and turns into sound: pure, synchronous, specified by marble diagrams."""

from voicepipe.operators.codec import decode, encode
from voicepipe.operators.endpoint import EndOfTurn, endpoint
from voicepipe.operators.gaps import fill_gaps
from voicepipe.operators.hang_up import hang_up_after
from voicepipe.operators.listen import listen
from voicepipe.operators.pace import in_real_time
from voicepipe.operators.respond import Reply, respond
from voicepipe.operators.turns import detect_turns
from voicepipe.operators.words import at_most_sentences, by_clause, by_word

__all__ = [
    "EndOfTurn",
    "Reply",
    "at_most_sentences",
    "by_clause",
    "by_word",
    "decode",
    "detect_turns",
    "encode",
    "endpoint",
    "fill_gaps",
    "hang_up_after",
    "in_real_time",
    "listen",
    "respond",
]
