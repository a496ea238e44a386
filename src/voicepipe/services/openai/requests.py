"""Requests for sound and for text of sound: a stream each, requested again until it has begun, reported as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import aiohttp
import structlog

from voicepipe.services.errors import FailureReason, ServiceError
from voicepipe.services.observer import ServiceObserver
from voicepipe.services.openai.client import ApiClient, body_of
from voicepipe.services.openai.errors import ApiUnavailable, api_kind
from voicepipe.services.openai.retries import Patience, Retries

__all__ = ["ApiAnswer", "ApiDeadlines", "ApiRequests", "Body"]

T = TypeVar("T")

Body: TypeAlias = Callable[[str], Mapping[str, Any]]
"""Makes the body of a request, `json` or `data` of aiohttp, for the name of the model; called for each attempt."""

log = structlog.get_logger()

# After the last event, for the end of the body: 1 ms where it is read.
_LINGER_S = 0.1


@dataclass(frozen=True, slots=True)
class ApiDeadlines:
    """Bound the time of an answer.

    Args:
        connect_s: the time for TCP and TLS
        first_s: the time from the request to the first bytes of the answer, retries included
        next_s: the time from each bytes to the next ones, and to the end
    """

    connect_s: float
    first_s: float
    next_s: float


class ApiRequests:
    """The requests to one service, of all sessions.

    Args:
        service: Its name for people: "speech synthesis (TTS)".
        setting: The prefix of its settings: `tts`.
        http: Returns the process's one client session, on the running loop.
        url: The service's address, with or without `/v1`.
        model: The model's name; None is the only one that the service has.
        api_key: The key; None where the service wants none.
        deadlines: How long an answer may take.
        retries: How often one that has not begun is requested again.
        observer: Receives what happens: each answer is a session.
    """

    def __init__(
        self,
        service: str,
        setting: str,
        http: Callable[[], aiohttp.ClientSession],
        *,
        url: str,
        model: str | None,
        api_key: str | None,
        deadlines: ApiDeadlines,
        retries: Retries,
        observer: ServiceObserver,
    ) -> None:
        self.service, self.observer, self.deadlines = service, observer, deadlines
        self.kind, self._retries = api_kind(service, setting), retries
        self.client = ApiClient(
            self.kind,
            http,
            url=url,
            model=model,
            api_key=api_key,
            connect_s=deadlines.connect_s,
            answer_s=deadlines.first_s,
        )

    async def ask(self, url: str, body: Body, read: Callable[[ApiAnswer], Awaitable[T]]) -> T:
        """Return what `read` makes of the answer; it is closed if `read` raises.

        A service that fails, or breaks off before `read` has returned, is asked again. Cancelling drops the request.

        Args:
            url: One of `client.endpoint`.
            body: Makes the body.
            read: Reads the answer, as far as another attempt may take its place; `read` or its caller closes it.

        Raises:
            ApiError: It has failed, and what to do about it.
        """
        clock = asyncio.get_running_loop().time
        began_s, patience = clock(), Patience(self._retries)
        due_s = began_s + self.deadlines.first_s
        while True:
            asked_s = clock()
            try:
                taken = await self._attempt(url, body, due_s, read)
            except ApiUnavailable as error:
                pause_s = patience.pause_s(error.retry_after_s, error.why)
                if pause_s is None or clock() + pause_s >= due_s:
                    raise
                log.warning("service.asked_again", service=self.service, reason=str(error), pause_s=pause_s)
                await asyncio.sleep(pause_s)
            else:
                self.observer.pinged(clock() - asked_s)
                self.observer.found(clock() - began_s)
                return taken

    async def _attempt(self, url: str, body: Body, due_s: float, read: Callable[[ApiAnswer], Awaitable[T]]) -> T:
        try:
            answer = await self._open(url, body, due_s)
        except ServiceError as error:
            self.observer.missed(getattr(error, "why", FailureReason.BROKEN))
            raise
        try:
            return await read(answer)
        except BaseException:
            answer.close()
            raise

    async def _open(self, url: str, body: Body, due_s: float) -> ApiAnswer:
        """Return an answer of status 200. Raises ApiError for any other."""
        late = ("did not answer in time", f"nothing within {self.deadlines.first_s:g} s")
        response = await self.client.within(due_s, late, self._response(url, body))
        return ApiAnswer(self, response, due_s, late)

    async def _response(self, url: str, body: Body) -> aiohttp.ClientResponse:
        model = await self.client.model()
        response = await self.client.post(url, **body(model))
        if response.status == 200:
            return response
        with closing(response):
            refused = await self.client.refused(response, await body_of(response), model)
        raise refused


class ApiAnswer:
    """The body of an answer, as it comes. Its reader closes it."""

    def __init__(
        self, requests: ApiRequests, response: aiohttp.ClientResponse, due_s: float, late: tuple[str, str]
    ) -> None:
        self._requests, self._response = requests, response
        self._due_s, self._late = due_s, late
        self._clock = asyncio.get_running_loop().time
        self._began_s: float | None = self._clock()
        requests.observer.session_opened()

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self._response.content_type

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the media type, such as `rate`."""
        parts = self._response.headers.get("Content-Type", "").split(";")[1:]
        return {name.strip().lower(): value.strip() for name, _, value in (part.partition("=") for part in parts)}

    async def next(self) -> bytes:
        """Return the next bytes, b"" at the end. Raises ApiError: they are late, or the connection has broken."""
        chunk = await self._within(self._response.content.readany())
        next_s = self._requests.deadlines.next_s
        self._due_s, self._late = (
            self._clock() + next_s,
            ("fell silent in the middle of its answer", f"for {next_s:g} s"),
        )
        return chunk

    async def whole(self) -> bytes:
        """Return all that is left, up to a megabyte. Raises ApiError as `next` does."""
        return await self._within(body_of(self._response))

    async def finish(self) -> None:
        """Read the end of the body, if it comes at once, so that the connection can be used again; then close."""
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(_LINGER_S):
                while await self._response.content.readany():
                    pass
        self.close()

    def invalid(self, what: str) -> ServiceError:
        """Return the error of an answer that is none."""
        kind, where = self._requests.kind, self._requests.client.where
        error = kind.garbled(where, "sent an invalid message", what, why=FailureReason.NONSENSE)
        self._requests.observer.failed(error)
        return error

    def broken(self, what: str) -> ServiceError:
        """Return the error of an answer that ended too early: another attempt may have its end."""
        error = self._requests.kind.unavailable(self._requests.client.where, "broke off its answer", what)
        self._requests.observer.failed(error)
        return error

    async def _within(self, work: Awaitable[bytes]) -> bytes:
        try:
            return await self._requests.client.within(self._due_s, self._late, work)
        except ServiceError as error:
            self._requests.observer.failed(error)
            raise

    def close(self) -> None:
        """End the request: an answer that is not complete is dropped, with its connection. Safe to call twice."""
        if self._began_s is not None:
            self._requests.observer.session_closed(self._clock() - self._began_s)
            self._began_s = None
            self._response.close()  # where the end has been read, the connection is back in its pool already
