"""Language model servers on this machine that could answer in place of the embedded model.

Ollama, LM Studio, llama.cpp and vLLM all answer `GET /v1/models` in OpenAI's form, each at a port of its own by
default. They are asked side by side, at 127.0.0.1 only, for 300 ms at most. None of them is ever used by itself: what
is found is printed, with the command that uses it.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

__all__ = ["OLLAMA", "PORTS", "TIMEOUT_S", "LocalServer", "Search", "command_for", "find_local_servers"]

PORTS: Mapping[int, str] = {11434: "Ollama", 1234: "LM Studio", 8080: "llama.cpp", 8000: "vLLM"}
"""The default port of each server."""

TIMEOUT_S = 0.3

# What each of them writes as `owned_by` of its models: a port alone proves nothing.
_OWNERS = {"llamacpp": "llama.cpp", "vllm": "vLLM", "library": "Ollama", "organization_owner": "LM Studio"}

_MAX_BYTES = 1_000_000
# In the names of models that cannot chat.
_NO_CHAT = ("embed", "bge-", "rerank", "whisper")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answered, with the names of its chat models: one at least."""

    name: str
    url: str
    models: tuple[str, ...]


OLLAMA = LocalServer("Ollama", "http://localhost:11434", ("",))
"""The one to start where none answers: a service without settings, at its usual address."""


async def find_local_servers(
    ports: Mapping[int, str] = PORTS, *, besides: int | None = None, timeout_s: float = TIMEOUT_S
) -> list[LocalServer]:
    """The servers of this machine that have a chat model, in the order of `ports`.

    Args:
        ports: port numbers, with the server that is expected at each.
        besides: a port that is not asked, because this process will listen there.
        timeout_s: how long all of them together may take.

    Returns:
        What answered in time. What does not answer, or answers anything else, is left out; nothing is raised.
    """
    asked = [(port, name) for port, name in ports.items() if port != besides]
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        found = await asyncio.gather(*(_ask(http, port, name) for port, name in asked))
    return [server for server in found if server is not None]


async def _ask(http: aiohttp.ClientSession, port: int, name: str) -> LocalServer | None:
    url = f"http://127.0.0.1:{port}"
    try:
        async with http.get(f"{url}/v1/models", allow_redirects=False) as response:
            if response.status != 200:
                return None
            body = await response.content.read(_MAX_BYTES)
        listed = _listed(json.loads(body))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError):
        return None
    models = tuple(name for name, _ in listed if not any(part in name.lower() for part in _NO_CHAT))
    owners = (owner for _, owner in listed)
    return (
        LocalServer(next((_OWNERS[owner] for owner in owners if owner in _OWNERS), name), url, models)
        if models
        else None
    )


def _listed(answer: Any) -> list[tuple[str, str]]:
    """Names and owners of the models in an answer of `/v1/models`. Raises ValueError."""
    models = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        raise ValueError("no list of models")  # noqa: TRY004 — it is the answer that is wrong
    entries = [cast("dict[str, Any]", model) for model in cast("list[Any]", models) if isinstance(model, dict)]
    return [(model["id"], str(model.get("owned_by", ""))) for model in entries if isinstance(model.get("id"), str)]


def command_for(server: LocalServer, command: Sequence[str]) -> str:
    """The shell command that is `command` with this server as its language model.

    >>> command_for(LocalServer("Ollama", "http://127.0.0.1:11434", ("qwen2.5:3b",)), ["voicepipe", "serve"])
    'voicepipe serve --llm http://127.0.0.1:11434'

    A server that has several models wants to be told which one.
    """
    which = ["--llm-model", server.models[0]] if len(server.models) > 1 else []
    return shlex.join([*command, "--llm", server.url, *which])


class Search:
    """`find_local_servers` in a thread of its own, while the models load."""

    def __init__(self, *, besides: int | None = None, ports: Mapping[int, str] = PORTS) -> None:
        self._besides, self._ports = besides, ports
        self._found: list[LocalServer] = []
        self._thread = threading.Thread(target=self._run, name="finds-llm-servers", daemon=True)
        self._thread.start()

    def found(self) -> list[LocalServer]:
        """Return what was found; waits for the rest of the search, which is bounded."""
        self._thread.join(2 * TIMEOUT_S)
        return self._found

    def _run(self) -> None:
        self._found = asyncio.run(find_local_servers(self._ports, besides=self._besides))
