"""`Link`: how to reach one server of conversations, for a new session and for one that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from yarl import URL

from voicepipe.client import events
from voicepipe.client.socket import CannotConnect, ClientSocket, Message, open_socket, parsed, websocket_url

__all__ = ["ConversationLost", "Link", "next_event"]

# Servers that keep no session, and do not say that they take a parameter that they do not know.
_KEEP_NONE = (".openai.com", ".azure.com")
# The subprotocol that brings the token of a session.
_RESUME = "voicepipe-resume."


class ConversationLost(ConnectionError):
    """The conversation ended, and not because this side closed it. The message is a sentence for the user.

    `code` is the close code of the WebSocket, 1006 where there was no close frame.
    """

    def __init__(self, message: str, code: int = 1006) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Link:
    """The address of a server, and what it is told at the handshake.

    Args:
        url: The server's address, with or without the path `/v1/realtime`.
        key: The API key, sent as a bearer token, and never logged.
        model: The model that is asked for, `?model=`; "": the address says it, or the server decides.
        resumable: Whether the server is asked to keep the session when the connection breaks, `?resumable=true`.
        open_s: How long a handshake and its greeting may take, in seconds.
        headers: Headers of the client's own, at each handshake.
    """

    url: str
    key: str | None = field(repr=False)
    model: str
    resumable: bool
    open_s: float
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    async def begin(self, first: Iterable[Message]) -> tuple[ClientSocket, events.SessionCreated]:
        """Open a new session.

        Args:
            first: What the server is told before it greets: the settings.

        Raises:
            CannotConnect: There is no server, or it refuses.
        """
        address = URL(websocket_url(self.url))
        if self.model:
            address = address.update_query(model=self.model)
        if self.resumable and not (address.host or "").endswith(_KEEP_NONE):
            address = address.update_query(resumable="true")
        async with self._opened(address) as socket:
            for message in first:
                await socket.send(message)
            greeting = await self._greeted(socket)
            if not isinstance(greeting, events.SessionCreated):
                raise CannotConnect(f"the server at {self._shown} began with {greeting.type}, not session.created")
            return socket, greeting

    async def resume(self, session_id: str, last_event_id: str, token: str) -> ClientSocket:
        """Go on with a session of voicepipe's.

        Args:
            session_id: The session's id.
            last_event_id: The last event that has come.
            token: The secret of `session.created`.

        Raises:
            CannotConnect: There is no server, or it has no such session any more (`status` 404).
        """
        address = URL(websocket_url(self.url)).update_query(session_id=session_id, last_event_id=last_event_id)
        async with self._opened(address, "realtime", f"{_RESUME}{token}") as socket:
            greeting = await self._greeted(socket)
            if greeting.type != "session.resumed":
                raise CannotConnect(f"the server at {self._shown} did not resume the session", 404)
            return socket

    @property
    def _shown(self) -> str:
        """The address for messages, without its query."""
        return str(URL(websocket_url(self.url)).with_query(None))

    @asynccontextmanager
    async def _opened(self, address: URL, *protocols: str) -> AsyncGenerator[ClientSocket]:
        """Yield a socket, which is closed unless all goes well."""
        socket = await open_socket(
            str(address), key=self.key, timeout_s=self.open_s, protocols=protocols, headers=self.headers
        )
        try:
            async with asyncio.timeout(self.open_s):
                yield socket
        except TimeoutError:
            await socket.close()
            raise CannotConnect(f"the server at {self._shown} did not greet within {self.open_s:g} s") from None
        except ConversationLost as error:
            await socket.close()
            raise CannotConnect(f"the server at {self._shown} ended the conversation at once: {error}") from None
        except ConnectionResetError:
            await socket.close()
            raise CannotConnect(f"the server at {self._shown} closed the connection at once") from None
        except BaseException:
            await socket.close()
            raise

    async def _greeted(self, socket: ClientSocket) -> events.ServerEvent:
        event = await next_event(socket)
        if event is None:
            raise ConversationLost(socket.close_reason or f"close code {socket.close_code}", socket.close_code or 1006)
        if isinstance(event, events.ServerError):
            raise CannotConnect(f"the server at {self._shown} refuses: {event.error.message}")
        return event


async def next_event(socket: ClientSocket) -> events.ServerEvent | None:
    """Return the next event; None at the end of the connection. Raises ConversationLost for what is no event."""
    text = await socket.receive()
    if text is None:
        return None
    message = parsed(text)
    if message is None:
        raise ConversationLost(f"the server sent no event of the Realtime API: {text[:80]!r}")
    try:
        return events.read_event(message)
    except ValueError as error:
        raise ConversationLost(f"the server sent an invalid event, {error}") from None
