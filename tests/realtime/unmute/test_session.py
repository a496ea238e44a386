"""A recorded session in Unmute's dialect, replayed; and what the check of it says when the session is not as it was.

`python tests/e2e/record_unmute_session.py` records another.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ogg_opus import pages
from pydantic import ValidationError
from server_events import UNMUTE_SERVER_EVENTS
from unmute_check import Line, Message, check, read_recording, told, violations
from unmute_fields import EVENTS
from unmute_order import ORDER, events_of, rows
from unmute_talk import WORD_S

from voicepipe.realtime.ids import new_id

pytestmark = pytest.mark.explored

ROOT = Path(__file__).resolve().parents[3]
RECORDED = read_recording(ROOT / "tests" / "data" / "unmute_session.jsonl")
EVENTS_TOLD = told(RECORDED)
PLACES = [place for place, (sender, _) in enumerate(RECORDED) if sender == "server"]
READY, SPOKEN, SOUND = "unmute.response.text.delta.ready", "response.text.delta", "response.audio.delta"
CUT = "unmute.interrupted_by_vad"
COMPLAINT: Message = {
    "type": "error",
    "event_id": new_id("event"),
    "error": {"type": "warning", "code": "warning", "message": "Speak up.", "param": None, "event_id": None},
}


def kind(place: int) -> str:
    return RECORDED[place][1]["type"]


def is_rejected(lines: list[Line]) -> bool:
    return next(violations(lines, word_s=WORD_S), None) is not None


def changed(place: int, *events: Message) -> list[Line]:
    """The session with others in the place of an event."""
    return [*RECORDED[:place], *(("server", event) for event in events), *RECORDED[place + 1 :]]


def test_the_recorded_session_is_as_the_protocol_has_it() -> None:
    """With every event that there is but a complaint, and a reply that was cut by a voice and one by a word."""
    check(RECORDED, word_s=WORD_S)
    assert {event["type"] for event in EVENTS_TOLD} | {"error"} == EVENTS.keys() == events_of()
    assert sum(event["type"] == CUT for event in EVENTS_TOLD) == 2


def test_the_recorded_session_is_as_our_types_have_it() -> None:
    """The types read the very values of the file."""
    for event in EVENTS_TOLD:
        read = UNMUTE_SERVER_EVENTS.validate_json(json.dumps(event))
        assert UNMUTE_SERVER_EVENTS.dump_python(read) == event


def test_the_documentation_has_the_same_order() -> None:
    """Line by line."""
    page = (ROOT / "docs" / "reference" / "wire.md").read_text("utf-8")
    table = re.search(r"\| event +\| the user .*?\n\n", page, re.DOTALL)
    assert table is not None
    assert rows(table[0]) == rows(ORDER)


# ---- order -----------------------------------------------------------------------------------------------------------


CUT_REPLIES = [
    range(max(at for at in range(cut) if kind(at) == "response.created"), cut) for cut in PLACES if kind(cut) == CUT
]


def unheard(place: int, *, after: int = 0) -> bool:
    """Return whether a word or sound was of a reply that was cut, so that the user may have heard less of it.

    Words count from the one that was being spoken (`after` 1: behind it); of the sound, its edges.
    """
    for reply in CUT_REPLIES:
        if place in reply:
            of_its_kind = [at for at in reply if kind(at) == kind(place)]
            spoken = sum(kind(at) == SPOKEN for at in reply)
            edges = (of_its_kind[0], of_its_kind[-1])
            return of_its_kind.index(place) >= spoken - 1 + after if kind(place) == READY else place in edges
    return False


def test_no_event_can_be_missing() -> None:
    """But for what was made for a reply that was cut, and not heard any more; and outputs in front of a reply."""
    missed = {place for place in PLACES if not is_rejected(changed(place))}
    missed -= {at for at in missed if (kind(at), kind(at + 1)) == ("unmute.additional_outputs", "response.created")}
    assert {kind(place) for place in missed} == {READY, SOUND}
    assert all(unheard(place, after=1) for place in missed)


def test_no_event_comes_twice() -> None:
    """Not even with another name, but for a word that was written for a reply that was cut."""
    missed: set[int] = set()
    for place in PLACES:
        event = RECORDED[place][1]
        assert is_rejected(changed(place, event, event))
        if not is_rejected(changed(place, event, {**event, "event_id": new_id("event")})):
            missed.add(place)
    assert {kind(place) for place in missed} == {READY}
    assert all(unheard(place) for place in missed)


def test_no_two_neighbours_can_change_places() -> None:
    """But a word that is ready, one that is spoken and sound, which go beside each other once the bot speaks; and the
    start of a turn and a word of it, since several may come before it is known that they are no echo.
    """
    beside = {READY, SPOKEN, SOUND}
    first_words = {"input_audio_buffer.speech_started", "conversation.item.input_audio_transcription.delta"}
    for before, after in pairwise(PLACES):
        swapped = changed(before, RECORDED[after][1], RECORDED[before][1])
        del swapped[after + 1]
        if kind(before) != kind(after) and {kind(before), kind(after)} <= beside:
            continue
        if {kind(before), kind(after)} == first_words:
            continue
        if unheard(before, after=1) and unheard(after, after=1):
            continue
        assert is_rejected(swapped), (before, kind(before), kind(after))


def test_the_bot_is_heard_before_its_words_are() -> None:
    """And a word is written before it is spoken."""
    first = next(place for place in PLACES if kind(place) == SOUND)
    word = next(place for place in PLACES if kind(place) == SPOKEN)
    for early, late in ((word, first), (word, next(place for place in PLACES if kind(place) == READY))):
        lines = RECORDED.copy()
        lines.insert(late, lines.pop(early))
        assert is_rejected(lines)


def test_nothing_of_a_cut_reply_comes_after_the_cut() -> None:
    """Sound, spoken words and written words, moved one by one behind what says that it was cut, or behind its end."""
    by_voice = CUT_REPLIES[0]
    cut = by_voice.stop
    for place in (one for one in by_voice[1:] if kind(one) != "input_audio_buffer.speech_started"):
        for behind in (1, 3):
            lines = RECORDED.copy()
            lines.insert(cut + behind - 1, lines.pop(place))
            assert is_rejected(lines), (kind(place), behind)


def test_nothing_comes_after_the_farewell() -> None:
    """Whatever it is; and a session that stops anywhere before has not been ended by the bot."""
    for event in {event["type"]: event for event in [*EVENTS_TOLD, COMPLAINT]}.values():
        assert is_rejected([*RECORDED, ("server", {**event, "event_id": new_id("event")})])
    assert is_rejected(RECORDED[:-1])


def test_a_complaint_may_come_at_any_time() -> None:
    """If it is about nothing, or about what the client has sent."""
    for place in PLACES:
        assert not is_rejected(changed(place, COMPLAINT, RECORDED[place][1]))
    stranger = {**COMPLAINT, "error": {**COMPLAINT["error"], "event_id": "never sent"}}
    assert is_rejected(changed(PLACES[-1], stranger, RECORDED[-1][1]))


# ---- fields ----------------------------------------------------------------------------------------------------------

ONE_OF_EACH = {event["type"]: (place, event) for place, (_, event) in reversed(list(enumerate(RECORDED))) if place}
ONE_OF_EACH["error"] = (len(RECORDED), COMPLAINT)
Path_ = tuple[str | int, ...]


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """To every field, into objects, and into the first of a list."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else []
    for key, inner in inside:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def at(event: Message, path: Path_) -> Any:
    for key in path:
        event = event[key]  # pyright: ignore[reportArgumentType]
    return event


