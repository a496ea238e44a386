"""Answers of the embedded language model to 40 things that people say to a voice demo, in eight conversations.

Each conversation runs as it would in the server, in writing: the character's prompt, the bot's opening, what the user
says, the bot's own answers. No sound is involved, and nothing is read ahead while the user speaks, so that the times to
the first text are upper limits; the CPU time to it says the same on a busy machine. Judged by rules, not by a model:

- *relevant*: the answer matches the expression that `answers.yaml` gives for the question. It is a coarse rule: an
  answer can mention pancakes and still be nonsense;
- *loops*: four words in a row come twice in one answer;
- *repeats*: a sentence of three words or more was said before in the conversation;
- *echoes*: the answer repeats at least five words of the question in a row, or all of it;
- *invents*: a statement about the user ("you are", "you said", "your day is") that shares no word with what they said;
- *machine talk*: "language model", "AI", "as an assistant", "chatbot"; *markup*: lists, bold, headings;
- *empty*, and *long*: no word; more than two sentences, or more than 40 words.

    python -m benchmarks.answers                    half a minute
    python -m benchmarks.answers --json FILE        with every answer
    VOICEPIPE_LLM_URL=model.gguf python -m benchmarks.answers
                                                    another model in this process
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import yaml

from benchmarks.common import Budget, Cell, Progress, Report, Skipped, Table, command, percentile
from voicepipe.conversation import Conversation
from voicepipe.events import Event, SettingsChanged
from voicepipe.events.fold import fold
from voicepipe.realtime.unmute.dialect import Unmute
from voicepipe.rx import LoopScheduler
from voicepipe.server.app import load_characters
from voicepipe.session import Llm
from voicepipe.settings import Settings
from voicepipe.weights.registry import ModelError

__all__ = ["Answer", "faults", "load", "run"]

QUESTIONS = Path(__file__).with_name("answers.yaml")
FAULTS = ("loops", "repeats", "echoes", "invents", "machine talk", "markup", "empty", "long")
FIRST_TEXT_MS, FAULTY_SHARE = 300.0, 0.1
MOST_SENTENCES, MOST_WORDS = 2, 40


@dataclass(frozen=True, slots=True)
class Turn:
    """A sentence of the user, and the expression that a relevant answer matches."""

    said: str
    about: str


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation."""

    character: str
    turns: tuple[Turn, ...]
    text: str = ""


@dataclass(slots=True)
class Answer:
    """The bot's answer to `turn` (None for its opening); `before` is the conversation until then, as (role, text)."""

    character: str
    turn: Turn | None
    text: str
    first_ms: float
    first_cpu_ms: float = 0.0
    before: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def relevant(self) -> bool:
        return self.turn is None or re.search(self.turn.about, self.text.lower()) is not None


def load(path: Path = QUESTIONS) -> list[Talk]:
    """The conversations of the file."""
    return [
        Talk(talk["character"], tuple(Turn(**turn) for turn in talk["turns"]), talk.get("text", ""))
        for talk in yaml.safe_load(path.read_text("utf-8"))
    ]


# ---- judging ---------------------------------------------------------------------------------------------------------


def faults(answer: Answer) -> list[str]:
    """The faults of an answer, of `FAULTS`."""
    said = answer.turn.said if answer.turn is not None else ""
    user = [text for role, text in answer.before if role == "user"] + [said]
    bot = [text for role, text in answer.before if role == "bot"]
    words, found = _words(answer.text), list[str]()
    if not words:
        return ["empty"]
    if _longest_repeat(words) >= 4:
        found.append("loops")
    earlier = {" ".join(_words(one)) for text in bot for one in sentences(text)}
    if any(len(_words(one)) >= 3 and " ".join(_words(one)) in earlier for one in sentences(answer.text)):
        found.append("repeats")
    if said and _longest_common(words, _words(said)) >= min(5, max(2, len(_words(said)))):
        found.append("echoes")
    if any(_invented(one, user) for one in sentences(answer.text)):
        found.append("invents")
    if _MACHINE.search(answer.text):
        found.append("machine talk")
    if _MARKUP.search(answer.text):
        found.append("markup")
    if len(sentences(answer.text)) > MOST_SENTENCES or len(words) > MOST_WORDS:
        found.append("long")
    return found


