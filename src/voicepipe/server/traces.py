"""The traces of a server's replies: their collector, and how a session's spans name things."""

from __future__ import annotations

import asyncio
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicepipe.engine.settings import names_gguf
from voicepipe.installation.installation import install_command
from voicepipe.metrics.trace import TracedModel, TurnTracer
from voicepipe.server.settings import ServerSettings
from voicepipe.services.address import Address

if TYPE_CHECKING:
    from voicepipe.metrics.otlp import Traces

__all__ = ["SessionTraces", "traced_model"]

_EMBEDDED = TracedModel("voicepipe", "SmolLM2-135M")
# Values of `gen_ai.provider.name` for hosts; others have OpenAI's API.
_PROVIDERS: Final = {
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
}


class SessionTraces:
    """Makes the tracer of each session; without `otel_url` it traces nothing.

    Args:
        settings: Those of the server.

    Raises:
        ModuleNotFoundError: `otel_url` is set, and the extra `otel` is not installed.
    """

    def __init__(self, settings: ServerSettings) -> None:
        if settings.otel_url and find_spec("opentelemetry.exporter") is None:
            message = f"otel_url needs more packages: {install_command('otel')}"
            raise ModuleNotFoundError(message, name="opentelemetry")
        self._words, self._model, self._ahead_s = settings.otel_words, traced_model(settings), 0.0
        self._traces: Traces | None = None
        if settings.otel_url is not None:
            from voicepipe.metrics.otlp import Traces

            self._traces = Traces(settings.otel_url, lambda at_s: at_s + self._ahead_s)

    def tracer(self, session_id: str, agent: str) -> TurnTracer | None:
        """Return the tracer of a session; None where nothing is traced.

        Args:
            session_id: Its id.
            agent: The name of its pipeline.
        """
        if self._traces is None:
            return None
        clock = asyncio.get_running_loop().time
        self._ahead_s = time.time() - clock()
        return TurnTracer(session_id, agent or "default", self._model, clock, self._traces.record, words=self._words)

    async def close(self) -> None:
        """Send what waits; a collector that does not answer is waited for for some seconds."""
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)


def traced_model(settings: ServerSettings) -> TracedModel:
    """Return the language model of the settings.

    >>> traced_model(ServerSettings(llm_url="http://localhost:8091", llm_model="gemma"))
    TracedModel(provider='openai', name='gemma', host='localhost', port=8091)
    """
    place = settings.llm_url
    if place is None:
        return _EMBEDDED
    if names_gguf(place):
        return TracedModel("voicepipe", Path(place).stem)
    address = Address.parse(place)
    provider = _PROVIDERS.get(address.host, "openai")
    return TracedModel(provider, settings.llm_model or "", address.host, address.port)
