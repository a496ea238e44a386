"""System prompts: from the client's choice of a character to the text for the LLM; `characters.yaml` has the parts."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args

from pydantic import BaseModel, ConfigDict, Field

from voicepipe._yaml import YamlError, read_yaml
from voicepipe.events import CharacterLines

__all__ = [
    "DEFAULT",
    "HEADLINES",
    "Character",
    "Characters",
    "Choose",
    "Facts",
    "Language",
    "WriteLines",
    "WritePrompt",
    "no_lines",
    "system_prompt",
]

Character: TypeAlias = Literal["constant", "smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation"]
Language: TypeAlias = Literal["en", "fr", "en/fr", "fr/en"]

Choose: TypeAlias = Callable[[Sequence[str]], str]
"""Chooses one of several texts: the animal, the questions."""

WritePrompt: TypeAlias = Callable[..., str]
"""`system_prompt` or a function like it: takes a character, `text` and `language`."""

WriteLines: TypeAlias = Callable[..., CharacterLines]
"""`Characters.lines` or a function like it: takes a character and a language."""

DEFAULT: Character = "smalltalk"
"""The character for a client that chooses none."""

HEADLINES = "{headlines}"
"""The placeholder that `voicepipe.characters.news` replaces with the headlines."""

_NAME = re.compile(r"\{(\w+)\}")
_GIVEN = frozenset({"text", "headlines"})

_Text = Annotated[str, Field(min_length=1)]
_Size: TypeAlias = Literal["tiny", "short", "long"]


class _CharacterModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Prompts(_CharacterModel):
    short: _Text
    long: _Text | None = None
    tiny: _Text | None = None

    def of(self, size: _Size) -> str:
        return (size == "long" and self.long) or (size == "tiny" and self.tiny) or self.short


class _Example(_CharacterModel):
    user: _Text
    bot: _Text


class _Who(_Prompts):
    draws: dict[str, Annotated[int, Field(ge=1)]] = {}
    openings: list[_Text] = []
    examples: list[_Example] = []


class _News(_CharacterModel):
    known: _Text
    unknown: _Text


class _Facts(_CharacterModel):
    now: _Text
    model: _Text


class _File(_CharacterModel):
    manner: _Prompts
    facts: _Facts | None = None
    languages: dict[Language | Literal["any"], _Text]
    characters: dict[Character, _Who]
    news: _News
    idle_prompts: list[_Text] = []
    lists: dict[str, Annotated[list[_Text], Field(min_length=1)]]


def _local_time() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about the server that a prompt contains: the time, the model, and the voice's languages."""

    model: str = ""
    """The language model's name; empty: it is not known."""
    english_only: bool = False
    """The voice supports no other language."""
    now: Callable[[], datetime] = _local_time
    """Returns the time, with its zone."""

    def told(self, file: _File) -> Iterator[str]:
        """Yield the sentences on time and model."""
        if file.facts is None:
            return
        yield file.facts.now.replace("{now}", f"{(now := self.now()):%A, %d %B %Y, %H:%M} ({now.tzname()})")
        if self.model:
            yield file.facts.model.replace("{model}", self.model.rpartition("/")[2])

    def spoken(self, file: _File) -> str:
        """Return the rule on the language for a client that names none."""
        return file.languages["en"] if self.english_only else file.languages.get("any", "")


