"""Settings of a server: every size, limit and deadline."""

# Without `from __future__ import annotations`, as pydantic would compile the text of each annotation in each subclass.

import ipaddress
import re
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from voicepipe.engine.settings import EngineSettings
from voicepipe.services.allowed_urls import is_plain

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
    return _with_port(text)


def _with_port(url: str) -> str:
    """Raise ValueError for a URL with an impossible host or port."""
    parts = urlsplit(url)
    try:
        _, _ = parts.port, (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise ValueError("its host has a name that no host can have") from None
    return url


def _web(text: str) -> str:
    """Raise ValueError for what is not the URL of a page."""
    if not re.match(r"https?://[^/\s]+", text):
        raise ValueError("must be a URL that begins with http:// or https://")
    return _with_port(text)


def _tool_server(text: str) -> str:
    """Raise ValueError for what cannot be the address of MCP servers."""
    if not is_plain(text):
        raise ValueError("an address looks like https://mcp.example, or https://mcp.example/docs: no user, ?, # or ..")
    return text


def _folder(path: Path) -> Path:
    """Raise ValueError for a file; a folder need not be there yet."""
    try:
        is_file = path.exists() and not path.is_dir()
    except PermissionError:
        return path  # another user may run the server; `voicepipe doctor` tells
    except OSError as error:
        raise ValueError(f"this can be no folder: {error.strerror}") from None
    if is_file:
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
ToolServerUrl: TypeAlias = Annotated[str, AfterValidator(_tool_server)]
Origin: TypeAlias = Annotated[str, AfterValidator(_origin)]
ApiKey: TypeAlias = Annotated[SecretStr, AfterValidator(_written)]
Header: TypeAlias = Annotated[str, AfterValidator(_header)]


class ServerSettings(BaseModel):
    """Units stand in the names. Time limits allow for a slow network, and free the slots of lost clients."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """The address to listen at: 0.0.0.0 for the whole network."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """The TCP port to listen at. 0: any free port."""
    cors_origins: tuple[Origin, ...] = ("http://localhost:3000", "http://127.0.0.1:3000")
    """Origins of pages that may read answers and talk; the server's own pages always may."""
    api_keys: tuple[ApiKey, ...] = ()
    """API keys: one is required for everything that costs. Without any, every client is accepted."""
    named_api_keys: dict[str, ApiKey] = Field(default={})
    """More API keys, each under the name that a pipeline sees (`session.client.name`)."""
    client_headers: tuple[Header, ...] = ("accept-language", "origin", "user-agent")
    """Headers of a client's handshake that a pipeline sees (`session.client.headers`), in lower case."""
    mcp_allowed_urls: tuple[ToolServerUrl, ...] = ()
    """Addresses of MCP servers that clients may name as `tools` of the type `mcp`, each with all paths below it; a
    server's host is asked from here, with the client's headers. None, unless set. Needs the extra `mcp`."""
    mcp_approval_s: float = Field(default=60, gt=0)
    """The time in seconds that a call of an MCP tool waits for the client's approval, where the client wants to be
    asked; then the model reads that there was none."""
    client_secrets_kept: int = Field(default=1_000, ge=1)
    """Ephemeral keys (`/v1/realtime/client_secrets`) that may be valid at once; of more, the oldest is void."""
    max_sessions_per_key: int | None = Field(default=None, ge=1)
    """The number of sessions that clients with one API key may have at once. None: as many as the server has room
    for."""
    session_limit_s: float | None = Field(default=None, gt=0)
    """The longest duration of a session, in seconds: it ends after the reply that is then being spoken. None: no
    limit."""
    greeting_after_s: float = Field(default=1, gt=0)
    """A client that may be Unmute's frontend, which speaks first, is greeted as GA after this silence."""

    max_sessions: int | None = Field(default=None, ge=1)
    """The number of sessions at once of all workers, if that is fewer than they can carry. None: their own number."""
    max_sessions_per_address: int | None = Field(default=8, ge=1)
    """The number of sessions at once of clients at one IP address, of IPv6 in one /64. None: as many as the server has
    room for. Clients of `trusted_proxies` are not counted."""
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
    """The time in seconds after which a client that found the server full may try again (`Retry-After`)."""

    max_message_bytes: int = Field(default=1_000_000, ge=1_000)
    """The largest WebSocket message, in bytes: a minute of Opus. A longer one closes the connection with 1009."""
    max_messages_per_s: float = Field(default=2_000, gt=0)
    """The number of messages that one client may send per second; sound in pieces of 20 ms is 50, and a recording of
    them at ten times its speed 500. A client that sends faster is read at this rate, and is told so."""
    message_burst: int = Field(default=10_000, ge=1)
    """The number of messages that one client may send at once in excess of `max_messages_per_s`."""
    message_unit_bytes: int = Field(default=4_096, ge=1)
    """A message counts once, and once more for each so many bytes: reading 4 KiB of JSON takes as long as reading four
    small messages."""
    message_overrun_s: float = Field(default=10, ge=0)
    """The time, in seconds, for which a client may go on sending too fast after it was told; then its session ends with
    1008."""
    ingress_lead_ms: float = Field(default=500, ge=0)
    """The milliseconds by which a client's sound may be ahead of real time and is still processed at once: sound that a
    slow network has delayed."""
    ingress_speed: float = Field(default=10, ge=1)
    """The largest multiple of real time at which sound is processed that is further ahead, such as a recording; it is
    slower where the recogniser does not keep up."""
    ingress_waits_bytes: int = Field(default=8_000_000, ge=0)
    """The bytes of messages that may wait, at most: two minutes of PCM16. Beyond it the socket is not read."""
    ingress_message_ms: float = Field(default=5, ge=0)
    """The least duration, in milliseconds, that each message with sound counts for: 200 such messages a second count as
    real time."""
    idle_timeout_s: float = Field(default=300, gt=0)
    """A client that sends nothing for this time is disconnected."""
    unused_timeout_s: float = Field(default=60, gt=0)
    """A client that has sent no settings, no sound and nothing else that has an effect by this time is disconnected."""

    session_cpu_share: float = Field(default=0.25, gt=0)
    """The share of the event loop's core that one session's messages may take, where 1 is the whole core: a session
    with sound through Opus takes 0.024, and a recording at ten times its speed ten times that. Messages beyond the
    share wait; at 1 none does."""
    session_cpu_burst_s: float = Field(default=0.1, ge=0)
    """The CPU time, in seconds, that a session may use at once before its messages wait; other sessions have their turn
    every 2 ms of it."""

    heavy_sessions_cpu_share: float = Field(default=0.6, gt=0)
    """The share of the event loop's core that all sessions together may take that take more than 0.08 each; their work
    runs one session after the other."""

    llm_history_tokens: int = Field(default=6_000, ge=100)
    """The number of tokens (estimated) that a client may write into prompts: of instructions, functions and system
    messages together, and of one message."""
    max_tools: int = Field(default=128, ge=0)
    """The number of functions of one session, or of one response; 128 as with OpenAI."""
    max_responses_per_minute: int = Field(default=120, ge=1)
    """The number of responses that a client may request per minute, 20 of them at once; answers to what the user says
    are not counted."""

    audio_capacity_ms: float = Field(default=2_000, gt=0)
    """The milliseconds of sound that may wait for a slow client; beyond it the oldest sound is dropped."""
    control_capacity_bytes: int = Field(default=4_000_000, ge=10_000)
    """The bytes of all other messages that may wait for a slow client; beyond it the session ends with 1008."""
    write_deadline_s: float = Field(default=5, gt=0)
    """The time, in seconds, that sending one message may take; then the connection counts as lost."""
    send_buffer_bytes: int = Field(default=32_768, ge=4_096)
    """The bytes of output that the kernel and the transport before it each hold for one client. With the system's own
    sizes they hold minutes of sound."""
    receive_buffer_bytes: int = Field(default=65_536, ge=4_096)
    """The bytes that the kernel holds of input that the server has not read yet: a client's pings and its close frame
    are behind them."""
    heartbeat_s: float = Field(default=20, gt=0)
    """The time between two pings, in seconds; a client that has not answered after half of it counts as lost."""
    close_timeout_s: float = Field(default=2, gt=0)
    """The time, in seconds, in which a client must answer the server's close frame."""

    hung_worker_s: float = Field(default=10, gt=0)
    """The time, in seconds, after which a worker that does not answer the supervisor is killed and replaced; after half
    of it new clients go to other workers. A block of the event loop that long has ended its conversations anyway."""

    session_resume_s: float = Field(default=20, ge=0)
    """The time, in seconds, for which a session waits for a client whose network has failed, if the client has asked
    for that (`?resumable=true`). It counts as a session meanwhile. 0: none waits."""
    session_resume_bytes: int = Field(default=256_000, ge=10_000)
    """The bytes of events that are held for such a client; a client that has missed more begins another session."""
    sessions_waiting: int = Field(default=16, ge=1)
    """The number of sessions that may wait for their clients; if there are more, the one that has waited longest
    ends."""

    # ---- WebRTC ------------------------------------------------------------------------------------------------------
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers of calls by WebRTC (`stun:host:port`, `turn:host:port`). None: clients must reach an
    address of this machine."""
    ice_username: str | None = None
    """The user name for the TURN servers. None: they are used without one."""
    ice_credential: SecretStr | None = None
    """The password for the TURN servers. None: they are used without one."""
    call_host: Annotated[str, AfterValidator(_ip_address)] | None = None
    """The IP address at which calls receive sound, by UDP; None: that of `host`. Behind a proxy, which passes no UDP
    on: 0.0.0.0, or the address that clients reach."""
    call_setup_s: float = Field(default=15, gt=0)
    """The time, in seconds, that setting up the connection of a call may take."""

    cleanup_grace_s: float = Field(default=2, gt=0)
    """The time, in seconds, in which a session's tasks must end after the session has ended."""
    shutdown_grace_s: float = Field(default=10, ge=0)
    """The time, in seconds, for which replies that are being spoken may go on when the server stops. 0: they are cut at
    once."""

    # ---- health ------------------------------------------------------------------------------------------------------
    health_limit_s: float = Field(default=3, gt=0)
    """The time, in seconds, in which the engine must report its health: longer than `health_timeout_s`, the limit of
    each service."""
    health_every_s: float = Field(default=0.5, ge=0)
    """The time, in seconds, for which a health report is cached: requests within it get the same report. 0: no
    caching."""
    admission_wait_s: float = Field(default=0.5, ge=0)
    """The time, in seconds, for which a new client waits for the engine's health. Then the last known health counts; if
    there is none, the client is admitted. 0: it does not wait."""

    # ---- characters --------------------------------------------------------------------------------------------------
    characters_file: Path | None = None
    """Another `characters.yaml`; None: our own."""
    long_prompts: bool | None = None
    """A page of instructions; None: where the language model is a service, which is larger than the embedded one."""
    llm_url: str | None = None
    llm_model: str | None = None
    """The name of the language model in the prompts; None: they do not name it."""

    # ---- voices ------------------------------------------------------------------------------------------------------
    tts_url: str | None = None
    """None: the embedded voice is the only one there is."""
    voices_file: Path | None = None
    """A YAML list of voices, as Unmute has one; None: our own."""
    voice_cloning_url: str | None = None
    voice_cloning_s: float = Field(default=20, gt=0)
    """The time, in seconds, that the cloning of one voice may take."""
    voice_max_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    """The largest recording to clone, in bytes."""
    voice_embedding_max_bytes: int = Field(default=8 * 1024 * 1024, ge=1)
    """The largest result of the cloning service, in bytes."""
    voice_kept_s: int = Field(default=3_600, ge=1)
    """The time, in seconds, for which a cloned voice can be used."""
    voices_kept: int = Field(default=100, ge=1)
    """The number of cloned voices in memory; if there are more, the oldest is deleted. Redis has limits of its own."""
    redis_url: Annotated[str, AfterValidator(_redis)] | None = None
    """The URL of the Redis server that keeps cloned voices and the consents of voice donations when several servers
    share them. None: they are kept in memory."""
    redis_timeout_s: float = Field(default=2, gt=0)
    """The time, in seconds, that a request to Redis may take."""

    # ---- recordings --------------------------------------------------------------------------------------------------
    recordings_dir: Folder | None = None
    """The folder for recordings of conversations whose clients allow it (`allow_recording`); None: none is
    recorded."""
    recordings_user_sound: bool = False
    """True: recordings have the user's sound where the client allows that, too (`allow_sound_recording`); False: they
    have events and words, and the bot's sound."""
    recordings_kept_s: float | None = Field(default=2_592_000, gt=0)
    """The time, in seconds, after which a recording is deleted: 30 days. None: it is kept."""
    recordings_total_bytes: int | None = Field(default=10_000_000_000, ge=1_000_000)
    """The bytes of all recordings in the folder; beyond it the oldest are deleted. None: no limit."""
    recordings_prune_every_s: float = Field(default=600, gt=0)
    """The time, in seconds, between two looks for recordings to delete; the first is at the start."""
    recording_max_bytes: int = Field(default=200_000_000, ge=10_000)
    """The largest recording, in bytes: 30 minutes with sound; beyond it the recording ends, and the session goes
    on."""
    recording_waits_bytes: int = Field(default=8_000_000, ge=10_000)
    """The bytes that may wait for a slow disk; beyond it the recording ends, and the session goes on."""
    log_words: bool = False
    """True: the log has the words of users and of the bot. False: it has how many there were."""

    # ---- sessions from inside ----------------------------------------------------------------------------------------
    session_events: bool = False
    """Permission for a client to watch its session from inside: every event, with the texts of the models. It takes the
    session's id, which only its own client is told."""
    session_events_waiting: int = Field(default=2_000, ge=1)
    """The number of events that may wait for a slow watcher; more are dropped, and counted."""

    # ---- traces ------------------------------------------------------------------------------------------------------
    otel_url: Annotated[str, AfterValidator(_web)] | None = None
    """The address of an OpenTelemetry collector, OTLP over HTTP, such as http://localhost:4318: it gets a trace of each
    reply. None: there are none. Needs the extra `otel`."""
    otel_words: bool = False
    """Permission to write into traces what users and the bot say."""

    # ---- voice donation ----------------------------------------------------------------------------------------------
    donations_dir: Folder | None = None
    """The folder for donated voices. None: voices are not collected."""
    donation_min_bytes: int = Field(default=100_000, ge=0)
    """The smallest recording of a donation, in bytes: two seconds at 24 kHz. A shorter one cannot hold the
    sentences."""
    donation_max_bytes: int = Field(default=4 * 1024 * 1024, ge=1)
    """The largest recording of a donation, in bytes."""
    consent_s: float = Field(default=300, gt=0)
    """The time, in seconds, in which a donor must read the sentences out and send the recording."""
    consents_open: int = Field(default=1_000, ge=1)
    """The number of donations that may be open at once; if there are more, the oldest is void."""

    # ---- news --------------------------------------------------------------------------------------------------------
    newsapi_api_key: SecretStr | None = None
    """None: the newsreader has no news, and says so."""
    news_url: Annotated[str, AfterValidator(_web)] = "https://newsapi.org/v2/top-headlines"
    """The URL from which the character that knows the news gets its headlines."""
    news_query: dict[str, str] = Field(default={"country": "us"})
    """The query parameters of `news_url`."""
    news_headlines: int = Field(default=8, ge=1, le=100)
    """The number of headlines in one prompt: a small model forgets the middle of a longer list."""
    news_timeout_s: float = Field(default=5, gt=0)
    """The time, in seconds, in which the source must answer."""
    news_every_s: float = Field(default=3_600, gt=0)
    """The time, in seconds, from one fetch to the next; the first is made when the server starts."""
    news_retry_s: float = Field(default=60, gt=0)
    """The time, in seconds, from a failed fetch to the next."""


class AppSettings(EngineSettings, ServerSettings):
    """The server's and the engine's settings in one, as an application needs them."""
