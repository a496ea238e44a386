"""The errors of a language model that is a service, by what one can do about them."""

from __future__ import annotations

from voicepipe.services.errors import FailureReason, ServiceError

__all__ = ["LlmError", "LlmFiltered", "LlmGarbled", "LlmRefused", "LlmSaidNothing", "LlmTimeout", "LlmUnavailable"]


class LlmError(ServiceError):
    """The language model did not finish its answer.

    `outcome` is for the user. The message, which adds the service's address and its words (`detail`), is for the
    operator. Neither contains a key. `why` is the reason in metrics.
    """

    def __init__(self, where: str, fate: str, detail: str = "", *, why: FailureReason = FailureReason.BROKEN) -> None:
        super().__init__("language model (LLM)", fate)
        self.where, self.detail, self.why = where, detail, why

    def __str__(self) -> str:
        return f"The {self.service} at {self.where} {self.outcome}{self.detail and f': {self.detail}'}"


class LlmUnavailable(LlmError):
    """It cannot be reached, is out of order, or has too much to do: another attempt may succeed.

    `retry_after_s`: when it asks to be asked again; 0: at once; None: it does not say, and now would be too soon.
    """

    def __init__(
        self,
        where: str,
        fate: str,
        detail: str = "",
        *,
        why: FailureReason = FailureReason.BROKEN,
        retry_after_s: float | None = 0.0,
    ) -> None:
        super().__init__(where, fate, detail, why=why)
        self.retry_after_s = retry_after_s


class LlmSaidNothing(LlmUnavailable):
    """Its answer ended without a word and without a call: another attempt may say something.

    The message says what the answer had instead: reasoning, spaces, nothing.
    """


class LlmTimeout(LlmError, TimeoutError):
    """It was silent for longer than a listener waits."""


class LlmRefused(LlmError):
    """It does not do what it is asked: a wrong key, model or request. Asking again does not help; the message says what
    to change."""


class LlmFiltered(LlmRefused):
    """It, or a content filter behind it, does not answer this conversation, or not to its end."""


class LlmGarbled(LlmError):
    """The service sent something that is no answer of a chat model."""
