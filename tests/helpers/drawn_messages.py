"""Messages that hypothesis makes a client send: of each dialect, drawn from the server's own types, and worse.

The types are asked for their JSON Schema, so that an event or a field that is new is drawn from then on. Names of items
and responses, and sound, are known only when a message is sent: until then a `Known` or a `Sound` stands there.

A draw costs 25 µs, and there are to be many messages: what has no parts is one draw from a list of all that it may be.
"""

from __future__ import annotations

import base64
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import TypeAdapter

__all__ = ["Known", "Long", "Message", "Say", "Sound", "Speak", "Step", "Upset", "Verbatim", "Wait", "sequences"]

LONGEST = 200
"""Steps of a sequence."""

Message: TypeAlias = dict[str, Any]


# ---- what is known when it is sent ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """A name that the client has been told: of the last item but `number`, of a response, an event or a call."""

    kind: Literal["item", "response", "event", "call"]
    number: int


@dataclass(frozen=True, slots=True)
class Sound:
    """Base64 of sound in the format that holds: a tone, or silence."""

    ms: int
    loud: bool


@dataclass(frozen=True, slots=True)
class Noise:
    """Base64 of `head` and so many bytes of nothing in particular."""

    head: bytes
    size: int

    @property
    def text(self) -> str:
        return base64.b64encode(self.head + random.Random(self.size).randbytes(self.size)).decode()


@dataclass(frozen=True, slots=True)
class Long:
    """A string of so many letters."""

    letters: int

    @property
    def text(self) -> str:
        return "x" * self.letters


@dataclass(frozen=True, slots=True)
class Verbatim:
    """JSON that Python would not write: `count` times `before`, then `inside`, and as often `after`."""

    count: int
    before: str
    inside: str = ""
    after: str = ""

    @property
    def json(self) -> str:
        return f"{self.before * self.count}{self.inside}{self.after * self.count}"


# ---- steps ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """One message: a JSON value, or a text that may be none. `more`: the next one comes with it, in one packet."""

    message: Any
    more: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Speak:
    """The microphone is on, in real time."""

    loud_s: float
    silent_s: float


@dataclass(frozen=True, slots=True)
class Upset:
    """Frames that are no message; `kind` says what the frames of the WebSocket are."""

    kind: Literal["binary", "split", "ping", "reserved", "not UTF-8", "too long"]


Step: TypeAlias = Say | Wait | Speak | Upset


# ---- values ---------------------------------------------------------------------------------------------------------

WORDS = ["", "a", "Be brief.", "Say goodbye.", "é€🎧", "\0\x1f\u2028", " ", "null", Long(3_000)]
NUMBERS = [0, 1, -1, 0.5, 20, 400, 1000, 2**31, 2**63, 10**30, 1e308, -0.0, 1e-300]
NO_NUMBERS = [float("nan"), float("inf"), float("-inf"), Verbatim(5_000, "9"), Verbatim(900, "9")]
DEEP = [Verbatim(depth, "[", "", "]") for depth in (30, 300, 950, 3_000, 100_000)]
DEEP += [Verbatim(depth, '{"a":', "1", "}") for depth in (30, 300, 950, 3_000, 20_000)]
HALVES = [Verbatim(1, r'"\ud83c"'), Verbatim(1, r'"\udfa7 \ud83c"'), Verbatim(1, r'{"\ud800": 1}')]
OBJECTS = [{}, {"type": "near_field"}, {"language": "en"}, {"a": "b", "c": None}, {"a": {"b": [1]}}]
JUNK: list[Any] = [None, True, 0, -1, 1.5, 10**30, "", "x", [], [[]], ["x"], *OBJECTS, Long(2_000)]
JUNK += [*NO_NUMBERS, *DEEP, *HALVES, Known("item", 0), Known("response", 0), Known("event", 0)]

ITEMS = [Known("item", number) for number in (0, 0, 0, 1, 1, 2, 3, 5, 9)]
NAMES = [*ITEMS, *(f"mine_{number}" for number in range(4)), "", "é", Long(65)]
NO_BASE64 = ["T2dn*", "=", "T", "T2dn\n", "T2dn ", "x" * 7, "Zm9v=Zm9v", "é", Long(4_000)]
OGG = b"OggS\0"
"""The first bytes of an Ogg page; its flags follow."""
PACKETS = [Noise(b"", size) for size in (0, 1, 3, 480, 4_801, 40_000)]
PACKETS += [Noise(head, size) for head in (OGG[:4], OGG, OGG + b"\2", OGG + b"\4") for size in (0, 23, 400, 5_000)]
AUDIO = [Sound(ms, loud) for ms in (20, 100, 300) for loud in (False, True)] * 7
AUDIO += [Sound(1_000, loud=True), Sound(4_000, loud=False), *PACKETS, *NO_BASE64]
SPECIAL: dict[str, list[Any]] = {
    "audio": AUDIO,
    "item_id": NAMES,
    "previous_item_id": [*NAMES, "root"],
    "id": NAMES,
    "call_id": [*(Known("call", number) for number in range(3)), *NAMES],
    "response_id": [*(Known("response", number) for number in range(3)), *NAMES],
    "name": ["look_up", "look_up", "sing", "wave", "no name", "", Long(65)],
    "event_id": [*(f"e{number}" for number in range(20)), "", "é", Long(600)],
}
"""Strings, by the names of their fields."""


# ---- from a JSON Schema ---------------------------------------------------------------------------------------------

Drawn: TypeAlias = SearchStrategy[Any]


class _Drawing:
    """Values of a JSON Schema, mostly. Of such schemas, what pydantic writes is understood."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self._made: dict[str, Drawn] = {}

    def of(self, schema: dict[str, Any], name: str = "") -> Drawn:
        match schema:
            case {"$ref": reference}:
                return self._referred(reference.rpartition("/")[2])
            case {"anyOf": parts} | {"oneOf": parts}:
                plain = [value for part in parts for value in _plain(part, name) or ()]
                others = [self.of(part, name) for part in parts if _plain(part, name) is None]
                return st.one_of(*others, *([st.sampled_from(plain)] if plain else []))
            case {"type": "object", "properties": properties}:
                return self._object(properties, schema.get("required", []))
            case {"type": "array", "items": items}:
                return st.lists(self.of(items, name), max_size=schema.get("maxItems", 2))
            case _:
                return st.sampled_from(_plain(schema, name) or JUNK)

    def _referred(self, definition: str) -> Drawn:
        if definition not in self._made:
            self._made[definition] = st.deferred(lambda: drawn)
            drawn = self.of(self._definitions[definition])
            self._made[definition] = drawn
        return self._made[definition]

    def _object(self, properties: dict[str, Any], required: list[str]) -> Drawn:
        given = {name: part["const"] for name, part in properties.items() if "const" in part}
        fields = {name: self.of(part, name) for name, part in properties.items() if name not in given}
        often = [name for name in fields if name not in required]
        chosen = st.sampled_from([set[str](), *map(set, _choices(often))]) if often else None
        return _filled(given, fields, set(often), chosen)


def _plain(schema: dict[str, Any], name: str) -> list[Any] | None:
    """All that may be drawn of a schema without parts."""
    match schema:
        case {"const": value}:
            return [value]
        case {"enum": values}:
            return list(values)
        case {"type": "string"}:
            return SPECIAL.get(name, WORDS)
        case {"type": "integer" | "number"}:
            return _numbers(schema)
        case {"type": "boolean"}:
            return [False, True]
        case {"type": "null"}:
            return [None]
        case {"type": "object"} if "properties" not in schema:
            return OBJECTS
        case _:
            return None


def _numbers(schema: dict[str, Any]) -> list[Any]:
    least: float = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    most: float = schema.get("maximum", least + 3_000)
    inside = [least, most, (least + most) / 2, least + 1, least + 20, min(most, least + 400)]
    whole = [int(one) if one == int(one) else one for one in inside]
    return [*whole * 3, *NUMBERS, *NO_NUMBERS]


def _choices(names: list[str]) -> Iterator[tuple[str, ...]]:
    """Which fields are there: seldom many."""
    for count in (1, 1, 2, 3) if len(names) < 12 else (1, 1, 1, 2):
        yield from itertools.combinations(names, count)
    yield tuple(names)


@st.composite
def _filled(
    draw: Callable[..., Any], given: Message, fields: dict[str, Drawn], often: set[str], chosen: Drawn | None
) -> Message:
    there = draw(chosen) if chosen is not None else ()
    return {**given, **{name: draw(part) for name, part in fields.items() if name not in often or name in there}}


def drawn_from(events: TypeAdapter[Any]) -> dict[str, SearchStrategy[Message]]:
    """For each type of event, what such an event may look like."""
    schema = events.json_schema()
    drawing = _Drawing(schema)
    kinds: dict[str, str] = schema["discriminator"]["mapping"]
    return {kind: drawing.of({"$ref": reference}) for kind, reference in kinds.items()}


# ---- almost right ---------------------------------------------------------------------------------------------------

_PLACES = st.integers(0, 255)
_DAMAGE = st.sampled_from(
    [("replaced", value) for value in JUNK] * 2
    + [(f"beside {name}", value) for value in JUNK for name in ("unheard_of", "unheard_of", "id", "object")]
    + [("gone", None), ("renamed", None), ("wrapped", None)] * 20
)


@st.composite
def _damaged(draw: Callable[..., Any], message: SearchStrategy[Message]) -> Message:
    """A good message of which one thing is not as it should be."""
    whole = _copied(draw(message))
    places = list(_places(whole))
    holder, key = places[draw(_PLACES) % len(places)]
    match draw(_DAMAGE):
        case "replaced", value:
            holder[key] = value
        case "gone", _:
            del holder[key]
        case "renamed", _ if isinstance(holder, dict):
            holder[f"{key}_"] = holder.pop(key)
        case beside, value if isinstance(holder, dict) and beside.startswith("beside"):
            holder[beside.split()[1]] = value
        case _:
            holder[key] = [holder[key]]
    return whole


def _copied(value: Any) -> Any:
    """Copy a drawn value: it shares its parts with later draws."""
    match value:
        case dict():
            return {key: _copied(one) for key, one in cast("Message", value).items()}
        case list():
            return [_copied(one) for one in cast("list[Any]", value)]
        case _:
            return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everything inside of a JSON value: what holds it, and under which key."""
    inside: Sequence[Any] = list(value) if isinstance(value, dict) else range(len(value))
    for key in inside:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(cast("Any", value[key]))


ANYTHING: Drawn = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
# fmt: off
NO_MESSAGES: Drawn = st.sampled_from([
    "", " ", "hello", "{", "}", '{"type"', "[1]", "null", "NaN", "1e999", "nul", "\ufeff{}", "{}", '{"type": null}',
    '{"type": "sing"}', '{"type": "error"}', '{"type": ["session.update"]}', '{"event_id": "e1"}',
    '{"type": "session.update", "session": {"allow_recording": [[[]]]}, "session": 3}', '{"type": "\\ud800"}',
    '{"type": "input_audio_buffer.clear", "event_id": {"e": 1}}', *JUNK, Long(90_000),
    Verbatim(2_000, '{"a":'), Verbatim(100_000, "["),
])
# fmt: on


# ---- sequences ------------------------------------------------------------------------------------------------------

WAITS = [0.02, 0.1, 0.3, 0.3, 1.0, 1.0, 3.0, 3.0, 10.0]
SPEECH = [Speak(loud_s, silent_s) for loud_s in (0.0, 0.1, 0.5, 1.0) for silent_s in (0.0, 0.1, 0.4, 1.0)]
UPSETS = ["binary"] * 6 + ["split"] * 6 + ["ping"] * 6 + ["reserved", "not UTF-8", "too long"]


def sequences(
    events: TypeAdapter[Any],
    weights: dict[str, int],
    *,
    usual: Sequence[Message] = (),
    foreign: TypeAdapter[Any] | None = None,
) -> SearchStrategy[list[Step]]:
    """Steps of a client that speaks the dialect whose events these are, a hundred or so.

    A type of event comes as often as `weights` says, or once, where it says nothing; one of the `usual` messages, which
    are good and seldom drawn, as often as two of these. Of ten messages three are damaged, and one is of the dialect
    `foreign`.
    """
    good = [part for kind, part in drawn_from(events).items() for _ in range(weights.get(kind, 1))]
    good += [st.sampled_from(usual)] * 2 if usual else []
    whole = [part.map(Say) for part in good] * 3 + [part.map(lambda one: Say(one, more=True)) for part in good]
    broken = [_damaged(part).map(Say) for part in good] * 2
    others: list[tuple[int, Drawn]] = [
        (3, NO_MESSAGES.map(Say)),
        (1, st.one_of(st.text(max_size=20), ANYTHING).map(Say)),
        (6, st.sampled_from([Wait(seconds) for seconds in WAITS])),
        (2, st.sampled_from(SPEECH)),
        (1, st.sampled_from([Upset(cast("Any", kind)) for kind in UPSETS])),
    ]
    if foreign is not None:
        others.append((8, st.one_of(*drawn_from(foreign).values()).map(Say)))
    return _steps(_by_weight(whole + broken, others))


def _by_weight(mostly: list[Drawn], others: list[tuple[int, Drawn]]) -> SearchStrategy[Drawn | None]:
    """One of `mostly`, or of the others, which are given in per cent; once in 200 None."""
    share = 100 // len(mostly) + 1
    total = len(mostly) * share * 100 / (100 - sum(count for count, _ in others))
    rest = [part for count, part in others for _ in range(round(count * total / 100))]
    return st.sampled_from([None] * round(total / 200) + mostly * share + rest)


@st.composite
def _steps(draw: Callable[..., Any], parts: SearchStrategy[Drawn | None]) -> list[Step]:
    one = _step(parts)
    steps: list[Step] = []
    while len(steps) < LONGEST and (step := draw(one)) is not None:
        steps.append(step)
    return steps


@st.composite
def _step(draw: Callable[..., Any], parts: SearchStrategy[Drawn | None]) -> Step | None:
    """None: it ends here."""
    part = draw(parts)
    return None if part is None else draw(part)
