"""The documentation's pages as programs: their code blocks, the commands and the files in these."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Block", "Command", "all_pages", "blocks", "commands", "inline_commands"]

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^( *)```(\S.*)$")
_NOTE = re.compile(r"^ *<!-- (file|shows): (\S+) -->$")
_COMMENT = re.compile(r"\s+#\s.*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `note` and `named` are of the comment above it: `<!-- file: my_bot.py -->`."""

    page: Path
    line: int
    language: str
    text: str
    note: str = ""
    named: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line} ({self.language})"

    def content(self) -> str:
        """Return the text; of a `literalinclude` the file that it shows, which must be a whole one."""
        if not self.language.startswith("{literalinclude}"):
            return self.text
        options = {line.split(":")[1] for line in self.text.splitlines() if line.startswith(":")}
        assert options <= {"language", "caption"}, f"{self} does not show the whole file"
        return (self.page.parent / self.language.split()[1]).read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a block, and what the page says that it prints."""

    text: str
    output: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """Return its words up to a pipe or a redirection, without variables before it."""
        words = shlex.split(re.split(r"\s(?:\d?>|\|)", self.text)[0])
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        return words

    @property
    def arguments(self) -> list[str] | None:
        """Return the arguments of `voicepipe`, or None when that is not what it runs."""
        words = self.words
        is_ours = bool(words) and Path(words[0]).name == "voicepipe"
        return words[1:] if is_ours else None


def all_pages() -> list[Path]:
    """Return the README, the documentation and the benchmarks' page."""
    docs = [
        page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts and page.name[0] != "_"
    ]
    return [ROOT / "README.md", *docs, ROOT / "benchmarks" / "README.md"]


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's fenced blocks, and those of the files that it includes, in order."""
    lines = page.read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        if opened := _FENCE.match(lines[number]):
            indent = len(opened[1])
            end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == "```")
            text = "".join(f"{line[indent:]}\n" for line in lines[number + 1 : end])
            if included := re.match(r"\{include\} (\S+)", opened[2]):
                yield from blocks(page.parent / included[1])
            noted = _NOTE.match(lines[number - 1]) if number else None
            note, named = noted.groups() if noted else ("", "")
            yield Block(page, number + 1, opened[2], text, note, named)
            number = end
        number += 1


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a block of shell: each line, each part of `a && b`; in a console, what follows a `$`."""
    if block.language == "console":
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            first, *output = part.rstrip("\n").split("\n")
            yield Command(first, tuple(output))
        return
    joined = block.text.replace("\\\n", " ")
    for line in joined.splitlines():
        for part in _COMMENT.sub("", line).split(" && "):
            if part.strip():
                yield Command(part.strip())


def inline_commands(page: Path) -> Iterator[Command]:
    """Yield the `voicepipe …` commands within a page's sentences."""
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for found in re.finditer(r"`((?:\S*/)?voicepipe [^`]+)`", prose):
        yield Command(" ".join(found[1].split()))
