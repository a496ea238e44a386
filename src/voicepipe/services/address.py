"""Where a service is: one URL, however it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

__all__ = ["Address", "BadAddress", "Instance"]

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE = ("https", "wss")


class BadAddress(ValueError):
    """A text that is no address of a service; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One machine of a service: an IP address, as a resolver gave it, and a port.

    >>> str(Instance("10.0.0.7", 8089)), str(Instance("::1", 8089))
    ('10.0.0.7:8089', '[::1]:8089')
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """A service's host, which may have many instances, and how it is spoken to.

    `path` is what stands before the paths of the service, where a proxy has put it: "" or "/asr", without a slash at
    its end.
    """

    host: str
    port: int
    secure: bool
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """From http, https, ws or wss, with a port or without. Raises BadAddress.

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
        """The `ws://` or `wss://` URL of a path of this service; `at` one of its instances."""
        return f"{'wss' if self.secure else 'ws'}{self._rest(path, query, at)}"

    def http(self, path: str, query: Mapping[str, str] | None = None, *, at: Instance | None = None) -> str:
        """The same with `http://` or `https://`."""
        return f"{'https' if self.secure else 'http'}{self._rest(path, query, at)}"

    @property
    def authority(self) -> str:
        """What a `Host` header says: the port only where it is not the scheme's own."""
        own = _PORTS["https" if self.secure else "http"]
        return _bracketed(self.host) if self.port == own else f"{_bracketed(self.host)}:{self.port}"

    def __str__(self) -> str:
        return self.websocket("")

    def _rest(self, path: str, query: Mapping[str, str] | None, at: Instance | None) -> str:
        asked = f"?{urlencode(query)}" if query else ""
        return f"://{at or Instance(self.host, self.port)}{self.path}{path}{asked}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
