"""`/v1/characters`."""

from __future__ import annotations

import reactivex
from served import Engine, refused

from voicepipe.characters.prompts import Characters


def silent(_):
    return reactivex.never()


async def test_each_character_is_listed_with_its_instructions(serve):
    """As the server itself would write them; the text of a client's own is not among them."""
    url = "http://llm.example"
    async with serve(silent, llm_url=url) as served, served.http.get(f"{served.url}/v1/characters") as answer:
        listed = {one["name"]: one["instructions"] for one in await answer.json()}
    assert set(listed) == {"smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation"}
    written = Characters.load(long=True).system_prompt("smalltalk")
    assert listed["smalltalk"][:100] == written[:100]  # what follows is drawn by lot


async def test_a_model_is_offered_what_it_can_play(serve):
    """The embedded one plays one character."""
    async with serve(silent) as served, served.http.get(f"{served.url}/v1/characters") as answer:
        assert [one["name"] for one in await answer.json()] == ["smalltalk"]


async def test_a_pipeline_without_a_language_model_has_none(serve):
    engine = Engine()
    engine.kinds = ("stt",)
    async with serve(silent, engine) as served, served.http.get(f"{served.url}/v1/characters") as answer:
        assert await answer.json() == []


async def test_a_key_is_needed_where_the_server_has_keys(serve):
    async with serve(silent, api_keys=("open-sesame",)) as served:
        async with served.http.get(f"{served.url}/v1/characters") as answer:
            refused(401, await answer.json())
        headers = {"Authorization": "Bearer open-sesame"}
        async with served.http.get(f"{served.url}/v1/characters", headers=headers) as answer:
            assert answer.status == 200
