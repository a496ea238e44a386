"""What a server is told: every size, limit and deadline in one place."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ServerSettings"]


class ServerSettings(BaseModel):
    """Units stand in the names. Times allow for a bad line, and hold no slot for the dead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    """0: any free one."""
    cors_origins: tuple[str, ...] = ("http://localhost:3000", "http://127.0.0.1:3000")
    """Whose pages may read our answers."""

    max_sessions: int | None = Field(default=None, ge=1)
    """Fewer than the engine could carry; None: as many as it says."""
    retry_after_s: int = Field(default=10, ge=1)
    """When a client that found the server full may try again."""

    max_message_bytes: int = Field(default=1_000_000, ge=1_000)
    """Of one WebSocket message: a minute of Opus; a longer one closes the connection with 1009."""
    ingress_limit_ms: float = Field(default=15_000, gt=0)
    """How far a client may be ahead of real time: what an outage of so long leaves behind comes through."""
    ingress_message_ms: float = Field(default=5, ge=0)
    """What each message counts at least: 200 a second are live."""
    idle_timeout_s: float = Field(default=300, gt=0)
    """A client that sends nothing at all for so long is let go."""

    audio_capacity_ms: float = Field(default=2_000, gt=0)
    """Sound that may wait for a slow client; then the oldest is dropped."""
    write_deadline_s: float = Field(default=5, gt=0)
    """How long one message may take to leave; then the client is gone."""
    send_buffer_bytes: int = Field(default=32_768, ge=4_096)
    """What the kernel, and the transport before it, hold for one client: left alone they hold minutes of sound."""
    heartbeat_s: float = Field(default=20, gt=0)
    """Between pings; a client that has not answered after half of it is gone."""
    close_timeout_s: float = Field(default=2, gt=0)
    """How long a client may take to answer our close."""

    cleanup_grace_s: float = Field(default=2, gt=0)
    """How long a session's tasks may take to end."""
    shutdown_grace_s: float = Field(default=10, ge=0)
    """How long replies that are being spoken may go on when the server stops."""
