"""Services on the network as parts of an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from voicepipe.engine.health_checks import Probe, ServiceKind
from voicepipe.engine.parts import SessionPart
from voicepipe.engine.settings import EngineSettings, secret_of
from voicepipe.installation.proxies import proxy_for
from voicepipe.llm.history import recent
from voicepipe.llm.openai.client import Deadlines, OpenAi, OpenAiLlm, Retries
from voicepipe.llm.openai.warmth import KeepWarm
from voicepipe.services.address import Address
from voicepipe.services.errors import ServiceError
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.services.openai.client import reason
from voicepipe.session import Llm

__all__ = ["NetworkLlm", "api_probe", "kyutai_probe", "llm_options"]

Session = Callable[[], aiohttp.ClientSession]
"""The process's one HTTP client session."""

# Turns of the history that are forgotten together: a service that keeps prompts by their beginning reads anew once in
# four turns, not at each.
_TURNS_AT_ONCE = 4
# Ollama unloads a model after five minutes without a request, LM Studio after an hour.
_WARM_S = 240


@dataclass(frozen=True, slots=True)
class NetworkLlm:
    """An OpenAI-compatible service, which all sessions share."""

    llm: OpenAiLlm
    where: str
    warmth: KeepWarm | None

    @classmethod
    def make(
        cls, url: str, settings: EngineSettings, http: Session, observer: ServiceObserver = NULL_OBSERVER
    ) -> NetworkLlm:
        llm = OpenAiLlm(llm_options(url, settings), http, observer)
        warmth = KeepWarm(llm, after_s=_WARM_S) if settings.llm_warm else None
        return cls(llm, Address.parse(url).http(""), warmth)

    def open(self) -> SessionPart[Llm]:
        if self.warmth is not None:
            self.warmth.session_opens()
        return SessionPart(self.llm)

    def probe(self) -> Probe:
        return api_probe("llm", self.where, "SmolLM2", self.llm.check)


def llm_options(url: str, settings: EngineSettings) -> OpenAi:
    """Return the options of a language model at an address."""
    return OpenAi(
        url=url,
        model=settings.llm_model,
        api_key=secret_of(settings.llm_api_key),
        max_tokens=settings.llm_max_tokens,
        opening_temperature=settings.llm_opening_temperature,
        temperature=settings.llm_temperature,
        history=recent(max_tokens=settings.llm_history_tokens, at_once=_TURNS_AT_ONCE),
        deadlines=Deadlines(settings.llm_connect_s, settings.llm_first_text_s, settings.llm_next_text_s),
        retries=Retries(settings.llm_retries, settings.llm_longest_wait_s),
        extra=settings.llm_extra,
    )


def api_probe(kind: ServiceKind, url: str, instead: str, check: Callable[[], Awaitable[str]]) -> Probe:
    """An OpenAI-compatible service, by `check`: it gives the model's name, or raises a ServiceError."""

    async def ask() -> str:
        try:
            return f"model {await check()}"
        except ServiceError as error:  # where it is stands beside it
            raise ConnectionError(f"{error.outcome}: {error.detail}") from error

    return Probe(kind, "OpenAI-compatible", Address.parse(url).http(""), _advice(f"{kind}_url", instead), ask)


def kyutai_probe(kind: ServiceKind, url: str, http: Session, instead: str) -> Probe:
    """A server of Kyutai's, by its `/api/build_info`: this takes no place from a conversation, as a WebSocket would.

    A proxy may pass the WebSocket only: then any answer counts.
    """
    where = Address.parse(url).http("/api/build_info")

    async def ask() -> str:
        try:
            async with http().get(where, proxy=proxy_for(where)) as response:
                if response.status >= 500:
                    raise ConnectionError(f"answers with {response.status} at /api/build_info")
                told = "" if response.status == 200 else f": it answers, without /api/build_info ({response.status})"
                return f"ready{told}"
        except aiohttp.ClientConnectorError as error:
            raise ConnectionError(f"cannot be reached: {reason(error)}") from error

    return Probe(kind, "Kyutai", Address.parse(url).http(""), _advice(f"{kind}_url", instead), ask)


def _advice(setting: str, instead: str) -> str:
    alternative = f", or unset it to use {instead}, which is embedded" if instead else ", or unset it"
    return f"start the service, or correct {setting}{alternative}"