def with_field(event: Message, path: Path_, *value: Any) -> Message:
    """The event with another value there, or, with none, without the field."""
    other = copy.deepcopy(event)
    holder = at(other, path[:-1])
    if value:
        holder[path[-1]] = value[0]
    else:
        del holder[path[-1]]
    return other


def is_refused(event: Message) -> bool:
    """By our types."""
    try:
        UNMUTE_SERVER_EVENTS.validate_json(json.dumps(event))
    except ValidationError:
        return True
    return False


def spoilt(event: Message, path: Path_) -> Iterator[Message]:
    """Without the field; with values of every other type in it; with a key that is unknown."""
    value = at(event, path)
    if isinstance(path[-1], str):
        yield with_field(event, path)
    if isinstance(value, dict):
        yield with_field(event, (*path, "new"), 1)
    for other in ("two words", 3, True, [], {"a": 1}, None):
        fits = (str, type(None)) if path in OPTIONAL else (float, int) if isinstance(value, float) else (type(value),)
        if type(other) not in fits:
            yield with_field(event, path, other)


OPTIONAL = {("error", "param"), ("error", "event_id")}
OPEN = {"session", "debug_dict"}
"""What our types leave open; the check does not."""


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_no_field_can_be_missing_or_new_or_of_another_type(name: str) -> None:
    """On any level, and not by our types either."""
    place, event = ONE_OF_EACH[name]
    for path in paths(event):
        for other in spoilt(event, path):
            assert is_rejected(changed(place, other)), other
            assert set(path) & OPEN or is_refused(other), other
    other = {**event, "new": 1}
    assert is_rejected(changed(place, other))
    assert is_refused(other)


