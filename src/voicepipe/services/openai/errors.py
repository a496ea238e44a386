"""Errors of services behind an OpenAI-compatible API: kinds, by what one can do about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicepipe.services.errors import FailureReason, ServiceError

__all__ = ["ApiError", "ApiGarbled", "ApiKind", "ApiRefused", "ApiTimeout", "ApiUnavailable", "api_kind"]


class ApiError(ServiceError):
    """A service did not do what was requested.

    `outcome` is for the user. The message, which adds the service's address and its words (`detail`), is for the
    operator. Neither contains a key. `why` is the reason in metrics.
    """

    def __init__(
        self, service: str, where: str, outcome: str, detail: str = "", *, why: FailureReason = FailureReason.BROKEN
    ) -> None:
        super().__init__(service, outcome)
        self.where, self.detail, self.why = where, detail, why

    def __str__(self) -> str:
        return f"The {self.service} at {self.where} {self.outcome}{self.detail and f': {self.detail}'}"


class ApiUnavailable(ApiError):
    """It cannot be reached, is out of order, or has too much to do: another attempt may succeed.

    `retry_after_s`: when it asks to be asked again; 0: at once; None: it does not say, and now would be too soon.
    """

    def __init__(
        self,
        service: str,
        where: str,
        outcome: str,
        detail: str = "",
        *,
        why: FailureReason = FailureReason.BROKEN,
        retry_after_s: float | None = 0.0,
    ) -> None:
        super().__init__(service, where, outcome, detail, why=why)
        self.retry_after_s = retry_after_s


class ApiTimeout(ApiError, TimeoutError):
    """It was silent for longer than a user waits."""


class ApiRefused(ApiError):
    """The service refuses the request: a wrong key, model, voice or request. The message says what to change."""


class ApiGarbled(ApiError):
    """The service's answer cannot be read as one to the request."""


@dataclass(frozen=True, slots=True)
class ApiKind:
    """A kind of service: the prefix of its settings, and its errors.

    Each error is called with the service's address, the outcome and the detail, and `why`.

    Args:
        setting: `llm`, `stt` or `tts`, as in `llm_api_key`
        unavailable: makes the error of a service that another attempt may find; takes `retry_after_s`, too
        timeout: makes the error of a service that is silent
        refused: makes the error of a request that a service does not fulfil
        garbled: makes the error of an answer that cannot be read
    """

    setting: str
    unavailable: Callable[..., ServiceError]
    timeout: Callable[..., ServiceError]
    refused: Callable[..., ServiceError]
    garbled: Callable[..., ServiceError]


def api_kind(service: str, setting: str) -> ApiKind:
    """Return a kind with the errors of this module; `service` is its name for people."""

    def of(error: Callable[..., ServiceError]) -> Callable[..., ServiceError]:
        return lambda *told, **more: error(service, *told, **more)

    return ApiKind(setting, of(ApiUnavailable), of(ApiTimeout), of(ApiRefused), of(ApiGarbled))
