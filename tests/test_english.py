"""The source names things by their standard names, and does not speak of code as of a person."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import voicepipe

ROOT = Path(voicepipe.__file__).parent

PERSONS = re.compile(r"\b(who|whoever|nobody|somebody|anybody)\b", re.IGNORECASE)

PROMPTS = {"characters/characters.yaml", "server/http/consents.yaml"}
"""Files of texts that a model or a user reads or says, in everyday English."""

RETIRED = re.compile(
    r"\b(by_word|in_real_time|in_writing|only_text|in_runs|first_answer|through_socket|find_patiently|nudge_after_s|nudges"
    r"|TalksNonsense|Newsroom|Briefing|Inlet|Ingress|Outbox|Obstacle|TalkSeries|ServiceSeries|KyutaiEar|KyutaiVoice"
    r"|LocalEar|LocalVoice|ReadAhead|AnswerLimited|HungUp|AudioHeld|SpokenWords|FlushCount|Refusal|Translator|Director)\b"
)
"""Names of version 0.1 that have another name now and mean nothing else: `CHANGELOG.md` has the new ones."""


def lines(words: re.Pattern[str], *, ignored: set[str]) -> list[str]:
    """Return the places in the source at which one of `words` stands."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(ROOT.rglob("*"))
        if path.suffix in {".py", ".yaml"} and path.relative_to(ROOT).as_posix() not in ignored
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if words.search(line)
    ]


@pytest.mark.parametrize(("words", "ignored"), [(PERSONS, PROMPTS), (RETIRED, set[str]())], ids=["persons", "retired"])
def test_words_that_are_not_used(words: re.Pattern[str], ignored: set[str]) -> None:
    found = lines(words, ignored=ignored)
    assert not found, "\n".join(["write these lines in other words:", *found])
