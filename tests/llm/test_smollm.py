"""SmolLM2 in this process: it streams, stops, remembers its slots and forgets what does not fit."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voicepipe.llm.smollm import LlmFailed, Message, SmolLM, trim
from voicepipe.weights import registry

SYSTEM = {"role": "system", "content": "You are a friendly voice assistant. Answer in one short sentence."}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def talk(turns: int) -> list[Message]:
    """A conversation of `turns` questions and answers of about 100 bytes each, and a last question."""
    said = [SYSTEM]
    for number in range(turns):
        said += [
            user(f"Question {number}. " + "What about it? " * 6),
            assistant(f"Answer {number}. " + "So it is. " * 8),
        ]
    return [*said, user("The last question?")]


# ---- without the model ----------------------------------------------------------------------------------------------


def test_what_fits_is_left_alone():
    """A conversation within its room is passed on as it is."""
    assert trim(talk(3), 2000) == talk(3)


def test_the_oldest_are_forgotten_and_the_system_prompt_is_kept():
    """The system prompt and the latest messages are left, beginning with a question."""
    left = trim(talk(60), 1000)
    assert left[0] == SYSTEM
    assert left[1]["role"] == "user"
    assert left[1:] == talk(60)[-len(left) + 1 :]
    assert len(left) > 8


def test_forgetting_happens_once_in_a_few_turns():
    """As a conversation grows, its first message stays the same for several turns: it need not be read again."""
    firsts = [trim(talk(turns), 1000)[1]["content"] for turns in range(20, 44)]
    assert len(set(firsts)) <= len(firsts) // 4 + 1


def test_a_message_that_is_too_long_keeps_its_end():
    """One endless question is cut at its beginning; the system prompt stays whole."""
    left = trim([SYSTEM, user("old " * 4000 + "the end")], 500)
    assert left[0] == SYSTEM
    assert left[1]["content"].endswith("the end")
    assert len(left[1]["content"]) < 1500


def test_a_cut_does_not_split_a_letter():
    """Letters of several bytes are kept or dropped as a whole."""
    (left,) = trim([user("é" * 3001)], 500)
    assert set(left["content"]) == {"é"}


def test_no_model_is_an_error_with_a_name(tmp_path: Path):
    """An absent file is named."""
    with pytest.raises(LlmFailed, match=r"absent\.gguf"):
        SmolLM(tmp_path / "absent.gguf", slots=1)


# ---- with the model -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def smollm() -> Iterator[SmolLM]:
    """Two slots of 512 tokens."""
    if registry.find("smollm2") is None:
        pytest.skip("run `voicepipe models fetch smollm2`")
    with SmolLM(slots=2, context=512) as model:
        yield model


def answer(model: SmolLM, messages: list[Message], **options: object) -> list[str]:
    pieces: list[str] = []
    model.stream(messages, pieces.append, **options)  # pyright: ignore[reportArgumentType]
    return pieces


PARIS = [SYSTEM, user("What is the capital of France?")]


@pytest.mark.models
def test_it_answers_a_token_at_a_time(smollm: SmolLM):
    """The pieces make a text that answers, and at temperature 0 the same each time the slot has read the same before:
    what it need not read again was computed in other portions, which rounds differently."""
    assert "Paris" in "".join(answer(smollm, PARIS, max_tokens=40))
    pieces = answer(smollm, PARIS, max_tokens=40)
    assert "Paris" in "".join(pieces)
    assert 1 < len(pieces) <= 40
    assert answer(smollm, PARIS, max_tokens=40) == pieces


@pytest.mark.models
def test_the_answers_length_is_bounded(smollm: SmolLM):
    """No more than `max_tokens` pieces come."""
    assert 1 <= len(answer(smollm, [SYSTEM, user("Tell me a very long story.")], max_tokens=7)) <= 7


@pytest.mark.models
def test_it_counts_its_tokens(smollm: SmolLM):
    """The tokens of the prompt, of which the slot knows all but one the second time, and those of the answer."""
    first = smollm.stream(PARIS, lambda _: None, max_tokens=5, slot=0)
    again = smollm.stream(PARIS, lambda _: None, max_tokens=7, slot=0)
    assert (first.written, again.written) == (5, 7)
    assert again.tokens == first.tokens == first.read
    assert 20 < again.tokens < 60
    assert again.tokens - again.known <= 4


@pytest.mark.models
def test_cancelling_stops_within_a_token(smollm: SmolLM):
    """When `cancelled` turns true after the third piece, no fourth one comes."""
    pieces: list[str] = []
    story = [SYSTEM, user("Tell me a very long story about a dog.")]
    smollm.stream(story, pieces.append, cancelled=lambda: len(pieces) >= 3, max_tokens=400)
    assert len(pieces) == 3


@pytest.mark.models
def test_cancelling_stops_the_reading_of_a_prompt(smollm: SmolLM):
    """A long prompt that nobody wants answered any more is left unread, and the slot answers the next one."""
    asked = threading.Event()

    def cancelled() -> bool:
        was, _ = asked.is_set(), asked.set()
        return was  # false at first, so that the reading begins

    prompt = smollm.stream(talk(12), lambda text: pytest.fail(f"it said {text!r}"), cancelled=cancelled, slot=0)
    assert prompt.read < prompt.tokens / 2
    assert "Paris" in "".join(answer(smollm, PARIS, max_tokens=40, slot=0))


@pytest.mark.models
def test_a_warm_slot_has_only_the_new_message_to_read(smollm: SmolLM):
    """After `warm` the slot knows all that was said before; another slot has to read everything."""
    said = talk(4)[:-1]
    question = [*said, PARIS[-1]]
    cold = smollm.stream(question, lambda _: None, max_tokens=1, slot=1)
    smollm.warm(said, 0)
    warm = smollm.stream(question, lambda _: None, max_tokens=1, slot=0)
    assert cold.tokens - cold.known > 10 * (warm.tokens - warm.known)
    assert "Paris" in "".join(answer(smollm, question, max_tokens=30, slot=0))


@pytest.mark.models
def test_two_conversations_at_once(smollm: SmolLM):
    """Each slot answers its own question; neither waits for the other's end."""
    questions = [PARIS, [SYSTEM, user("What colour is the sky on a clear day?")]]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda slot: "".join(answer(smollm, questions[slot], max_tokens=30, slot=slot)), (0, 1)))
    assert "Paris" in both[0]
    assert "blue" in both[1]


