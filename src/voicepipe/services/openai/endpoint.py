"""The address that a provider publishes, and the URLs that are asked."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from voicepipe.services.address import Address

__all__ = ["Endpoint"]

_CHAT, _SPEECH, _TRANSCRIPTIONS = "/chat/completions", "/audio/speech", "/audio/transcriptions"
_AZURE = (".azure.com", ".azure.us", ".azure.cn")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service behind an OpenAI-compatible API.

    Args:
        base: its base URL, without a query and without a slash at its end
        query: the query of each request, such as `api-version=2024-10-21`
        azure: it takes the key in Azure's header
    """

    base: str
    query: str = ""
    azure: bool = False

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Return the endpoint of a published address, of a full one, or of a bare host, which stands for its `/v1`.

        Raises:
            BadAddress: It is no URL.

        >>> Endpoint.parse("http://localhost:11434").chat
        'http://localhost:11434/v1/chat/completions'
        >>> Endpoint.parse("https://api.example/v1beta/openai/").chat
        'https://api.example:443/v1beta/openai/chat/completions'
        >>> Endpoint.parse("https://x.openai.azure.com/openai/deployments/gpt?api-version=1").models
        'https://x.openai.azure.com:443/openai/deployments/gpt/models?api-version=1'
        """
        address, parts = Address.parse(url), urlsplit(url.strip())
        path = parts.path.rstrip("/")
        for asked in (_CHAT, _SPEECH, _TRANSCRIPTIONS):
            path = path.removesuffix(asked)
        base = urlunsplit(urlsplit(address.http(""))._replace(path=path if parts.path else "/v1"))
        azure = address.host.endswith(_AZURE) or "/openai/deployments/" in f"{path}/"
        return cls(base, parts.query, azure)

    @property
    def chat(self) -> str:
        """Return the URL of chat completions."""
        return self._url(_CHAT)

    @property
    def speech(self) -> str:
        """Return the URL of speech synthesis."""
        return self._url(_SPEECH)

    @property
    def transcriptions(self) -> str:
        """Return the URL of speech recognition."""
        return self._url(_TRANSCRIPTIONS)

    @property
    def models(self) -> str:
        """Return the URL of the list of models."""
        return self._url("/models")

    def key_headers(self, key: str | None) -> dict[str, str]:
        """Return the headers with the key."""
        if not key:
            return {}
        return {"Authorization": f"Bearer {key}", **({"api-key": key} if self.azure else {})}

    def _url(self, path: str) -> str:
        return f"{self.base}{path}?{self.query}" if self.query else f"{self.base}{path}"
