"""Requests to a service behind an OpenAI-compatible API: address, key, model, deadlines, and what errors mean."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import aiohttp

from voicepipe.installation.proxies import proxy_for
from voicepipe.services.errors import FailureReason, ServiceError
from voicepipe.services.openai.endpoint import Endpoint
from voicepipe.services.openai.errors import ApiKind
from voicepipe.services.openai.models import lists, model_names
from voicepipe.services.openai.refusals import refusal
from voicepipe.services.socket import pinned

__all__ = ["ApiClient", "body_of", "reason"]

T = TypeVar("T")

# Of an answer that is no stream: an error, the list of models (OpenRouter's has 600 kB).
_MAX_BODY_BYTES = 1_000_000
# Names of models that a message lists.
_SHOWN = 8


class ApiClient:
    """One service, which all sessions share. Errors are those of `kind`.

    Args:
        kind: The kind of service.
        http: Returns the process's one client session, on the running loop: connections stay open between answers.
        url: The service's address, with or without `/v1`.
        model: The model's name; None is the only one that the service has.
        api_key: The key; None where the service wants none.
        connect_s: The time for TCP and TLS.
        answer_s: The time for an answer that is not streamed.
        certificate: The SHA-256 of the service's certificate; empty: TLS is checked as usual.
    """

    def __init__(
        self,
        kind: ApiKind,
        http: Callable[[], aiohttp.ClientSession],
        *,
        url: str,
        model: str | None,
        api_key: str | None,
        connect_s: float,
        answer_s: float,
        certificate: str = "",
    ) -> None:
        self.kind, self._http, self._api_key = kind, http, api_key
        self._connect_s, self._answer_s = connect_s, answer_s
        self._ssl = pinned(certificate)
        self.endpoint = Endpoint.parse(url)
        self.where = self.endpoint.base.removesuffix("/v1")
        self._configured = self._model = model

    # ---- requests ---------------------------------------------------------------------------------------------------

    async def post(self, url: str, *, headers: Mapping[str, str] | None = None, **body: Any) -> aiohttp.ClientResponse:
        """Return the beginning of the answer, of any status; the caller closes it.

        Args:
            url: One of `endpoint`.
            headers: Headers beside the key.
            body: `json` or `data`, as aiohttp takes them.
        """
        return await self._http().post(
            url,
            headers={**(headers or {}), **self.endpoint.key_headers(self._api_key)},
            proxy=proxy_for(url),
            ssl=self._ssl,
            timeout=self._timeout,
            allow_redirects=False,  # it would turn the POST into a GET
            **body,
        )

    async def refused(self, response: aiohttp.ClientResponse, body: bytes, model: str) -> ServiceError:
        """Return the error of a status other than 200; `body` is what stands in the answer."""
        models = await self._models_or_none() if response.status == 404 else None
        self._model = self._configured  # one that was found, and is not there any more, is looked for again
        return refusal(self.kind, self.where, response.status, response.headers, body, model=model, models=models)

    async def within(self, due_s: float, late: tuple[str, str], work: Awaitable[T]) -> T:
        """Return the result of `work`. Raises the timeout (…, *late) at `due_s`, and any failure as an error of `kind`.

        Args:
            due_s: The time of the loop's clock.
            late: What a service that is late does, for the user, and the detail.
            work: Requests, or reads an answer.
        """
        unavailable = self.kind.unavailable
        try:
            async with asyncio.timeout_at(due_s):
                return await work
        except ServiceError:
            raise
        except aiohttp.ConnectionTimeoutError:
            what = f"no connection within {self._connect_s:g} s"
            raise unavailable(self.where, "cannot be reached", what, why=FailureReason.TIMED_OUT) from None
        except TimeoutError:
            raise self.kind.timeout(self.where, *late, why=FailureReason.TIMED_OUT) from None
        except aiohttp.ClientConnectorError as error:
            raise unavailable(self.where, "cannot be reached", reason(error), why=FailureReason.REFUSED) from error
        except (aiohttp.ClientError, OSError) as error:
            raise unavailable(self.where, "broke the connection", str(error) or type(error).__name__) from error

    # ---- models -----------------------------------------------------------------------------------------------------

    async def models(self) -> list[str]:
        """Return the names of the models that the service has. Raises an error of `kind` if it does not tell."""
        status, headers, body = await self._get(self.endpoint.models)
        if status != 200:
            raise refusal(self.kind, self.where, status, headers, body, model=self._model or "", models=None)
        if (names := model_names(body)) is None:
            what = f"{self.where}/v1/models lists no models; it should be an OpenAI-compatible service"
            raise self.kind.garbled(self.where, "sent an invalid message", what, why=FailureReason.NONSENSE)
        return names

    async def model(self) -> str:
        """The configured model's name, or the only one's. An error of `kind` when there are several to choose from."""
        if self._model is None:
            match await self.models():
                case [name]:
                    self._model = name
                case []:
                    raise self.kind.refused(self.where, "is not set up", "it has no models")
                case names:
                    choice = f"set {self.kind.setting}_model to one of its models: {', '.join(names)}"
                    raise self.kind.refused(self.where, "is not set up", choice)
        return self._model

    async def check(self) -> str:
        """Return the name of the model that would answer now, with a remark where the service does not list it.

        Many services list nothing, or other spellings: only where no model is set is the list needed. Raises an error
        of `kind`: the service cannot be reached, does not accept the key, or there is no model to be asked.
        """
        wanted = self._configured
        if wanted is None:
            await self.models()  # also where the name is known already: the service may be gone
            return await self.model()
        status, headers, body = await self._get(self.endpoint.models)
        if status == 401 or status >= 500:
            raise refusal(self.kind, self.where, status, headers, body, model=wanted, models=None)
        names = model_names(body) if status == 200 else None
        if not names:
            return f"{wanted} (the service lists no models)"
        return wanted if lists(names, wanted) else f"{wanted} (not listed; the service has {', '.join(names[:_SHOWN])})"

    async def _models_or_none(self) -> list[str] | None:
        try:
            return await self.models()
        except ServiceError:
            return None

    # ---- HTTP -------------------------------------------------------------------------------------------------------

    @property
    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s)

    async def _get(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body, within the time for an answer."""

        async def get() -> tuple[int, Mapping[str, str], bytes]:
            proxy, headers = proxy_for(url), self.endpoint.key_headers(self._api_key)
            async with self._http().get(
                url, headers=headers, proxy=proxy, ssl=self._ssl, timeout=self._timeout
            ) as response:
                return response.status, response.headers, await body_of(response)

        due_s = asyncio.get_running_loop().time() + self._answer_s
        return await self.within(due_s, ("did not answer in time", f"within {self._answer_s:g} s"), get())


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; of an endless one a megabyte."""
    body = b""
    while len(body) < _MAX_BODY_BYTES and (chunk := await response.content.readany()):
        body += chunk
    return body


def reason(error: aiohttp.ClientConnectorError) -> str:
    """Why there is no connection, in the system's words: asyncio's own say only that there is none."""
    number, said = error.os_error.errno, error.os_error.strerror
    return os.strerror(number) if number and number > 0 else said or str(error.os_error)
