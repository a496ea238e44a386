"""A page of Unmute's talks with a real server, and what went over the wire is checked event by event."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sphn
from human import BEST_OF_TIMES
from ogg_opus import RATE_HZ, pages
from processes import patient_pipeline, serving
from unmute_check import Line, Message, check, replies, told
from unmute_frontend import Frontend, Session, stale_pages, unmute_frontend
from unmute_talk import ANSWERS, SAID, SESSION, WORD_S, whole_talk

from voicepipe.client import read_recording as read_sound
from voicepipe.weights import registry

HERE = Path(__file__).parent
HELPERS = HERE.parent / "helpers"
PATH = os.pathsep.join(filter(None, [str(HELPERS), os.environ.get("PYTHONPATH")]))
HEARD = "conversation.item.input_audio_transcription.delta"

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e embedded")]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """With scripted stages."""
    with serving([sys.executable, str(HERE / "unmute_server.py")], PYTHONPATH=PATH) as url:
        yield url


def wire(page: Frontend) -> list[Line]:
    """Both sides, as the page has seen them, from its settings on."""
    kinds = [message["type"] for _, message in page.lines]
    return page.lines[kinds.index("session.update") :]


@pytest.fixture(scope="module")
def talk(server: str) -> tuple[Frontend, list[Line]]:
    """One whole conversation, and its wire."""

    async def main() -> Frontend:
        async with unmute_frontend(server, SESSION, stale=stale_pages(1.0)) as page:
            await whole_talk(page)
        return page

    page = asyncio.run(main())
    return page, wire(page)


def of(events: list[Message], kind: str) -> list[Message]:
    return [event for event in events if event["type"] == kind]


def text(reply: list[Message]) -> str:
    return " ".join(event["delta"] for event in of(reply, "response.text.delta"))


def sound(events: list[Message]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """All that was sent, decoded as one stream; a thousand bytes at a time, as 5 s at once are too much for sphn."""
    stream = b"".join(base64.b64decode(event["delta"]) for event in of(events, "response.audio.delta"))
    reader = sphn.OpusStreamReader(RATE_HZ)
    return np.concatenate([reader.append_bytes(stream[at : at + 1000]) for at in range(0, len(stream), 1000)])


def page_count(reply: list[Message]) -> int:
    """Of sound, without the stream's headers."""
    return sum(bool(page.frames_ms) for one in of(reply, "response.audio.delta") for page in pages_of(one))


def pages_of(event: Message) -> Any:
    return pages(base64.b64decode(event["delta"]))


def test_every_event_is_in_its_place_with_its_fields(talk: tuple[Frontend, list[Line]]) -> None:
    """By the protocol alone; the bot has hung up, in peace."""
    page, lines = talk
    check(lines, word_s=WORD_S)
    assert page.socket.close_code == 1000


def test_the_talk_went_as_it_should(talk: tuple[Frontend, list[Line]]) -> None:
    """The user's words were heard, and no others: no old page. The bot's are those that it was let say."""
    _, lines = talk
    events = told(lines)
    heard = " ".join(event["delta"] for event in of(events, HEARD))
    assert heard == " ".join(SAID)
    spoken = [text(reply) for reply in replies(events)]
    assert [said == answer for said, answer in zip(spoken, ANSWERS.values(), strict=True)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]
    assert 17 <= len(spoken[2].split()) < len(ANSWERS["Tell me a story."].split())
    cut = [bool(of(reply, "unmute.interrupted_by_vad")) for reply in replies(events)]
    assert cut == [False, False, True, True, False, False]
    ends = [before for before, after in pairwise(events) if after["type"] == "response.audio.done"]
    measured = [bool(one["args"]["debug_dict"]) for one in ends]
    assert measured == [False, True, True, True, True, False], "the opening and the nudge answer nobody"


def test_the_first_word_interrupts_a_reply(talk: tuple[Frontend, list[Line]]) -> None:
    """Whatever its age: a voice only holds it."""
    events = told(talk[1])
    kinds = [event["type"] for event in events]
    first, second = (place for place, kind in enumerate(kinds) if kind == "unmute.interrupted_by_vad")
    for place in (first, second):
        assert kinds[place - 2 : place + 3] == [
            HEARD,
            "input_audio_buffer.speech_started",
            "unmute.interrupted_by_vad",
            "unmute.additional_outputs",
            "response.audio.done",
        ]


