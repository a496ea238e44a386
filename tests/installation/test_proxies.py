"""The proxies of the environment."""

from __future__ import annotations

import pytest

from voicepipe.installation.proxies import proxy_for

PROXY, OTHER = "http://proxy.example:3128", "http://secure.example:3129"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own do not count."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.example/v1", None),
        ({"HTTP_PROXY": PROXY}, "http://llm.example/v1", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://llm.example/v1", None),
        ({"HTTPS_PROXY": OTHER, "HTTP_PROXY": PROXY}, "https://llm.example/v1", OTHER),
        ({"ALL_PROXY": PROXY}, "https://llm.example/v1", PROXY),
        ({"https_proxy": "proxy.example:3128"}, "https://llm.example/v1", PROXY),
        ({"HTTPS_PROXY": "http://me:secret@proxy.example"}, "https://a.example", "http://me:secret@proxy.example"),
        ({"HTTP_PROXY": PROXY}, "http://localhost:11434", None),
        ({"HTTP_PROXY": PROXY}, "http://127.0.0.1:8000/v1", None),
        ({"HTTP_PROXY": PROXY}, "http://[::1]:8000/v1", None),
        ({"HTTP_PROXY": PROXY}, "http://llm.localhost", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "llm.example"}, "http://llm.example:8000/v1", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": ".example,10.0.0.1"}, "http://llm.example/v1", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.1"}, "http://10.0.0.1/v1", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "llm.example:8000"}, "http://llm.example:8000/v1", None),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "llm.example:8000"}, "http://llm.example:9000/v1", PROXY),
        ({"HTTP_PROXY": PROXY, "NO_PROXY": "*"}, "http://llm.example/v1", None),
        ({"ALL_PROXY": "socks5://proxy.example"}, "http://llm.example/v1", None),
    ],
)
def test_which_proxy_is_used(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    """By the scheme, and none for this machine and for what `NO_PROXY` names."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy
