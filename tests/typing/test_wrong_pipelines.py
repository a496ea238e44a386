"""What a type checker says of a pipeline whose stages do not fit: on the line where they do not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """\
from collections.abc import AsyncIterator

from reactivex import Observable

from voicepipe import Conversation, Event, Llm, Overflow, Session, Stage, async_stage
from voicepipe import operators as ops
from voicepipe.events import Audio, ReplyText, Word


async def remote(items: AsyncIterator[Audio]) -> AsyncIterator[Word]:
    async for _ in items:
        yield Word("a", 0, 1)


def reply(conversation: Conversation, llm: Llm, tts: Stage[ReplyText, Event], words: Stage[Audio, Word]) -> None:
    said = llm(conversation)
"""

RIGHT = """\
    said.pipe(ops.by_word(), tts, ops.in_real_time(lead_ms=320, frame_ms=80))
    ops.fallback(llm, llm)(conversation).pipe(ops.by_word(), ops.fallback(tts, tts, remembers=64))
    ops.retrying(ops.hedge(llm, llm, after_ms=300), times=2, pause_ms=50, longest_pause_ms=200)(conversation)
    ops.with_deadline(llm, "LLM", first_s=2, between_s=1)(conversation).pipe(ops.then(lambda text: said))
    said.pipe(ops.by_word(), ops.tee(ops.by_clause(first_words=1, min_words=1, max_words=2)), tts)
"""

WRONG = {
    "said.pipe(tts)": "reportArgumentType",
    "said.pipe(ops.by_clause(first_words=1, min_words=1, max_words=2))": "reportArgumentType",
    "said.pipe(ops.by_word(), words)": "reportArgumentType",
    "ops.fallback(tts, tts)": "reportArgumentType",
    "ops.fallback(tts, words, remembers=64)(said)": "reportArgumentType",
    "ops.hedge(llm, llm)": "reportCallIssue",
    'async_stage(remote, boundary="stt", overflow=Overflow.LATEST)': "reportCallIssue",
    'said.pipe(async_stage(remote, boundary="stt", capacity=1, overflow=Overflow.LATEST))': "reportArgumentType",
    "ops.detect_turns(pause_above=0.6)": "reportCallIssue",
}


@pytest.mark.skipif(
    shutil.which("basedpyright", path=str(Path(sys.executable).parent)) is None, reason="no type checker"
)
def test_stages_that_do_not_fit_are_told_on_their_line(tmp_path: Path) -> None:
    """All of the wrong ones, and none of the right ones."""
    body = RIGHT + "".join(f"    {line}\n" for line in WRONG)
    file = tmp_path / "wrong.py"
    file.write_text(HEAD + body)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "standard"}))
    checker = Path(sys.executable).with_name("basedpyright")
    command = [str(checker), "--pythonpath", sys.executable, "--outputjson", "-p", str(tmp_path)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    lines = file.read_text().splitlines()
    found = {(lines[one["range"]["start"]["line"]].strip(), one["rule"]) for one in told["generalDiagnostics"]}
    assert {line for line, _ in found} == set(WRONG)
    assert found >= set(WRONG.items())