def sentences(text: str) -> list[str]:
    """Split after full stops, question marks and exclamation marks."""
    return [one for one in re.split(r"(?<=[.!?…])[\"'”’)]*\s+", text.strip()) if _words(one)]


_MACHINE = re.compile(
    r"language model|\bAI\b|artificial intelligence|chat ?bot|\bas an? (virtual )?assistant|trained on"
)
_MARKUP = re.compile(r"\*\*|^\s*[-*#]\s|\b[12]\. ", re.MULTILINE)
_CLAIM = re.compile(
    r"\b(you (are|were|have|had|love|loved|like|liked|enjoy|enjoyed|want|wanted|seem|feel|said|mentioned|told|look)"
    r"|you're|you've|your \w+ (is|was|are|were|has|sounds?|looks?))\b\s*(.*)",
    re.IGNORECASE,
)
_OPEN = re.compile(r"\b(if|when|whether|do|did|can|could|would|will|should|have|are|what|how|that) you\b|welcome", re.I)
_SMALL = frozenset(re.findall(r"\w+", "a an the to of and or in on at it is are be so very with for that this not"))


def _invented(sentence: str, user: Sequence[str]) -> bool:
    """Return whether a sentence states something about the user that shares no word with what they said."""
    found = _CLAIM.search(sentence)
    if found is None or re.search(r"\bi (hope|think|guess)\b", sentence, re.I) or sentence.rstrip().endswith("?"):
        return False
    if _OPEN.search(sentence) and not re.search(r"(glad|happy|sorry|great|nice) (to hear )?that you", sentence, re.I):
        return False
    known = {_stem(word) for text in user for word in _words(text)}
    claimed = {_stem(word) for word in _words(found[0]) if word not in _SMALL and not word.startswith("you")}
    return not claimed & known


def _stem(word: str) -> str:
    return re.sub(r"(ing|ed|es|s)$", "", word)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower().replace("’", "'"))


