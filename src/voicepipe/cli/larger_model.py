"""The lines that `voicepipe serve` prints about the embedded language model, and the command that uses a larger one."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from voicepipe.installation.program import this_program

if TYPE_CHECKING:
    from voicepipe.engine.local_servers import LocalServer, Search
    from voicepipe.session import StageName
    from voicepipe.settings import Settings

__all__ = ["LargerModel", "advice"]

WHAT_IT_IS = "The language model is embedded (SmolLM2, 135M): it shows timing, and is no conversation partner."


class LargerModel:
    """Search for language model servers on this machine while the embedded model loads."""

    def __init__(self, settings: Settings, uses: Collection[StageName]) -> None:
        self._search: Search | None = None
        if settings.llm_url is None and settings.llm_service is None and "llm" in uses:
            from voicepipe.engine.local_servers import Search

            self._search = Search(besides=settings.port)

    def tell(self) -> None:
        """Print what was found; nothing if another language model was chosen."""
        if self._search is not None:
            print("\n".join(advice(self._search.found(), _typed())), flush=True)


def advice(found: Sequence[LocalServer], command: Sequence[str]) -> list[str]:
    """Return what the embedded model is, and the command that uses a larger one: `command` with `--llm`."""
    from voicepipe.engine.local_servers import OLLAMA, command_for

    if not found:
        return [WHAT_IT_IS, f"For one, start Ollama, and then:  {command_for(OLLAMA, command)}"]
    server = found[0]
    others = f", and {', '.join(other.name for other in found[1:])}" if found[1:] else ""
    return [
        WHAT_IT_IS,
        f"{server.name} runs at {server.url}{others}. To talk with its model:  {command_for(server, command)}",
    ]


def _typed() -> list[str]:
    """Return the running command, so that it can be typed again."""
    return [*shlex.split(this_program(), posix=os.name != "nt"), *sys.argv[1:]]
