"""`/v1/characters`: which characters there are, as instructions that any client can send."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

from voicepipe.characters.prompts import Character, Characters
from voicepipe.engine.health_checks import ServiceKind

__all__ = ["CharacterRoutes"]


class CharacterRoutes:
    """The characters of one server; none where the pipeline uses no language model."""

    def __init__(self, characters: Characters, kinds: Collection[ServiceKind]) -> None:
        self._characters = characters
        offered = characters.offered if "llm" in kinds else ()
        self._names: list[Character] = [name for name in offered if name != "constant"]

    async def list(self, _: web.Request) -> web.Response:
        """`[{"name": …, "instructions": …}]`. What a character draws by lot is drawn for each request."""
        prompts = [{"name": name, "instructions": self._characters.system_prompt(name)} for name in self._names]
        return web.json_response(prompts)