@dataclass(frozen=True, slots=True)
class Characters:
    """The characters of one file, for a language model of one size.

    "long": the model follows a page of instructions. "tiny": the embedded model, which has 135 million parameters.
    """

    file: _File
    size: _Size = "short"
    facts: Facts | None = None
    """None: the prompts have none. The embedded model is told none: each word costs it 4 ms."""

    @classmethod
    def load(
        cls, path: Path | None = None, *, long: bool = False, tiny: bool = False, facts: Facts | None = None
    ) -> Characters:
        """Read `path`, or the package's own file. Raises YamlError, which names the file, the key and the mistake."""
        file = _own_file() if path is None else _read(path)
        return cls(file, "tiny" if tiny else "long" if long else "short", facts)

    @property
    def offered(self) -> tuple[Character, ...]:
        """The characters that the model can play: all, or for the embedded model those with a `tiny` prompt."""
        names: tuple[Character, ...] = get_args(Character)
        return tuple(name for name in names if self._plays(name))

    def lines(
        self, character: Character, language: Language | None = None, *, choose: Choose = random.choice
    ) -> CharacterLines:
        """Return what the character says word for word: its opening, in English only, and its sentences after silences.

        For the embedded model also examples of answers, or a warning if it cannot play the character.
        """
        entry, english = self.file.characters[character], language in (None, "en", "en/fr")
        tiny = self.size == "tiny" and self._plays(character)
        return CharacterLines(
            opening=choose(entry.openings) if entry.openings and english else "",
            idle_prompts=tuple(self.file.idle_prompts) if english else (),
            examples=tuple((one.user, one.bot) for one in entry.examples) if tiny and english else (),
            warning="" if self._plays(character) else self._warning(character),
        )

    def system_prompt(
        self,
        character: Character,
        *,
        text: str = "",
        language: Language | None = None,
        choose: Choose = random.choice,
    ) -> str:
        """Return the prompt: the character, its way of speaking, the facts, and its language, in this order.

        `text` is the text of the character "constant"; the others have their own. `choose` makes random choices.
        `HEADLINES` stays as it is, in a client's text as well.
        """
        size = self.size if self._plays(character) else "short"
        facts = None if size == "tiny" else self.facts
        told = facts.told(self.file) if facts else ()
        spoken = self.file.languages[language] if language else facts.spoken(self.file) if facts else ""
        parts = [self._who(character, text.strip(), choose), self.file.manner.of(size), *told, spoken]
        return " ".join(part for part in parts if part)

    def with_voices(self, voices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return `voices` as `/v1/voices` lists them.

        A character that is not offered is replaced by the default one; where a voice has that already, it is left out.
        """
        listed: list[dict[str, Any]] = []
        for voice in voices:
            entry = dict(voice) | self._instead(voice)
            if entry == voice or not any(_sound_alike(entry, other) for other in listed):
                listed.append(entry)
        return listed

    def _instead(self, voice: Mapping[str, Any]) -> dict[str, Any]:
        told: Any = voice.get("instructions")
        if not isinstance(told, dict) or cast("dict[str, Any]", told).get("type") not in set(get_args(Character)):
            return {}
        asked = cast("dict[str, Any]", told)
        return {} if asked["type"] in self.offered else {"instructions": {**asked, "type": DEFAULT}}

    def news(self, headlines: Sequence[str], *, choose: Choose = random.choice) -> str:
        """Return the text for `HEADLINES`: the headlines, or without any another subject."""
        if not headlines:
            return self._draw(self.file.news.unknown, {}, choose)
        return self.file.news.known.replace("{list}", "; ".join(headlines))

    def _plays(self, character: Character) -> bool:
        """Return whether the model can play the character; in a file without `tiny` prompts it can play all."""
        tiny = [name for name, entry in self.file.characters.items() if entry.tiny is not None]
        return self.size != "tiny" or not tiny or character in tiny

    def _warning(self, character: Character) -> str:
        named = ", ".join(name for name in self.offered if name != "constant")
        return (
            f"The embedded language model cannot play {character!r}: it plays {named or 'none of the characters'}, or "
            "what you write yourself. Start the server with a larger model: --llm URL, or --llm FILE.gguf."
        )

    def _who(self, character: Character, text: str, choose: Choose) -> str:
        entry = self.file.characters[character]
        return self._draw(entry.of(self.size), entry.draws, choose).replace("{text}", text)

    def _draw(self, prompt: str, draws: Mapping[str, int], choose: Choose) -> str:
        def drawn(found: re.Match[str]) -> str:
            name = found[1]
            return found[0] if name in _GIVEN else " ".join(_lot(self.file.lists[name], draws.get(name, 1), choose))

        return _NAME.sub(drawn, prompt)


def system_prompt(
    character: Character, *, text: str = "", language: Language | None = None, choose: Choose = random.choice
) -> str:
    """Return the prompt of one of the package's own short characters.

    >>> system_prompt("constant", text="You are a pirate.", language="en").split(" You are in ")[0]
    'You are a pirate.'
    """
    return _own().system_prompt(character, text=text, language=language, choose=choose)


def _sound_alike(voice: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(voice.get(key) == other.get(key) for key in ("source", "instructions"))


def no_lines(character: Character, language: Language | None = None) -> CharacterLines:
    """Return no lines, for a model that finds the words itself."""
    return CharacterLines()


@functools.cache
def _own() -> Characters:
    return Characters.load()


@functools.cache
def _own_file() -> _File:
    """Return the package's own characters, which do not change while the process runs."""
    return _read(Path(__file__).with_name("characters.yaml"))


def _read(path: Path) -> _File:
    file = read_yaml(path, _File)
    for key, wrong in _wrong(file):
        raise YamlError(path, key, wrong)
    return file


def _lot(pool: Sequence[str], count: int, choose: Choose) -> Iterator[str]:
    left = list(pool)
    for _ in range(count):
        one = choose(left)
        left.remove(one)
        yield one


def _wrong(file: _File) -> Iterator[tuple[str, str]]:
    """Yield mistakes that the types do not show: missing keys, and placeholders without a list."""
    for key, names, known in (
        ("characters", get_args(Character), file.characters),
        ("languages", get_args(Language), file.languages),
    ):
        yield from ((f"{key}.{name}", "is missing") for name in names if name not in known)
    for character, entry in file.characters.items():
        for variant, prompt in (("short", entry.short), ("long", entry.long or ""), ("tiny", entry.tiny or "")):
            yield from _unknown(f"characters.{character}.{variant}", prompt, {*file.lists, *_GIVEN})
        for name, count in entry.draws.items():
            if len(file.lists.get(name, ())) < count:
                yield f"characters.{character}.draws.{name}", f"there are not {count} in lists.{name}"
    if file.facts is not None:
        yield from _unknown("facts.now", file.facts.now, {"now"})
        yield from _unknown("facts.model", file.facts.model, {"model"})
    yield from _unknown("news.known", file.news.known, {"list"})
    yield from _unknown("news.unknown", file.news.unknown, set(file.lists))


def _unknown(key: str, prompt: str, known: set[str]) -> Iterator[tuple[str, str]]:
    yield from ((key, f"there is no list for {{{name}}}") for name in _NAME.findall(prompt) if name not in known)