def _longest_repeat(words: Sequence[str]) -> int:
    """The longest run of words that comes twice."""
    for length in range(len(words) // 2, 0, -1):
        runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
        if len(set(runs)) < len(runs):
            return length
    return 0


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """The longest run of words that both have."""
    text = f" {' '.join(other)} "
    for length in range(min(len(one), len(other)), 0, -1):
        if any(f" {' '.join(one[at : at + length])} " in text for at in range(len(one) - length + 1)):
            return length
    return 0


# ---- measuring -------------------------------------------------------------------------------------------------------


def run(progress: Progress, *, quick: bool) -> Report:
    """All conversations, or, for a look, the first three."""
    from voicepipe.engine.build import build_engine
    from voicepipe.settings import load_settings

    settings = load_settings()
    if settings.llm_service is not None:
        raise Skipped("this is about models in this process: unset llm_url, or let it name a GGUF file")
    try:
        engine = build_engine(
            settings.model_copy(update={"stt_url": _NO_SERVICE, "tts_url": _NO_SERVICE}), max_sessions=1
        )
    except (ModelError, ImportError) as error:
        raise Skipped(str(error)) from error
    talks = load()[: 3 if quick else None]
    answers: list[Answer] = []
    try:
        for number, talk in enumerate(talks):
            progress(talk.character, number, len(talks))
            stages = engine.stages()
            answers += asyncio.run(_talk(talk, stages.llm, settings))
            stages.close()
    finally:
        engine.close()
    return _report(answers)


_NO_SERVICE = "ws://127.0.0.1:9"
"""Nothing is heard and nothing is said aloud: no other model is loaded, and this address is never asked."""


async def _talk(talk: Talk, llm: Llm, settings: Settings) -> list[Answer]:
    conversation = fold(Conversation(), _chosen(talk, settings))
    answers = [await _answer(llm, conversation, talk.character, None, [])]
    before = [("bot", answers[0].text)]
    conversation = conversation.bot_said(answers[0].text)
    for turn in talk.turns:
        conversation = conversation.user_said(turn.said)
        answer = await _answer(llm, conversation, talk.character, turn, list(before))
        answers.append(answer)
        before += [("user", turn.said), ("bot", answer.text)]
        conversation = conversation.bot_said(answer.text)
    return answers


def dialect(settings: Settings) -> Unmute:
    """The dialect by which the server decodes its clients' messages, with these settings."""
    characters = load_characters(settings)
    return Unmute(
        write=lambda *args, **options: characters.system_prompt(*args, **options, choose=_first),
        lines=lambda *args: characters.lines(*args, choose=_first),
    )


def _first(items: Sequence[str]) -> str:
    return items[0]


def _chosen(talk: Talk, settings: Settings) -> SettingsChanged:
    """As the server understands a client that chooses this character; what is drawn by lot is the first of its list."""
    told: dict[str, Any] = {"type": talk.character, **({"text": talk.text} if talk.text else {})}
    update = {"type": "session.update", "session": {"allow_recording": False, "instructions": told}}
    message = dialect(settings).decode(json.dumps(update))
    assert isinstance(message, SettingsChanged), message
    return message


async def _answer(
    llm: Llm, conversation: Conversation, character: str, turn: Turn | None, before: list[tuple[str, str]]
) -> Answer:
    loop, said = asyncio.get_running_loop(), list[str]()
    done: asyncio.Future[None] = loop.create_future()
    began, began_cpu, first = perf_counter(), process_time(), list[tuple[float, float]]()

    def take(piece: str | Event) -> None:
        if isinstance(piece, str):
            first.append(((perf_counter() - began) * 1000, (process_time() - began_cpu) * 1000))
            said.append(piece)

    subscription = llm(conversation).subscribe(
        take, done.set_exception, lambda: done.set_result(None), scheduler=LoopScheduler(loop)
    )
    try:
        await done
    finally:
        subscription.dispose()
    first_ms, first_cpu_ms = first[0] if first else (float("nan"), float("nan"))
    return Answer(character, turn, "".join(said).strip(), first_ms, first_cpu_ms, before)


# ---- the report ------------------------------------------------------------------------------------------------------


def _report(answers: Sequence[Answer]) -> Report:
    replies = [one for one in answers if one.turn is not None]
    groups = {one.character: [two for two in replies if two.character == one.character] for one in replies}
    openings = [one for one in answers if one.turn is None]
    rows = {"all answers": replies, **groups, "openings": openings}
    counted = [[name, *_counts(group)] for name, group in rows.items()]
    first_ms = [one.first_ms for one in replies]
    faulty = sum(bool(set(faults(one)) - {"long"}) for one in replies)
    return Report(
        "answers",
        "Answers of the language model in this process",
        tables=[
            Table("Answers", ("character", "answers", "relevant", "faultless", *FAULTS, "words"), counted),
            Table(
                "First text (ms)",
                ("to", "n", "p50", "max", "CPU p50", "CPU max"),
                [_first_text("an answer", replies), _first_text("an opening", openings)],
            ),
            Table("What was said", ("user", "bot", "faults"), [_line(one) for one in answers]),
        ],
        budgets=[
            Budget("first text, p50", percentile(first_ms, 50), FIRST_TEXT_MS, "ms"),
            Budget("answers with a fault other than their length", faulty / len(replies), FAULTY_SHARE, "of 1"),
        ],
        raw=[
            {
                "character": one.character,
                "user": one.turn and one.turn.said,
                "bot": one.text,
                "faults": faults(one),
                "relevant": one.relevant,
                "first_ms": one.first_ms,
                "first_cpu_ms": one.first_cpu_ms,
            }
            for one in answers
        ],
    )


def _first_text(what: str, answers: Sequence[Answer]) -> list[Cell]:
    wall, cpu = [one.first_ms for one in answers], [one.first_cpu_ms for one in answers]
    return [what, len(answers), percentile(wall, 50), max(wall), percentile(cpu, 50), max(cpu)]


def _counts(answers: Sequence[Answer]) -> list[Cell]:
    found = [faults(one) for one in answers]
    words = sum(len(_words(one.text)) for one in answers) / len(answers)
    each: list[Cell] = [sum(fault in one for one in found) for fault in FAULTS]
    relevant = sum(one.relevant for one in answers)
    return [len(answers), relevant, sum(not one for one in found), *each, round(words, 1)]


def _line(answer: Answer) -> list[Cell]:
    user = answer.turn.said if answer.turn is not None else f"({answer.character} opens)"
    wrong = faults(answer) + ([] if answer.relevant else ["not relevant"])
    return [user, answer.text.replace("\n", " "), ", ".join(wrong)]


if __name__ == "__main__":
    sys.exit(command("answers", run, __doc__))
