"""A language model in this process: what it is told, and what is said without asking it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable

from voicepipe.conversation import GREETING, SILENCE, Conversation
from voicepipe.engine.build import build_engine, check_all
from voicepipe.engine.local_llm import EMBEDDED, LocalLlm, gguf_manner, load_gguf
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import CharacterLines, Generation, TokensCounted, Warned
from voicepipe.llm.gguf import GgufError
from voicepipe.rx import LoopScheduler
from voicepipe.rx.defer import defer
from voicepipe.rx.early_subscription import EarlySubscription
from voicepipe.testing import Marbles
from voicepipe.testing.loop.napping import NappingWorkers
from voicepipe.weights import registry

LINES = CharacterLines("Ahoy!", ("Still there?", "Take your time."), (("Who are you?", "A sailor."),))
TALK = Conversation("You are a sailor.", lines=LINES)
NOWHERE = "ws://127.0.0.1:9"


class Model:
    """Says "Aye. Aye. Aye.", a sentence in 20 ms, and notes what it was asked, and what it was to read."""

    def __init__(self, workers: NappingWorkers) -> None:
        self.asked: list[list[str]] = []
        self.read: list[list[str]] = []
        self._workers = workers

    def stream(
        self, messages: Any, on_text: Any, *, cancelled: Any, max_tokens: int, slot: int | None = None, **_: Any
    ) -> None:
        self.asked.append([message["content"] for message in messages])
        for text in ("Aye.", " Aye.", " Aye."):
            self._workers.nap(0.02)
            on_text(text)

    def warm(self, messages: Any, slot: int, *, cancelled: Any) -> None:
        self.read.append([message["content"] for message in messages])


@pytest.fixture
def workers(marbles: Marbles) -> Iterator[NappingWorkers]:
    pool = NappingWorkers(1, "llm", marbles.loop)
    yield pool
    pool.close(1)


@pytest.fixture
def model(workers: NappingWorkers) -> Model:
    return Model(workers)


@pytest.fixture
def llm(model: Any, workers: NappingWorkers) -> LocalLlm:
    return LocalLlm(model, workers, [0])


def said(marbles: Marbles, llm: Any, conversation: Conversation) -> list[Any]:
    *out, end = marbles.record(llm(conversation))
    assert end.kind == "completed"
    return [one.value for one in out if not isinstance(one.value, TokensCounted)]


def test_the_opening_is_the_characters_and_costs_no_call(marbles: Marbles, llm: LocalLlm, model: Model) -> None:
    """It comes at once; while it is spoken, the model reads its prompt, with the examples and the opening."""
    stage = llm.open().stage
    assert [one.value for one in marbles.record(stage(TALK))[:2]] == ["Ahoy!", TokensCounted(0, 0)]
    assert model.asked == []
    assert model.read == [["You are a sailor.", "Who are you?", "A sailor.", GREETING, "Ahoy!"]]


def test_an_answer_is_the_models_and_no_longer_than_two_sentences(
    marbles: Marbles, llm: LocalLlm, model: Model
) -> None:
    """The prompt begins with the part that the model has read: it need not read that again."""
    opened = llm.open()
    said(marbles, opened.stage, TALK)
    answer = said(marbles, opened.stage, TALK.bot_said("Ahoy!").user_said("Where to?"))
    assert "".join(answer) == "Aye. Aye."
    assert model.asked == [[*model.read[0], "Where to?"]]


def test_the_embedded_model_is_told_the_exchange_before_and_no_more(
    marbles: Marbles, llm: LocalLlm, model: Model
) -> None:
    """Of a longer talk it repeats what it has said itself."""
    talk = TALK.bot_said("Ahoy!").user_said("one").bot_said("1").user_said("two").bot_said("2").user_said("three")
    said(marbles, llm.open().stage, talk)
    assert model.asked == [["You are a sailor.", "Who are you?", "A sailor.", "two", "2", "three"]]


def test_silences_have_lines_one_after_the_other(marbles: Marbles, llm: LocalLlm, model: Model) -> None:
    """From the first on, when they are used up."""
    stage, talk, heard = llm.open().stage, TALK.bot_said("Ahoy!"), []
    for _ in range(3):
        talk = talk.user_said(SILENCE)
        heard += said(marbles, stage, talk)
        talk = talk.bot_said(heard[-1])
    assert heard == ["Still there?", "Take your time.", "Still there?"]
    assert model.asked == []


def test_without_lines_the_model_opens(marbles: Marbles, llm: LocalLlm, model: Model) -> None:
    """A client that leads, for example, has no character."""
    assert "".join(said(marbles, llm.open().stage, Conversation("Be brief."))) == "Aye. Aye."
    assert model.asked == [["Be brief.", GREETING]]


def test_a_character_that_cannot_be_played_is_told_once(marbles: Marbles, llm: LocalLlm) -> None:
    """Before the first words."""
    talk = replace(TALK, lines=replace(LINES, warning="It cannot."))
    stage = llm.open().stage
    assert said(marbles, stage, talk) == [Warned("It cannot."), "Ahoy!"]
    assert said(marbles, stage, talk) == ["Ahoy!"]


def test_a_warning_in_a_reply_that_is_thrown_away_comes_again(marbles: Marbles, llm: LocalLlm) -> None:
    """The client has not read it."""
    talk = replace(TALK, lines=replace(LINES, warning="It cannot."))
    stage = llm.open().stage
    kept: list[Any] = []

    def thrown_away(scheduler: LoopScheduler) -> Observable[Any]:
        ahead = EarlySubscription(stage(talk), scheduler, 9)
        kept.extend(ahead.kept)
        ahead.dispose()
        return reactivex.empty()

    marbles.record(defer(thrown_away))
    assert kept[:2] == said(marbles, stage, talk) == [Warned("It cannot."), "Ahoy!"]
    assert said(marbles, stage, talk) == ["Ahoy!"]


def test_a_model_of_ones_own_answers_as_long_as_it_likes(marbles: Marbles, model: Any, workers: NappingWorkers) -> None:
    """And is told more of the talk."""
    talk = Conversation("Be brief.").user_said("one").bot_said("1").user_said("two").bot_said("2").user_said("three")
    llm = LocalLlm(model, workers, [0], gguf_manner("Qwen", 4096))
    assert "".join(said(marbles, llm.open().stage, talk)) == "Aye. Aye. Aye."
    assert model.asked == [["Be brief.", "one", "1", "two", "2", "three"]]
    assert llm.probe().what == "Qwen"


def test_a_gguf_that_cannot_be_used_is_a_model_error(tmp_path: Path) -> None:
    """Which the command line tells in a sentence."""
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"not a model")
    for refused in (lambda: load_gguf(path, sessions=1, threads=1), lambda: engine_on(path)):
        with pytest.raises(GgufError, match=r"mine\.gguf is no GGUF file"):
            refused()


def engine_on(path: Path) -> Any:
    return build_engine(EngineSettings(stt_url=NOWHERE, tts_url=NOWHERE, llm_url=str(path)), max_sessions=1)


@pytest.mark.models
def test_a_gguf_file_answers_in_this_process(marbles: Marbles, tmp_path: Path) -> None:
    """Any one, here the embedded model's under another name, with the template of the file."""
    found = registry.find("smollm2")
    if found is None:
        pytest.skip("run `voicepipe models fetch smollm2`")
    path = tmp_path / "mine.gguf"
    path.symlink_to(found)
    loaded: list[str] = []
    settings = EngineSettings(stt_url=NOWHERE, tts_url=NOWHERE, llm_url=str(path))
    engine = build_engine(settings, max_sessions=1, progress=loaded.append)
    try:
        question = Conversation("You are helpful.").user_said("What is the capital of France?")
        asked = replace(question, generation=Generation(max_tokens=40))
        pieces = [one for one in said(marbles, engine.stages().llm, asked) if isinstance(one, str)]
    finally:
        engine.close()
    assert len(pieces) > 1
    assert re.search(r"[a-z]{3}", "".join(pieces))
    assert "<|im_" not in "".join(pieces)
    assert loaded[0].startswith("mine.gguf (")
    (check,) = [check for check in marbles.run(check_all(settings)) if check.probe.kind == "llm"]
    assert (check.up, check.probe.where) == (True, str(path))
    assert "4096 tokens" in check.said


def test_the_embedded_model_is_named_as_what_it_is() -> None:
    """Health reports and checks name it so."""
    assert EMBEDDED.what == "SmolLM2-135M"
