"""Settings of a server: every size, limit and deadline."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from voicepipe.engine.settings import EngineSettings

__all__ = ["AppSettings", "ServerSettings"]


def _written(key: SecretStr) -> SecretStr:
    """Check a key. An empty one would accept clients without a key; one with a space or a comma cannot be sent. Raises
    ValueError."""
    text = key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text or "," in text:
        raise ValueError("an API key is one word of printable ASCII characters, without commas")
    return key


def _origin(text: str) -> str:
    """An origin as browsers send it (`null` for a file), or `*` for all. Raises ValueError."""
    if text not in ("*", "null") and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s,]+", text):
        raise ValueError("an origin is a scheme and a host, such as https://voice.example, or * for all")
    return text


def _header(name: str) -> str:
    """The name of a header in lower case. Raises ValueError for one that may hold a key, and for what is no name."""
    lower = name.strip().lower()
    if not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", lower):
        raise ValueError("a header's name is one word, such as accept-language")
    if lower in _SECRET_HEADERS:
        raise ValueError("this header holds keys, which no pipeline sees; the name of a key is session.client.name")
    return lower


def _host(text: str) -> str:
    """Raise ValueError for nothing, which would be every address of the machine."""
    if not text.strip():
        raise ValueError("name an address; 0.0.0.0 stands for all that this machine has")
    return text


def _ip_address(text: str) -> str:
    """Raise ValueError for anything else."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("must be an IP address; 0.0.0.0 stands for all that this machine has") from None


def _redis(text: str) -> str:
    """Raise ValueError for a URL that redis-py does not take."""
    if not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("an address of Redis looks like redis://localhost:6379")
    return text


def _web(text: str) -> str:
    """Raise ValueError for what is not the URL of a page."""
    if not re.match(r"https?://[^/\s]+", text):
        raise ValueError("must be a URL that begins with http:// or https://")
    return text


def _folder(path: Path) -> Path:
    """Raise ValueError for a file; a folder need not be there yet."""
    if path.exists() and not path.is_dir():
        raise ValueError("this is a file, and must be a folder")
    return path


_SECRET_HEADERS = frozenset({"api-key", "authorization", "cookie", "proxy-authorization", "sec-websocket-protocol"})


