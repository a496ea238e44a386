"""Parts that the benchmarks share: a server process, real speech, a client that takes turns, and figures in tables."""

from benchmarks.common.caller import Caller, Reply, Said, call, realtime_call, silent_call
from benchmarks.common.cli import Progress, Skipped, command
from benchmarks.common.report import SUMMARY, Budget, Cell, Report, Table, percentile, summary
from benchmarks.common.server import Server, ServerFailed, fakes, voicepipe_command
from benchmarks.common.speech import RATE_HZ, NoSpeech, Utterance, recording, utterances

__all__ = [
    "RATE_HZ",
    "SUMMARY",
    "Budget",
    "Caller",
    "Cell",
    "NoSpeech",
    "Progress",
    "Reply",
    "Report",
    "Said",
    "Server",
    "ServerFailed",
    "Skipped",
    "Table",
    "Utterance",
    "call",
    "command",
    "fakes",
    "percentile",
    "realtime_call",
    "recording",
    "silent_call",
    "summary",
    "utterances",
    "voicepipe_command",
]
