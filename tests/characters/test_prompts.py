"""Characters: what every system prompt tells the bot, what belongs to one of them, and what a file may not say."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from voicepipe._yaml import YamlError
from voicepipe.characters import prompts
from voicepipe.characters.prompts import DEFAULT, HEADLINES, Character, Characters, Facts, Language, system_prompt
from voicepipe.events import CharacterLines
from voicepipe.voices.catalog import offered_voices

ALL = get_args(Character)
OURS = Path(prompts.__file__).with_name("characters.yaml")


def first(items: Sequence[str]) -> str:
    return items[0]


@pytest.fixture(params=[False, True], ids=["short", "long"])
def both(request) -> Characters:
    return Characters.load(long=request.param)


@pytest.mark.parametrize("character", ALL)
def test_every_character_knows_how_to_talk(both: Characters, character: Character):
    """Short spoken answers without markdown, what silence looks like, and how to hang up."""
    prompt = both.system_prompt(character, text="You are a pirate.")
    for rule in ("one or two short sentences", "markdown", '"..."', "silent", "goodbye", '"Bye!"'):
        assert rule in prompt


@pytest.mark.parametrize("character", ALL)
def test_every_prompt_is_as_long_as_its_model_can_bear(character: Character):
    """A small model reads all of it before its first answer; a large one is told more."""
    short = system_prompt(character, text="You are a pirate.", language="en/fr").split()
    long = Characters.load(long=True).system_prompt(character, text="You are a pirate.", language="en/fr").split()
    assert len(short) < 130
    assert len(short) < len(long) < 500


def test_a_constant_character_is_what_the_client_wrote():
    """Its text comes first, and nothing in it is drawn by lot."""
    assert system_prompt("constant", text="  You are a pirate. ").startswith("You are a pirate. You are in a spoken")
    assert system_prompt("constant", text="Say {animal} and {0}.").startswith("Say {animal} and {0}. You are")


@pytest.mark.parametrize("language", get_args(Language))
def test_the_language_is_the_last_word(both: Characters, language: Language):
    """In each of them; without one nothing is said about it."""
    assert both.system_prompt(DEFAULT, language=language).rpartition(". Speak ")[2].endswith(".")
    spoken = both.system_prompt(DEFAULT, language=language).removeprefix(both.system_prompt(DEFAULT, choose=first))
    assert "Speak " not in both.system_prompt(DEFAULT)
    assert spoken


def test_what_is_drawn_by_lot_is_in_the_prompt():
    """The animal to guess; three different questions, with their answers."""
    assert "an elephant" in system_prompt("guess_animal", choose=first)
    quiz = system_prompt("quiz_show", choose=first)
    assert "(Mercury)" in quiz
    assert "(four)" in quiz
    assert "(Lisbon)" in quiz
    assert quiz.count("?") == 3


def test_no_question_is_asked_twice():
    """Whatever is drawn."""
    for seed in range(50):
        quiz = system_prompt("quiz_show", choose=random.Random(seed).choice)
        questions = quiz.split("the end: ")[1].split(") ")[:3]
        assert len(set(questions)) == 3


@pytest.mark.parametrize("character", ALL)
def test_nothing_is_left_open_but_the_news(both: Characters, character: Character):
    """Its place is filled when the conversation begins."""
    left = both.system_prompt(character, text="You are a pirate.").count("{")
    assert left == (character == "news")


def test_the_news_has_a_place():
    """With headlines, and without: then the bot says that it has none, and has something else to talk about."""
    ours = Characters.load()
    assert HEADLINES in ours.system_prompt("news")
    assert ours.news(["It rains", "It pours"]).startswith("These are the headlines of today: It rains; It pours.")
    assert "no news today" in ours.news([], choose=first)
    assert "what makes a good day" in ours.news([], choose=first)


NOON = datetime(2026, 11, 28, 12, 5, tzinfo=timezone(timedelta(hours=1), "CET"))


def test_a_prompt_knows_the_time_and_the_models_name(tiny: Characters):
    """The embedded model is told neither: each word costs it time."""
    facts = Facts("acme/Talker-8B", now=lambda: NOON)
    prompt = Characters.load(facts=facts).system_prompt("constant", text="You are a pirate. {now}", language="fr")
    assert "It is Saturday, 28 November 2026, 12:05 (CET). " in prompt
    assert "the language model Talker-8B;" in prompt
    assert prompt.startswith("You are a pirate. {now}")
    assert prompt.endswith("Speak French.")
    assert "language model" not in Characters.load(facts=Facts()).system_prompt("smalltalk")
    assert replace(tiny, facts=facts).system_prompt("smalltalk") == tiny.system_prompt("smalltalk")


@pytest.mark.parametrize(("english_only", "rule"), [(True, "Speak English."), (False, "says no other language.")])
def test_a_client_without_a_language_gets_those_of_the_voice(english_only: bool, rule: str):
    """English alone, where the voice is the embedded one."""
    prompt = Characters.load(facts=Facts(english_only=english_only)).system_prompt("smalltalk")
    assert prompt.endswith(rule)


# ---- the embedded model ----------------------------------------------------------------------------------------------


@pytest.fixture
def tiny() -> Characters:
    return Characters.load(tiny=True)


def test_the_embedded_model_is_offered_what_it_can_play(tiny: Characters):
    """Small talk, and what the client writes; a larger model plays all."""
    assert tiny.offered == ("constant", "smalltalk")
    assert Characters.load().offered == Characters.load(long=True).offered == ALL


def test_what_the_embedded_model_is_told_is_short(tiny: Characters):
    """One sentence for who it is, and one for how it answers; each further word costs 4 ms before the first answer."""
    assert tiny.system_prompt("constant", text="You are a pirate.") == (
        "You are a pirate. You answer in one short sentence."
    )
    assert len(tiny.system_prompt("smalltalk").split()) < 20
    assert sum(len(f"{user} {bot}".split()) for user, bot in tiny.lines("smalltalk").examples) < 130


@pytest.mark.parametrize("character", ALL)
def test_every_character_has_openings_of_one_or_two_sentences(tiny: Characters, character: Character):
    """More than one, since no two conversations should begin alike."""
    openings = {tiny.lines(character, choose=random.Random(seed).choice).opening for seed in range(30)}
    assert len(openings) > 1
    assert all(1 <= len(re.findall(r"[.!?](?:\s|$)", opening)) <= 2 for opening in openings)


def test_what_is_said_word_for_word_is_english(tiny: Characters):
    """In another language the model finds its own words."""
    assert tiny.lines("smalltalk", "en").opening
    assert tiny.lines("smalltalk", "fr") == tiny.lines("smalltalk", "fr/en") == CharacterLines()


def test_a_character_that_cannot_be_played_has_a_warning_and_no_examples(tiny: Characters):
    """It says what is played, and what plays all; the prompt is that of a larger model."""
    lines = tiny.lines("quiz_show")
    assert "cannot play 'quiz_show': it plays smalltalk, or what you write yourself" in lines.warning
    assert "--llm URL" in lines.warning
    assert lines.examples == ()
    assert tiny.lines("smalltalk").warning == Characters.load().lines("quiz_show").warning == ""
    assert tiny.system_prompt("quiz_show", choose=first) == system_prompt("quiz_show", choose=first)


def test_a_file_without_tiny_prompts_offers_all(file):
    """One that was written before there were some."""
    mine = file(characters__smalltalk__tiny=None, characters__constant__tiny=None)
    assert Characters.load(mine, tiny=True).offered == ALL


def test_a_voice_goes_with_a_character_that_is_offered(tiny: Characters):
    """Its own where this is; what is no character of ours stays."""
    voices = [{"name": "Quizmaster", "instructions": {"type": "quiz_show", "language": "en"}}]
    (changed,) = tiny.with_voices(voices)
    assert changed == {"name": "Quizmaster", "instructions": {"type": "smalltalk", "language": "en"}}
    assert Characters.load().with_voices(voices) == voices
    others: list[dict[str, Any]] = [{"name": "a"}, {"instructions": {"type": "pirate"}}, {"instructions": None}]
    assert tiny.with_voices(others) == others


def test_a_voice_is_listed_once_for_each_character_that_can_be_played():
    """All of them by their names with a larger model, and one with the embedded one."""
    voices = offered_voices(None, "embedded")
    assert [voice["name"] for voice in Characters.load(tiny=True).with_voices(voices)] == ["Robin"]
    assert Characters.load().with_voices(voices) == voices
    assert len({voice["instructions"]["type"] for voice in voices}) == len(voices) == 5


# ---- a file of ones own ----------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    """Writes our own file with changes, by the path to their keys."""

    def write(**changes: object) -> Path:
        value = yaml.safe_load(OURS.read_text())
        for path, new in changes.items():
            *keys, last = path.split("__")
            place = value
            for key in keys:
                place = place[key]
            if new is None:
                del place[last]
            else:
                place[last] = new
        mine = tmp_path / "mine.yaml"
        mine.write_text(yaml.safe_dump(value))
        return mine

    return write


def test_a_file_of_ones_own(file):
    """Another smalltalk, from another list."""
    mine = file(characters__smalltalk={"short": "Talk about {dish}."}, lists__dish=["soup"])
    assert Characters.load(mine).system_prompt("smalltalk").startswith("Talk about soup. You are in")
    assert Characters.load(mine, long=True).system_prompt("smalltalk").startswith("Talk about soup. You are in")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"characters__news": None}, "characters.news: is missing"),
        ({"languages__fr": None}, "languages.fr: is missing"),
        ({"characters__pirate": {"short": "Arr"}}, "characters.pirate"),
        ({"characters__smalltalk__short": 7}, "characters.smalltalk.short: input should be a valid string"),
        ({"characters__smalltalk__short": None}, "characters.smalltalk.short: field required"),
        ({"characters__smalltalk__shrot": "Hi"}, "characters.smalltalk.shrot: extra inputs are not permitted"),
        ({"characters__smalltalk__long": "{dish}"}, "characters.smalltalk.long: there is no list for {dish}"),
        ({"characters__quiz_show__draws": {"questions": 99}}, "draws.questions: there are not 99 in lists.questions"),
        ({"lists__animal": []}, "lists.animal: list should have at least 1 item"),
        ({"news__known": "{lists}"}, "news.known: there is no list for {lists}"),
        ({"manner": None}, "manner: field required"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(file, changes, told):
    """By the file and the key."""
    mine = file(**changes)
    with pytest.raises(YamlError) as error:
        Characters.load(mine)
    assert str(error.value).startswith(f"{mine}: ")
    assert told in str(error.value)


def test_a_file_that_is_no_yaml_is_named_by_its_line(tmp_path):
    """The error has the line at which the parser stopped."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("manner:\n  short: [\n")
    with pytest.raises(YamlError, match=r"mine\.yaml: line 3: is no YAML: "):
        Characters.load(mine)