def _network(text: str) -> str:
    """Raise ValueError for what is neither an address nor a network."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("an address, or a network such as 10.0.0.0/8") from None


def _ice(url: str) -> str:
    """Raise ValueError for what is no address of a STUN or TURN server."""
    if not re.fullmatch(r"(stun|turns?):[^\s@]+", url):
        raise ValueError("the address of an ICE server looks like stun:stun.example:3478 or turn:turn.example:3478")
    return url


IceServer: TypeAlias = Annotated[str, AfterValidator(_ice)]
Network: TypeAlias = Annotated[str, AfterValidator(_network)]
Folder: TypeAlias = Annotated[Path, AfterValidator(_folder)]
Origin: TypeAlias = Annotated[str, AfterValidator(_origin)]
ApiKey: TypeAlias = Annotated[SecretStr, AfterValidator(_written)]
Header: TypeAlias = Annotated[str, AfterValidator(_header)]


class ServerSettings(BaseModel):
    """Units stand in the names. Times allow for a bad line, and hold no slot for the dead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """The address to listen at: 0.0.0.0 for the whole network."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """0: any free one."""
    cors_origins: tuple[Origin, ...] = ("http://localhost:3000", "http://127.0.0.1:3000")
    """Origins of pages that may read answers and talk; the server's own pages always may."""
    api_keys: tuple[ApiKey, ...] = ()
    """API keys: one is required for everything that costs. Without any, every client is accepted."""
    named_api_keys: dict[str, ApiKey] = Field(default={})
    """More API keys, each under the name that a pipeline sees (`session.client.name`)."""
    client_headers: tuple[Header, ...] = ("accept-language", "origin", "user-agent")
    """Headers of a client's handshake that a pipeline sees (`session.client.headers`), in lower case."""
    client_secrets_kept: int = Field(default=1_000, ge=1)
    """Ephemeral keys (`/v1/realtime/client_secrets`) that may be valid at once; of more, the oldest is void."""
    max_sessions_per_key: int | None = Field(default=None, ge=1)
    """None: as many as there is room for."""
    session_limit_s: float | None = Field(default=None, gt=0)
    """How long a session may last: it ends after the reply that is then being spoken. None: as long as it likes."""
    greeting_after_s: float = Field(default=1, gt=0)
    """A client that may be Unmute's frontend, which speaks first, is greeted as GA after this silence."""

    max_sessions: int | None = Field(default=None, ge=1)
    """Fewer than the engine could carry; None: as many as it says."""
    max_sessions_per_address: int | None = Field(default=8, ge=1)
    """Of clients at one address, of IPv6 in one /64. None: as many as there is room for. Clients of `trusted_proxies`
    are not counted."""
    trusted_proxies: tuple[Network, ...] = (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
    )
    """Addresses, or networks, of proxies: the last address of their `X-Forwarded-For` that is not among these is the
    client's. Without such a header it is not known, and not counted. This machine and private networks, unless set."""
    retry_after_s: int = Field(default=10, ge=1)
    """When a client that found the server full may try again."""

    max_message_bytes: int = Field(default=1_000_000, ge=1_000)
    """Of one WebSocket message: a minute of Opus; a longer one closes the connection with 1009."""
    max_messages_per_s: float = Field(default=2_000, gt=0)
    """Of one client; sound in pieces of 20 ms is 50, and a recording of them at ten times its speed 500. One that sends
    faster is heard no faster, and told so."""
    message_burst: int = Field(default=10_000, ge=1)
    """How many more may come at once."""
    message_unit_bytes: int = Field(default=4_096, ge=1)
    """A message counts once, and once more for each so many bytes: reading 4 KiB of JSON takes as long as reading four
    small messages."""
    message_overrun_s: float = Field(default=10, ge=0)
    """How long a client may go on sending too fast; then its session ends with 1008."""
    ingress_lead_ms: float = Field(default=500, ge=0)
    """How far a client's sound may be ahead of real time and come in at once: what a bad line has held up."""
    ingress_speed: float = Field(default=10, ge=1)
    """How many times faster than real time sound may come in that is further ahead, a recording; it does so as far as
    the recogniser keeps up."""
    ingress_waits_bytes: int = Field(default=8_000_000, ge=0)
    """The most bytes of messages that wait: two minutes of PCM16. Beyond it the socket is not read."""
    ingress_message_ms: float = Field(default=5, ge=0)
    """What each message with sound counts at least: 200 a second are live."""
    idle_timeout_s: float = Field(default=300, gt=0)
    """A client that sends nothing for this time is disconnected."""
    unused_timeout_s: float = Field(default=60, gt=0)
    """A client that has sent no settings, no sound and nothing else that has an effect by this time is disconnected."""

    session_cpu_share: float = Field(default=0.25, gt=0)
    """What one session's messages may take of the event loop's core: one with sound through Opus takes 0.024, and a
    recording at ten times its speed ten times that. What a client sends beyond it waits; at 1
    nothing does."""
    session_cpu_burst_s: float = Field(default=0.1, ge=0)
    """Seconds of work that a session may do at once; other sessions have their turn every 2 ms of it."""

    heavy_sessions_cpu_share: float = Field(default=0.6, gt=0)
    """What all sessions together may take that take more than 0.08 each; they work one after the other."""

    llm_history_tokens: int = Field(default=6_000, ge=100)
    """Of what a client writes into prompts: of instructions, functions and system messages together, and of one message
    (estimated)."""
    max_tools: int = Field(default=128, ge=0)
    """Functions of one session, or of one response; 128 at the most, as with OpenAI."""
    max_responses_per_minute: int = Field(default=120, ge=1)
    """Responses that a client asks for, 20 of them at once; what its user says is answered besides."""

    audio_capacity_ms: float = Field(default=2_000, gt=0)
    """Sound that may wait for a slow client; then the oldest is dropped."""
    control_capacity_bytes: int = Field(default=4_000_000, ge=10_000)
    """All other messages that may wait for a slow client; then the session ends with 1008."""
    write_deadline_s: float = Field(default=5, gt=0)
    """How long one message may take to leave; then the client is gone."""
    send_buffer_bytes: int = Field(default=32_768, ge=4_096)
    """What the kernel, and the transport before it, hold for one client: left alone they hold minutes of sound."""
    receive_buffer_bytes: int = Field(default=65_536, ge=4_096)
    """What the kernel holds of what a client has sent and we have not read: its pings and its goodbye are behind it."""
    heartbeat_s: float = Field(default=20, gt=0)
    """Between pings; a client that has not answered after half of it is gone."""
    close_timeout_s: float = Field(default=2, gt=0)
    """How long a client may take to answer our close."""

    session_resume_s: float = Field(default=20, ge=0)
    """How long a session waits for a client whose network has broken, if the client has asked for that
    (`?resumable=true`). It counts as a session meanwhile. 0: none waits."""
    session_resume_bytes: int = Field(default=256_000, ge=10_000)
    """Of the events that are held for such a client; one that has missed more begins another session."""
    sessions_waiting: int = Field(default=16, ge=1)
    """How many sessions may wait for their clients; of more, the one that was lost first ends."""

    # ---- WebRTC ------------------------------------------------------------------------------------------------------
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers of calls by WebRTC (`stun:host:port`, `turn:host:port`). None: clients must reach an
    address of this machine."""
    ice_username: str | None = None
    """Of the TURN servers."""
    ice_credential: SecretStr | None = None
    """Of the TURN servers."""
    call_host: Annotated[str, AfterValidator(_ip_address)] | None = None
    """The IP address at which calls receive sound, by UDP; None: that of `host`. Behind a proxy, which passes no UDP
    on: 0.0.0.0, or the address that clients reach."""
    call_setup_s: float = Field(default=15, gt=0)
    """How long the connection of a call may take to come about."""

    cleanup_grace_s: float = Field(default=2, gt=0)
    """How long a session's tasks may take to end."""
    shutdown_grace_s: float = Field(default=10, ge=0)
    """How long replies that are being spoken may go on when the server stops."""

    # ---- health ------------------------------------------------------------------------------------------------------
    health_limit_s: float = Field(default=3, gt=0)
    """How long the engine may take to say how it is: longer than each of its services may."""
    health_every_s: float = Field(default=0.5, ge=0)
    """A request within this time gets the cached answer."""
    admission_wait_s: float = Field(default=0.5, ge=0)
    """How long a new client waits for the engine's health. Then the last known health counts; if there is none, the
    client is admitted."""

    # ---- characters --------------------------------------------------------------------------------------------------
    characters_file: Path | None = None
    """Another `characters.yaml`; None: our own."""
    long_prompts: bool | None = None
    """A page of instructions; None: where the language model is a service, which is larger than the embedded one."""
    llm_url: str | None = None
    llm_model: str | None = None
    """Its name in the prompts; None: they do not name it."""

    # ---- voices ------------------------------------------------------------------------------------------------------
    tts_url: str | None = None
    """None: the embedded voice is the only one there is."""
    voices_file: Path | None = None
    """A YAML list of voices, as Unmute has one; None: our own."""
    voice_cloning_url: str | None = None
    voice_cloning_s: float = Field(default=20, gt=0)
    """How long the cloning of one voice may take."""
    voice_max_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    """Of a recording to clone."""
    voice_embedding_max_bytes: int = Field(default=8 * 1024 * 1024, ge=1)
    """Of what the cloning service makes of it."""
    voice_kept_s: int = Field(default=3_600, ge=1)
    """How long a cloned voice can be used."""
    voices_kept: int = Field(default=100, ge=1)
    """In memory: of more, the oldest goes. Redis has limits of its own."""
    redis_url: Annotated[str, AfterValidator(_redis)] | None = None
    """Where cloned voices are kept when several servers share them; None: in memory."""
    redis_timeout_s: float = Field(default=2, gt=0)
    """How long a request to Redis may take."""

    # ---- recordings --------------------------------------------------------------------------------------------------
    recordings_dir: Folder | None = None
    """The folder for recordings of conversations that allow it (`allow_recording`); None: none is recorded."""
    recording_waits_chars: int = Field(default=8_000_000, gt=0)
    """What may wait for a slow disk before a recording is given up."""

    # ---- sessions from inside ----------------------------------------------------------------------------------------
    session_events: bool = False
    """Whether a client may watch its session from inside: every event, with the texts of the models. It takes the
    session's id, which only its own client is told."""
    session_events_waiting: int = Field(default=2_000, ge=1)
    """How many events may wait for a slow watcher; more are dropped, and counted."""

    # ---- voice donation ----------------------------------------------------------------------------------------------
    donations_dir: Folder | None = None
    """None: voices are not collected."""
    donation_min_bytes: int = Field(default=100_000, ge=0)
    """A shorter recording cannot hold the sentences: two seconds of 24 kHz."""
    donation_max_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    """The largest recording that a donation may have."""
    consent_s: float = Field(default=300, gt=0)
    """How long one may take to read the sentences out and send the recording."""
    consents_open: int = Field(default=1_000, ge=1)
    """Of more, the oldest is void."""

    # ---- news --------------------------------------------------------------------------------------------------------
    newsapi_api_key: SecretStr | None = None
    """None: the newsreader has no news, and says so."""
    news_url: Annotated[str, AfterValidator(_web)] = "https://newsapi.org/v2/top-headlines"
    """Where the character that knows the news gets its headlines."""
    news_query: dict[str, str] = Field(default={"country": "us"})
    """The query of that address."""
    news_headlines: int = Field(default=8, ge=1, le=100)
    """In one prompt: a small model forgets the middle of a longer list."""
    news_timeout_s: float = Field(default=5, gt=0)
    """The time in which the source must answer."""
    news_every_s: float = Field(default=3_600, gt=0)
    """From one fetch to the next; the first is made when the server starts."""
    news_retry_s: float = Field(default=60, gt=0)
    """After a failure."""


class AppSettings(EngineSettings, ServerSettings):
    """The server's and the engine's settings in one, as an application needs them."""
