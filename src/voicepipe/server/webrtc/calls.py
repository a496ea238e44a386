"""`/v1/realtime/calls`: a client makes a call with WebRTC, and hangs up."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
from aiohttp import hdrs, web

from voicepipe.installation.installation import install_command
from voicepipe.realtime import new_id
from voicepipe.realtime.parse import Rejected, parse_object
from voicepipe.server.admission import NewSession, Sessions
from voicepipe.server.http.errors import ErrorResponse, HttpError
from voicepipe.server.http.forms import read_body, read_form
from voicepipe.server.session.ending import End
from voicepipe.server.session.transport import Transport
from voicepipe.server.settings import ServerSettings

if TYPE_CHECKING:
    from voicepipe.server.webrtc.peer import PeerTransport

__all__ = ["Calls"]

log = structlog.get_logger()

_Talk: TypeAlias = Callable[[Transport], Awaitable[None]]

_MOST_SDP_BYTES, _MOST_SESSION_BYTES = 100_000, 200_000


@dataclass(slots=True)
class _Call:
    transport: PeerTransport
    key: bytes
    task: asyncio.Task[None] | None = None
    is_on: bool = False


class Calls:
    """The calls of one server. Without the extra `webrtc`, each route answers 501 and says what to install."""

    def __init__(self, sessions: Sessions, settings: ServerSettings) -> None:
        self._sessions, self._settings = sessions, settings
        self._calls: dict[str, _Call] = {}

    async def create(self, request: web.Request) -> web.Response:
        """Answer an SDP offer: 201 with the SDP, and the call's address in `Location`.

        The body is the offer (`application/sdp`), or a form of `sdp` and, if the client wants, `session`. The session
        begins when the connection is there.
        """
        try:
            return await self._create(request)
        except HttpError as refused:
            self._sessions.note_refusal(request, refused.refusal)
            raise

    async def _create(self, request: web.Request) -> web.Response:
        if refusal := self._sessions.refusal(request):
            raise HttpError(refusal)
        make = await asyncio.to_thread(_peer_transport)  # the first import takes half a second
        offer, session = await self._offer(request)
        with ExitStack() as held:
            talk = await self._talk(request, session, held)
            transport = make(self._settings, tells_end=bool({"resumable", "session_id"} & set(request.query)))
            answer = await _answer(transport, offer)
            call_id = f"rtc_{secrets.token_hex(16)}"
            held.enter_context(self._sessions.cluster.found_by(call_id))
            call = self._calls[call_id] = _Call(transport, self._sessions.identity(request))
            running = self._run(call_id, call, request, talk, held.pop_all())
            call.task = asyncio.create_task(running, name=f"{call_id} call")
        location = f"{request.path}/{call_id}"
        headers = {hdrs.LOCATION: location, hdrs.CONTENT_TYPE: "application/sdp"}
        return web.Response(status=201, text=answer, headers=headers)

    async def hang_up(self, request: web.Request) -> web.Response:
        """End a call, with the key that made it. 404 for an unknown id, or another key."""
        if refusal := self._sessions.refusal(request):
            raise HttpError(refusal)
        call = self._calls.get(request.match_info["id"])
        if call is None or not hmac.compare_digest(call.key, self._sessions.identity(request)):
            raise HttpError(ErrorResponse(404, "not_found", "There is no call of this id."))
        call.transport.hang_up()
        if not call.is_on and call.task is not None:  # its slot is free when the client knows that it has hung up
            await asyncio.wait([call.task])
        return web.Response(status=200)

    async def stop(self) -> None:
        """End the calls that are not connected yet."""
        for call in [*self._calls.values()]:
            if not call.is_on:
                call.transport.abort()

    async def _offer(self, request: web.Request) -> tuple[str, Mapping[str, Any]]:
        """Return the offer, and the settings that the session begins with. Raises `HttpError`."""
        given: dict[str, Any] = {}
        if request.content_type == "multipart/form-data":
            fields = {"sdp": _MOST_SDP_BYTES, "session": _MOST_SESSION_BYTES}
            form = await read_form(request, fields, optional=("session",))
            offer = form["sdp"]
            given = _session(form.get("session") or b"{}")
        else:
            offer = await read_body(request, "application/sdp", _MOST_SDP_BYTES)
        try:
            return offer.decode(errors="replace"), self._sessions.settings_of(request, given)
        except Rejected as rejected:
            raise HttpError(ErrorResponse(400, "invalid_value", rejected.why.message, rejected.why.param)) from None

    async def _talk(self, request: web.Request, session: Mapping[str, Any], held: ExitStack) -> _Talk:
        """Return the session that runs on the call: a new one, with its slot in `held`, or the one that is resumed."""
        if "session_id" in request.query:
            line = self._sessions.lost(request, rtp=True)
            return lambda transport: self._sessions.resume(line, transport, request)
        name = await self._sessions.admit(request, held, model=str(session.get("model") or ""))
        new = NewSession(new_id("sess"), "ga", name, session=session, rtp=True)
        return lambda transport: self._sessions.run(transport, request, new)

    async def _run(self, call_id: str, call: _Call, request: web.Request, talk: _Talk, held: ExitStack) -> None:
        """Run the session of a call when its connection is there, and forget the call."""
        with held:
            try:
                async with asyncio.timeout(self._settings.call_setup_s):
                    await call.transport.opened()
                call.is_on = True
                await talk(call.transport)
            except (TimeoutError, ConnectionError):
                log.info("call.not_connected", remote=request.remote, waited_s=self._settings.call_setup_s)
                await call.transport.close_with_reason(End.force("").code, "no connection came about")
            except Exception:
                log.exception("session.failed", remote=request.remote)
                with suppress(Exception):
                    await call.transport.close_with_reason(1011, "internal error")
            finally:
                del self._calls[call_id]


async def _answer(transport: PeerTransport, offer: str) -> str:
    from voicepipe.server.webrtc.peer import BadOffer

    try:
        return await transport.answer(offer)
    except BadOffer as error:
        raise HttpError(ErrorResponse(400, "invalid_value", f"sdp: {error}", "sdp")) from error
    except ConnectionError as error:
        what = f"The call cannot be set up at the moment: {error}. Its operator can check the setting ice_servers."
        raise HttpError(ErrorResponse(503, "unavailable", what)) from error


def _session(data: bytes) -> dict[str, Any]:
    try:
        return parse_object(data.decode(errors="replace"))
    except Rejected as rejected:
        raise HttpError(ErrorResponse(400, "invalid_value", f"session: {rejected.why.message}", "session")) from None


def _peer_transport() -> type[PeerTransport]:
    try:
        from voicepipe.server.webrtc.peer import PeerTransport
    except ImportError:
        what = f"This server has no WebRTC: its operator can install it with {install_command('webrtc')}."
        raise HttpError(ErrorResponse(501, "not_offered", what)) from None
    return PeerTransport
