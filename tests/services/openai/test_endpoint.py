"""The addresses that providers publish, and what is asked at each."""

from __future__ import annotations

import pytest

from voicepipe.services.address import BadAddress
from voicepipe.services.openai.endpoint import Endpoint
from voicepipe.services.openai.models import lists

AZURE = "https://me.openai.azure.com:443/openai/deployments/gpt-4o"
PUBLISHED = {
    "http://localhost:11434": "http://localhost:11434/v1",  # Ollama; a bare host stands for its /v1
    "http://localhost:11434/v1/": "http://localhost:11434/v1",
    "http://localhost:1234/api/v0": "http://localhost:1234/api/v0",  # LM Studio
    "http://localhost:8080/v1": "http://localhost:8080/v1",  # llama.cpp, vLLM
    "https://api.openai.com/v1": "https://api.openai.com:443/v1",
    "https://api.openai.com/v1/chat/completions": "https://api.openai.com:443/v1",  # a full endpoint, pasted
    "https://generativelanguage.googleapis.com/v1beta/openai/": (
        "https://generativelanguage.googleapis.com:443/v1beta/openai"
    ),
    "https://api.groq.com/openai/v1": "https://api.groq.com:443/openai/v1",
    "https://openrouter.ai/api/v1": "https://openrouter.ai:443/api/v1",
    "https://api.mistral.ai/v1": "https://api.mistral.ai:443/v1",
    "https://api.deepseek.com/v1": "https://api.deepseek.com:443/v1",
    "https://api.together.xyz/v1": "https://api.together.xyz:443/v1",
    "https://api.fireworks.ai/inference/v1": "https://api.fireworks.ai:443/inference/v1",
    "https://api.perplexity.ai/": "https://api.perplexity.ai:443",  # no /v1: the slash says so
    "https://me.openai.azure.com/openai/v1/": "https://me.openai.azure.com:443/openai/v1",
    "https://open.bigmodel.cn/api/paas/v4": "https://open.bigmodel.cn:443/api/paas/v4",  # Zhipu
    "https://ark.cn-beijing.volces.com/api/v3": "https://ark.cn-beijing.volces.com:443/api/v3",  # Volcengine
    "https://dashscope.aliyuncs.com/compatible-mode/v1": "https://dashscope.aliyuncs.com:443/compatible-mode/v1",
    "https://gateway.ai.cloudflare.com/v1/acc/gw/compat": "https://gateway.ai.cloudflare.com:443/v1/acc/gw/compat",
    "https://api.cloudflare.com/client/v4/accounts/x/ai/v1": (
        "https://api.cloudflare.com:443/client/v4/accounts/x/ai/v1"
    ),
    "https://api.x.ai/v1": "https://api.x.ai:443/v1",
    "https://api.cohere.ai/compatibility/v1": "https://api.cohere.ai:443/compatibility/v1",
    "https://integrate.api.nvidia.com/v1": "https://integrate.api.nvidia.com:443/v1",
    "https://models.github.ai/inference": "https://models.github.ai:443/inference",
    "https://router.huggingface.co/v1": "https://router.huggingface.co:443/v1",
    "https://api.moonshot.ai/v1": "https://api.moonshot.ai:443/v1",
}


@pytest.mark.parametrize("url", PUBLISHED)
def test_a_published_address_works_as_it_is(url: str) -> None:
    """The request goes to that address, with `/chat/completions` and `/models`."""
    endpoint = Endpoint.parse(url)
    assert (endpoint.chat, endpoint.models) == (f"{PUBLISHED[url]}/chat/completions", f"{PUBLISHED[url]}/models")
    assert Endpoint.parse(endpoint.chat).chat == endpoint.chat


def test_a_query_stays() -> None:
    """Azure's version of the API, behind the path."""
    endpoint = Endpoint.parse("https://me.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-10-21")
    assert endpoint.chat == f"{AZURE}/chat/completions?api-version=2024-10-21"
    assert Endpoint.parse(endpoint.chat) == endpoint


@pytest.mark.parametrize(
    ("url", "names"),
    [("https://api.openai.com/v1", ["Authorization"]),
     ("https://me.openai.azure.com/openai/v1/", ["Authorization", "api-key"]),
     ("https://proxy.example/openai/deployments/gpt", ["Authorization", "api-key"])],
)  # fmt: skip
def test_azure_has_a_header_of_its_own(url: str, names: list[str]) -> None:
    """Other services get no second copy of the key."""
    assert [*Endpoint.parse(url).key_headers("sk-1")] == names
    assert Endpoint.parse(url).key_headers(None) == {}


@pytest.mark.parametrize("url", ["", "localhost:11434", "ftp://x/v1", "https://"])
def test_what_is_no_address_is_told(url: str) -> None:
    """With an example."""
    with pytest.raises(BadAddress, match="such as http://"):
        Endpoint.parse(url)


@pytest.mark.parametrize(
    ("names", "model", "found"),
    [(["llama3.2:latest"], "llama3.2", True), (["models/gemini-2.0-flash"], "gemini-2.0-flash", True),
     (["gpt-4o"], "gpt-4o", True), (["gpt-4o-mini"], "gpt-4o", False), ([], "gpt-4o", False)],
)  # fmt: skip
def test_a_list_may_spell_a_model_otherwise(names: list[str], model: str, found: bool) -> None:
    """As Ollama and Gemini do."""
    assert lists(names, model) == found