@pytest.mark.parametrize(
    "wrong",
    ["event_", "event_BJhGUIswO2u7vA2Cxw3J", "event_BJhGUIswO2u7vA2Cxw3Jyy", "event_BJhGUIswO2u7vA2Cxw3J-", "x"],
)
def test_names_of_events_have_a_shape(wrong: str) -> None:
    """`event_` and 21 letters or digits."""
    assert is_rejected(changed(PLACES[5], {**RECORDED[PLACES[5]][1], "event_id": wrong}))


def test_no_text_can_be_another() -> None:
    """The words that were heard, written, spoken and remembered are one talk."""
    for place in PLACES:
        event = RECORDED[place][1]
        for path in paths(event):
            if path[-1] in ("delta", "text", "content", "role", "voice") and not unheard(place, after=1):
                value = at(event, path)
                for other in (f"{value}x", f"{value} ", f" {value}", f"{value} {value}", ""):
                    assert is_rejected(changed(place, with_field(event, path, other))), (event, path, other)


def test_no_message_of_a_history_can_be_missing() -> None:
    """Nor be there twice."""
    for place in PLACES:
        event = RECORDED[place][1]
        for path in paths(event):
            if path[-1] == "chat_history":
                history = at(event, path)
                for number in range(len(history)):
                    for times in (0, 2):
                        other = [*history[:number], *[history[number]] * times, *history[number + 1 :]]
                        assert is_rejected(changed(place, with_field(event, path, other)))


def test_no_page_of_sound_can_be_broken() -> None:
    """Each has a checksum; a byte is changed in the header, in the list of packets, and in the sound."""
    for place in PLACES:
        if kind(place) == SOUND and not unheard(place, after=1):
            data = base64.b64decode(RECORDED[place][1]["delta"])
            assert pages(data)
            for number in (0, 5, 6, 14, 18, 22, 26, 27, 28, len(data) - 1):
                broken = bytes([*data[:number], data[number] ^ 1, *data[number + 1 :]])
                event = {**RECORDED[place][1], "delta": base64.b64encode(broken).decode()}
                assert is_rejected(changed(place, event))


def test_words_do_not_go_back_in_time() -> None:
    """The times of the user's words rise; the parts of a latency sum to it."""
    heard = [place for place in PLACES if "start_time" in RECORDED[place][1]]
    for place in heard[1:]:
        assert is_rejected(changed(place, {**RECORDED[place][1], "start_time": 0.0}))
    measured = [place for place in PLACES if RECORDED[place][1].get("args", {}).get("debug_dict")]
    assert measured
    for place in measured:
        path = ("args", "debug_dict", "total_ms")
        total_ms = at(RECORDED[place][1], path)
        assert is_rejected(changed(place, with_field(RECORDED[place][1], path, total_ms + 1)))


def test_settings_are_acknowledged_as_they_were_written() -> None:
    """Before anything else; and each time that they are sent."""
    update, updated = RECORDED[0][1], RECORDED[1][1]
    for key in updated["session"]:
        assert is_rejected(changed(1, with_field(updated, ("session", key))))
    assert is_rejected([("client", update), *RECORDED])
    again = [("client", update), ("server", {**updated, "event_id": new_id("event")})]
    assert not is_rejected([*RECORDED[:2], *again, *RECORDED[2:]])