def test_the_sound_is_a_stream_that_can_be_played(talk: tuple[Frontend, list[Line]]) -> None:
    """Over the cuts, too: sphn makes of it all that was sent, a tone from the beginning to the end."""
    events = told(talk[1])
    heard = sound(events)
    assert len(heard) == page_count(events) * RATE_HZ // 25
    level = heard[: len(heard) // 4800 * 4800].reshape(-1, 4800).std(axis=1)
    assert 0.15 < level[1:].min() < level.max() < 0.3, "a fifth of a second at a time"


@pytest.mark.parametrize("queued", [False, True], ids=["settings first", "old pages first"])
def test_every_character_opens(server: str, queued: bool) -> None:
    """Null instructions are the server's own choice; a page that reconnects may have sent its old pages before."""
    kinds = ("smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation")
    characters: list[Any] = [None, *({"type": kind} for kind in kinds), {"type": "smalltalk", "language": "en/fr"}]

    async def opening(session: Session) -> Frontend:
        async with unmute_frontend(server, session, stale=stale_pages(0.4), queued=queued, within_s=20) as page:
            await page.until("response.audio.done")
        return page

    async def main() -> list[Frontend]:
        sessions = [{"instructions": one, "voice": None, "allow_recording": True} for one in characters]
        return await asyncio.gather(*map(opening, sessions))

    for page in asyncio.run(main()):
        lines = wire(page)
        check(lines, hung_up=False)
        assert [text(reply) for reply in replies(told(lines))] == [ANSWERS["Hello."]]


def test_a_complaint_has_its_shape_and_names_its_message(server: str) -> None:
    """Whatever is wrong with it; the conversation goes on as if it had not been sent."""
    wrong: list[Message] = [
        {"type": "sing", "event_id": "a"},
        {"type": "input_audio_buffer.append", "audio": "?", "event_id": "b"},
        {
            "type": "session.update",
            "session": {"instructions": {"type": "pirate"}, "allow_recording": 1},
            "event_id": "c",
        },
        {"type": "input_audio_buffer.append", "audio": base64.b64encode(b"no page").decode(), "event_id": "d"},
    ]

    async def main() -> Frontend:
        async with unmute_frontend(server, {**SESSION, "allow_recording": False}, within_s=20) as page:
            await page.until("session.updated")
            for message in wrong:
                await page.socket.send_json(message)
            await page.until("response.audio.done")
        return page

    page = asyncio.run(main())
    asked = [("client", message) for message in [page.sent[0], *({**one, "type": "wrong"} for one in wrong)]]
    check([*asked, *(("server", event) for event in page.told)], hung_up=False)
    errors = [event["error"] for event in of(page.told, "error")]
    assert [(error["type"], error["event_id"]) for error in errors] == [
        ("invalid_request_error", name) for name in "abcd"
    ]


@pytest.mark.models
def test_a_turn_with_the_embedded_models(recordings: Path, tmp_path: Path) -> None:
    """Human speech, recognised, answered and spoken; the sound of a reply says as much as its words do."""
    if registry.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")
    session: Session = {
        "instructions": {"type": "constant", "text": "Answer in one short sentence.", "language": "en"},
        "voice": None,
        "allow_recording": True,
    }
    speech = read_sound(recordings / "two_cities.wav")[: int(4.8 * RATE_HZ)]

    async def main(url: str) -> Frontend:
        async with unmute_frontend(url, session, stale=stale_pages(0.4), within_s=120) as page:
            over = await page.until("response.audio.done")
            await page.say(speech)
            await page.until("response.audio.done", since=over)
        return page

    command = [sys.executable, "-m", "voicepipe", "serve", patient_pipeline(tmp_path), "--port", "0"]
    with serving(command, VOICEPIPE_GREETING_AFTER_S="10") as url:
        page = asyncio.run(main(url))
    lines = wire(page)
    check(lines, words_are_final=False, hung_up=False)
    said = [reply for reply in replies(told(lines)) if text(reply)]
    assert BEST_OF_TIMES.word_error_rate(" ".join(event["delta"] for event in of(told(lines), HEARD))) <= 0.25
    assert len(said) >= 2, "the opening and the answer; more, where a pause of the reader looked like their end"
    for reply in (said[0], said[-1]):
        assert 0.15 < page_count(reply) * 0.04 / len(text(reply).split()) < 1.0, "seconds a word"
    heard = sound(page.told)
    assert len(heard) == page_count(page.told) * RATE_HZ // 25
    assert heard.std() > 0.01
