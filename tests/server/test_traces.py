"""The traces of a server: what its sessions' spans name, and what a missing package means."""

from __future__ import annotations

import sys

import pytest

from voicepipe.installation.installation import install_command
from voicepipe.metrics.trace import TracedModel
from voicepipe.server import ServerSettings
from voicepipe.server.traces import SessionTraces, traced_model


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (None, TracedModel("voicepipe", "SmolLM2-135M")),
        ("models/qwen.gguf", TracedModel("voicepipe", "qwen")),
        ("https://api.mistral.ai/v1", TracedModel("mistral_ai", "small", "api.mistral.ai", 443)),
        ("http://llm:8091", TracedModel("openai", "small", "llm", 8091)),
    ],
)
def test_spans_name_the_model_of_the_settings(url: str | None, model: TracedModel) -> None:
    assert traced_model(ServerSettings(llm_url=url, llm_model="small")) == model


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the server's start; without the setting nothing is missing."""
    monkeypatch.delitem(sys.modules, "voicepipe.metrics.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    SessionTraces(ServerSettings())
    with pytest.raises(ModuleNotFoundError) as raised:
        SessionTraces(ServerSettings(otel_url="http://localhost:4318"))
    assert install_command("otel") in str(raised.value)
