"""The behaviour of a scenario's services."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voicepipe.conversation import ClientInfo
from voicepipe.events import FunctionCall

__all__ = ["Answer", "ServiceScript"]


@dataclass(frozen=True)
class Answer:
    """The LLM's answer, the time to its first word and between words, and the number of words before it breaks off.

    `calls` are the functions that it calls after its text; each time with new ids.
    """

    text: str
    after_s: float = 0.1
    word_s: float = 0.0
    fails_after: int | None = None
    stalls_after: int | None = None
    calls: tuple[FunctionCall, ...] = ()


@dataclass
class ServiceScript:
    """The behaviour of the services. The defaults are quick and without failures."""

    answers: dict[str, Answer] = field(
        default_factory=lambda: {"": Answer("Hi!"), "...": Answer("Are you still there?")}
    )
    anything: Answer | None = field(default_factory=lambda: Answer("I see."))
    hang_up_s: float = 0.0
    tts_delay_s: float = 0.06
    tts_word_s: float = 0.3
    tts_fails_after: int | None = None
    tts_stalls_after: int | None = None
    tts_fails_at: str | None = None
    tts_stalls_at: str | None = None
    user_word_s: float = 0.3
    recogniser_delay_s: float = 0.5
    flush_s: float = 0.0
    deaf: bool = False
    misheard: dict[str, str] = field(default_factory=dict[str, str])
    finished: float | None = 0.9
    finished_after: dict[str, float] = field(default_factory=dict[str, float])
    verdict_s: float = 0.06
    prompt: str | None = "Be brief."
    client: ClientInfo = field(default_factory=ClientInfo)
    length_s: float | None = None
    in_process: bool = False
    order: int = 0
    silence_s: float | None = None
    idle: tuple[float, int] | None = None
    unchecked: set[str] = field(default_factory=set[str])

    def answer(self, asked: str) -> Answer | None:
        return self.answers.get(asked, self.anything)

    def change_answer(self, asked: str, *, fails_after: int | None = None, stalls_after: int | None = None) -> None:
        answer = self.answer(asked) or Answer("")
        self.answers[asked] = replace(answer, fails_after=fails_after, stalls_after=stalls_after)
