"""Characters: what every system prompt tells the bot, and what belongs to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pytest

from voicepipe.characters import DEFAULT, Character, Language, system_prompt

ALL = get_args(Character)


def first(items: Sequence[str]) -> str:
    return items[0]


@pytest.mark.parametrize("character", ALL)
def test_every_character_knows_how_to_talk(character: Character):
    """Short spoken answers without markdown, what silence looks like, and how to hang up."""
    prompt = system_prompt(character, text="You are a pirate.")
    for rule in ("one or two short sentences", "markdown", '"..."', "silent", "goodbye", '"Bye!"'):
        assert rule in prompt


@pytest.mark.parametrize("character", ALL)
def test_every_prompt_is_short(character: Character):
    """A small model reads all of it before its first answer."""
    assert len(system_prompt(character, text="You are a pirate.", language="en/fr").split()) < 130


def test_a_constant_character_is_what_the_client_wrote():
    """Its text comes first."""
    assert system_prompt("constant", text="  You are a pirate. ").startswith("You are a pirate. You are in a spoken")


@pytest.mark.parametrize("language", get_args(Language))
def test_the_language_is_the_last_word(language: Language):
    """In each of them; without one nothing is said about it."""
    assert system_prompt(DEFAULT, language=language).split('"Bye!" ')[1].startswith("Speak ")
    assert "Speak" not in system_prompt(DEFAULT)


def test_what_is_drawn_by_lot_is_in_the_prompt():
    """The animal to guess; three different questions, with their answers."""
    assert "an elephant" in system_prompt("guess_animal", choose=first)
    quiz = system_prompt("quiz_show", choose=first)
    assert "(Mercury)" in quiz
    assert "(four)" in quiz
    assert "(Lisbon)" in quiz
    assert quiz.count("?") == 3
