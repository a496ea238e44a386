"""The address of a service, from one URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

__all__ = ["Address", "BadAddress", "Instance"]

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE = ("https", "wss")


class BadAddress(ValueError):
    """A text is not the address of a service; the message shows an example."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One machine of a service: an IP address from a resolver, and a port.

    >>> str(Instance("10.0.0.7", 8089)), str(Instance("::1", 8089))
    ('10.0.0.7:8089', '[::1]:8089')
    """

    host: str
    port: int
    lease: str = field(default="", repr=False, compare=False)
    """The token of a lease, which stands in place of the service's key; empty: there is no lease."""
    certificate: str = field(default="", repr=False, compare=False)
    """The SHA-256 of the certificate that a leased replica shows, in hexadecimal digits; empty: it has no TLS."""

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """The host of a service, which may have many instances, and the scheme.

    `path` is the prefix that a proxy puts before the paths of the service: "" or "/asr", without a slash at its end.
    """

    host: str
    port: int
    secure: bool
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """Parse an http, https, ws or wss URL, with a port or without. Raises BadAddress.

        >>> Address.parse("http://stt.local:8090/")
        Address(host='stt.local', port=8090, secure=False, path='')
        >>> Address.parse("wss://voices.example/tts").websocket("/api/tts_streaming", {"voice": "a/b.wav"})
        'wss://voices.example:443/tts/api/tts_streaming?voice=a%2Fb.wav'
        """
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as error:
            raise BadAddress(f"{url!r} is not an address: {error}") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise BadAddress(
                f"{url!r} is not the address of a service, such as http://localhost:8091 or ws://localhost:8090"
            )
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme in _SECURE, parts.path.rstrip("/"))

    def websocket(self, path: str, query: Mapping[str, str] | None = None, *, at: Instance | None = None) -> str:
        """Return the `ws://` or `wss://` URL of a path of this service; `at` is one of its instances."""
        return f"{'wss' if self.secure else 'ws'}{self._rest(path, query, at)}"

    def http(self, path: str, query: Mapping[str, str] | None = None, *, at: Instance | None = None) -> str:
        """Return the same URL with `http://` or `https://`."""
        return f"{'https' if self.secure else 'http'}{self._rest(path, query, at)}"

    @property
    def authority(self) -> str:
        """The value of a `Host` header: it has the port only if that is not the scheme's default."""
        own = _PORTS["https" if self.secure else "http"]
        return _bracketed(self.host) if self.port == own else f"{_bracketed(self.host)}:{self.port}"

    def __str__(self) -> str:
        return self.websocket("")

    def _rest(self, path: str, query: Mapping[str, str] | None, at: Instance | None) -> str:
        asked = f"?{urlencode(query)}" if query else ""
        return f"://{at or Instance(self.host, self.port)}{self.path}{path}{asked}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
