"""What a scenario says of the services: how each answers, how slowly, and where it fails."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from voicepipe.events import FunctionCall
from voicepipe.testing.cast import Answer, Cast, Service
from voicepipe.testing.sentences import called

__all__ = ["SERVICES"]

N = TypeVar("N", int, float)


# ---- the LLM ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LlmAnswers(Service):
    template = "The LLM answers {asked:quote} with {answer:quote}[ after {after_s:time}][, {word_s:time} a word]"
    asked: str
    answer: str
    after_s: float | None = None
    word_s: float | None = None

    def arrange(self, cast: Cast) -> None:
        cast.answers[self.asked] = Answer(self.answer, _or(self.after_s, 0.1), _or(self.word_s, 0.0))


@dataclass(frozen=True)
class LlmAnswersAnything(Service):
    template = "The LLM answers anything with {answer:quote}[ after {after_s:time}][, {word_s:time} a word]"
    answer: str
    after_s: float | None = None
    word_s: float | None = None

    def arrange(self, cast: Cast) -> None:
        cast.anything = Answer(self.answer, _or(self.after_s, 0.1), _or(self.word_s, 0.0))


@dataclass(frozen=True)
class LlmCalls(Service):
    template = "The LLM calls {call:call} at {asked:quote}[, saying {text:quote}][ after {after_s:time}]"
    call: str
    asked: str
    text: str | None = None
    after_s: float | None = None

    def arrange(self, cast: Cast) -> None:
        name, arguments = called(self.call)
        before = cast.answers.get(self.asked)
        first = before if before is not None and before.calls else Answer("")
        call = FunctionCall("", name, json.dumps(arguments, ensure_ascii=False))
        text, after_s = self.text or first.text, _or(self.after_s, first.after_s)
        cast.answers[self.asked] = Answer(text, after_s, calls=(*first.calls, call))


@dataclass(frozen=True)
class LlmFails(Service):
    template = "The LLM fails at {asked:quote}[ after {words:words}]"
    asked: str
    words: int | None = None

    def arrange(self, cast: Cast) -> None:
        cast.change_answer(self.asked, fails_after=_or(self.words, 0))


@dataclass(frozen=True)
class LlmStalls(Service):
    template = "The LLM stalls at {asked:quote}[ after {words:words}]"
    asked: str
    words: int | None = None

    def arrange(self, cast: Cast) -> None:
        cast.change_answer(self.asked, stalls_after=_or(self.words, 0))


@dataclass(frozen=True)
class LlmNeverAnswers(Service):
    template = "The LLM never answers[ {asked:quote}]"
    asked: str | None = None

    def arrange(self, cast: Cast) -> None:
        if self.asked is not None:
            cast.change_answer(self.asked, stalls_after=0)
        else:
            cast.answers, cast.anything = {}, Answer("", stalls_after=0)


@dataclass(frozen=True)
class LlmHangsUpSlowly(Service):
    template = "The LLM needs {seconds:time} to hang up"
    seconds: float

    def arrange(self, cast: Cast) -> None:
        cast.hang_up_s = self.seconds


# ---- the TTS ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TtsSpeaks(Service):
    template = "The TTS needs {delay_s:time} and speaks {word_s:time} a word"
    delay_s: float
    word_s: float

    def arrange(self, cast: Cast) -> None:
        cast.tts_delay_s, cast.tts_word_s = self.delay_s, self.word_s


@dataclass(frozen=True)
class TtsFails(Service):
    template = "The TTS fails after {words:words}"
    words: int

    def arrange(self, cast: Cast) -> None:
        cast.tts_fails_after = self.words


@dataclass(frozen=True)
class TtsFailsAt(Service):
    template = "The TTS fails at {word:quote}"
    word: str

    def arrange(self, cast: Cast) -> None:
        cast.tts_fails_at = self.word


@dataclass(frozen=True)
class TtsStalls(Service):
    template = "The TTS stalls after {words:words}"
    words: int

    def arrange(self, cast: Cast) -> None:
        cast.tts_stalls_after = self.words


@dataclass(frozen=True)
class TtsStallsAt(Service):
    template = "The TTS stalls at {word:quote}"
    word: str

    def arrange(self, cast: Cast) -> None:
        cast.tts_stalls_at = self.word


# ---- the ear ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecogniserHears(Service):
    template = "The recogniser hears a word {delay_s:time} after it began"
    delay_s: float

    def arrange(self, cast: Cast) -> None:
        cast.recogniser_delay_s = self.delay_s


@dataclass(frozen=True)
class RecogniserFlushes(Service):
    template = "The recogniser needs {seconds:time} for the last words before a pause"
    seconds: float

    def arrange(self, cast: Cast) -> None:
        cast.flush_s = self.seconds


@dataclass(frozen=True)
class RecogniserMishears(Service):
    template = "The recogniser hears {said:quote} as {heard:quote}"
    said: str
    heard: str

    def arrange(self, cast: Cast) -> None:
        cast.misheard[self.said] = self.heard


@dataclass(frozen=True)
class RecogniserIsDeaf(Service):
    template = "The recogniser never hears a word"

    def arrange(self, cast: Cast) -> None:
        cast.deaf = True


@dataclass(frozen=True)
class PauseSoundsFinished(Service):
    template = "A pause sounds finished to {probability:percent}[ after {verdict_s:time}]"
    probability: float
    verdict_s: float | None = None

    def arrange(self, cast: Cast) -> None:
        cast.finished = self.probability
        cast.verdict_s = _or(self.verdict_s, cast.verdict_s)


@dataclass(frozen=True)
class PauseAfter(Service):
    template = "A pause after {text:quote} sounds finished to {probability:percent}"
    text: str
    probability: float

    def arrange(self, cast: Cast) -> None:
        cast.finished_after[self.text] = self.probability


@dataclass(frozen=True)
class NobodyJudges(Service):
    template = "Nobody judges pauses"

    def arrange(self, cast: Cast) -> None:
        cast.finished = None


# ---- the user, the client, the whole ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class UserSpeaks(Service):
    template = "The user speaks {word_s:time} a word"
    word_s: float

    def arrange(self, cast: Cast) -> None:
        cast.user_word_s = self.word_s


@dataclass(frozen=True)
class BotIsTold(Service):
    template = "The bot is told {prompt:quote}"
    prompt: str

    def arrange(self, cast: Cast) -> None:
        cast.prompt = self.prompt


@dataclass(frozen=True)
class NoInstructions(Service):
    template = "The client gives no instructions"

    def arrange(self, cast: Cast) -> None:
        cast.prompt = None


@dataclass(frozen=True)
class InThisProcess(Service):
    template = "The services are models in this process"

    def arrange(self, cast: Cast) -> None:
        cast.in_process = True


@dataclass(frozen=True)
class PipelineIs(Service):
    template = "The pipeline is {path:quote}"
    path: str

    def arrange(self, cast: Cast) -> None:
        cast.pipeline = self.path


@dataclass(frozen=True)
class Lasts(Service):
    template = "The scenario lasts {seconds:time}"
    seconds: float

    def arrange(self, cast: Cast) -> None:
        cast.length_s = self.seconds


@dataclass(frozen=True)
class Order(Service):
    template = "Simultaneous things happen in order number {number:number}"
    number: int

    def arrange(self, cast: Cast) -> None:
        cast.order = self.number


@dataclass(frozen=True)
class SilenceIsTooLong(Service):
    template = "A silence of {seconds:time} is too long"
    seconds: float

    def arrange(self, cast: Cast) -> None:
        cast.silence_s = self.seconds


@dataclass(frozen=True)
class NeverMind(Service):
    template = "Never mind {invariant:quote}"
    invariant: str

    def arrange(self, cast: Cast) -> None:
        cast.unchecked.add(self.invariant)


def _or(value: N | None, default: N) -> N:
    return default if value is None else value


SERVICES: tuple[type[Service], ...] = (
    LlmAnswers,
    LlmAnswersAnything,
    LlmCalls,
    LlmFails,
    LlmStalls,
    LlmNeverAnswers,
    LlmHangsUpSlowly,
    TtsSpeaks,
    TtsFails,
    TtsFailsAt,
    TtsStalls,
    TtsStallsAt,
    RecogniserHears,
    RecogniserFlushes,
    RecogniserMishears,
    RecogniserIsDeaf,
    PauseSoundsFinished,
    PauseAfter,
    NobodyJudges,
    UserSpeaks,
    BotIsTold,
    NoInstructions,
    InThisProcess,
    PipelineIs,
    Lasts,
    Order,
    SilenceIsTooLong,
    NeverMind,
)