@pytest.mark.models
def test_a_history_longer_than_the_context_is_no_error(smollm: SmolLM):
    """A hundred turns, and a text of which every letter is a token, are answered."""
    assert answer(smollm, talk(100), max_tokens=3)
    assert answer(smollm, [SYSTEM, user("ᚠᛇᚻ᛫" * 1500)], max_tokens=3)


@pytest.mark.models
def test_a_system_prompt_longer_than_the_context_is_llama_cpps_error(smollm: SmolLM):
    """A prompt that cannot be shortened fails with the server's words."""
    with pytest.raises(LlmFailed, match="exceeds the available context size"):
        answer(smollm, [{"role": "system", "content": "word " * 3000}, user("Hello?")], max_tokens=3)


@pytest.mark.models
def test_an_unknown_slot_is_an_error(smollm: SmolLM):
    """A slot that does not exist is refused rather than replaced by another."""
    with pytest.raises(ValueError, match="slot"):
        answer(smollm, PARIS, max_tokens=3, slot=7)


@pytest.mark.models
def test_what_the_receiver_raises_comes_out(smollm: SmolLM):
    """An exception of `on_text` ends the stream as itself, and the model goes on."""

    def refuse(text: str) -> None:
        raise KeyError(text)

    with pytest.raises(KeyError):
        smollm.stream(PARIS, refuse, max_tokens=30)
    assert answer(smollm, PARIS, max_tokens=1)


@pytest.mark.models
@pytest.mark.skipif(os.name != "posix", reason="no Unix sockets")
def test_no_client_can_connect_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]):
    """Loading and answering write nothing, and llama.cpp's server has no port and no reachable socket."""
    if registry.find("smollm2") is None:
        pytest.skip("run `voicepipe models fetch smollm2`")
    with SmolLM(slots=1, context=256) as model:
        answer(model, PARIS, max_tokens=1)
        address: str = model._server.listening_address  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
        assert address.startswith("unix://")
        assert not Path(address.removeprefix("unix://")).exists()
    assert capfd.readouterr() == ("", "")
    with pytest.raises(LlmFailed, match="closed"):
        answer(model, PARIS)


@pytest.mark.models
def test_a_file_that_is_no_model_is_an_error(tmp_path: Path):
    """llama.cpp's refusal names the file."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(LlmFailed, match=r"broken\.gguf"):
        SmolLM(broken, slots=1)
