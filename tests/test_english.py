"""The source names things by their standard names, and does not speak of code as of a person."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import voicepipe

ROOT = Path(voicepipe.__file__).parent

PROJECT = Path(__file__).parents[1]

PERSONS = re.compile(r"\b(who|whoever|nobody|somebody|anybody)\b", re.IGNORECASE)

PROMPTS = {"characters/characters.yaml", "server/http/consents.yaml"}
"""Files of texts that a model or a user reads or says, in everyday English."""

PHRASES = re.compile(
    r"\b(ears?|mouth|to mend|mends|mended|gives back|given back|but for|sooner than|of those that|is none of|shall|heed"
    r"|in vain|for ever|be had|speaks of|as it were|whose floor)\b",
    re.IGNORECASE,
)
"""Metaphors and turns of phrase for which there is a plain word."""

OPENERS = re.compile(r"(What|Who|Where|How|Whether|Those|There)\b")
QUOTED_OPENERS = re.compile(rf"""["'][\s\\]*{OPENERS.pattern}""")
"""A docstring begins with a noun or a verb: "Return whether…", "The place of…"."""

RETIRED = re.compile(
    r"\b(by_word|in_real_time|in_writing|only_text|in_runs|first_answer|through_socket|find_patiently|nudge_after_s|nudges"
    r"|TalksNonsense|Newsroom|Briefing|Inlet|Ingress|Outbox|Obstacle|TalkSeries|ServiceSeries|KyutaiEar|KyutaiVoice"
    r"|LocalEar|LocalVoice|ReadAhead|AnswerLimited|HungUp|AudioHeld|SpokenWords|FlushCount|Refusal|Translator|Director"
    r"|Formats|UNUSED_EAR|UNUSED_VOICE)\b"
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


@pytest.mark.parametrize(
    ("words", "ignored"),
    [(PERSONS, PROMPTS), (PHRASES, PROMPTS), (RETIRED, set[str]())],
    ids=["persons", "phrases", "retired"],
)
def test_words_that_are_not_used(words: re.Pattern[str], ignored: set[str]) -> None:
    found = lines(words, ignored=ignored)
    assert not found, "\n".join(["write these lines in other words:", *found])


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    """Only a file with such a word behind a quotation mark is parsed: all of them would take 3 s."""
    found = [
        f"{path}: {text.splitlines()[0]}"
        for folder in (ROOT, *(PROJECT / name for name in ("tests", "benchmarks", "pipelines", "docs")))
        for path in sorted(folder.rglob("*.py"))
        if QUOTED_OPENERS.search(source := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (text := ast.get_docstring(node))
        and OPENERS.match(text)
    ]
    assert not found, "\n".join(["begin these docstrings with a noun or a verb:", *found])


NAMED_PERSONS = re.compile(r"(?<!user)_(who|whoever|nobody|somebody|anybody|someone|anyone)(_|$)")
"""A user is a person; a client, a server and a caller are not."""


def test_the_names_of_tests_do_not_speak_of_code_as_of_a_person() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in sorted((PROJECT / "tests").rglob("test_*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (name := re.match(r"\s*(?:async )?def (test_\w+)", line)) and NAMED_PERSONS.search(name[1])
    ]
    assert not found, "\n".join(["name these tests in other words:", *found])
