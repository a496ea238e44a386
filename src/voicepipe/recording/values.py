"""Events as MessagePack and back: to the bit, without a schema for each, and across versions.

A class is written once in a file, with the names of its fields; then each of its objects is the class's number and the
fields' values. A reader fills a field that it knows and the file does not with the field's default, and leaves out one
that it does not know.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, is_dataclass, make_dataclass, replace
from keyword import iskeyword
from types import FunctionType, MappingProxyType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
import ormsgpack

from voicepipe.conversation import ToolServer
from voicepipe.events import Audio, Event

__all__ = ["Packer", "RecordedError", "Unpacker", "in_16_bits"]

# Extension types of MessagePack. A number keeps its meaning in all versions of the format.
_OBJECT, _LIST, _FROZENSET, _PAIRS, _READ_ONLY, _PCM16, _FLOAT32, _ERROR, _REPR, _TEXT, _INTEGER = range(1, 12)

_MOST_CLASSES = 2_000
_RATES_HZ = range(4_000, 768_001)
_LONGEST_S = 3_600
"""Bounds of what is read, many times what a session writes: a file cannot make a reader take all memory."""

_STEPS = 32_768.0  # of 16 bits

Type = list[Any]
"""`["type", number, "module:name", [names of fields]]`."""


class RecordedError(Exception):
    """An exception of a session: this process does not have its class, or cannot make it again.

    Args:
        text: Its message.
        kind: Its class, as `module:name`.
        given: Its arguments.
    """

    def __init__(self, text: str, kind: str = "", given: tuple[Any, ...] = ()) -> None:
        super().__init__(text)
        self.kind, self.given = kind, given


def in_16_bits(audio: Audio) -> Audio:
    """Return sound with each sample rounded to 16 bits, as it is written: what is run again is what was heard.

    >>> in_16_bits(Audio(np.array([0.1], np.float32), 24_000)).samples[0] * 32768
    np.float32(3277.0)
    """
    samples = np.clip(np.rint(audio.samples * _STEPS), -_STEPS, _STEPS - 1) / _STEPS + 0.0  # and no negative zero
    return Audio(samples.astype(np.float32), audio.rate_hz)


class Packer:
    """Write values, one after the other. A class comes in front of its first object."""

    def __init__(self) -> None:
        self._numbers: dict[type, int] = {}
        self._new: list[Type] = []

    def pack(self, value: object) -> list[bytes]:
        """Return MessagePack messages: those of the classes that are new, and that of the value."""
        message = ormsgpack.packb(self._plain(value))
        new, self._new = self._new, []
        return [*map(ormsgpack.packb, new), message]

    def _plain(self, value: Any) -> Any:
        match value:
            case None | bool() | float() | bytes():
                return value
            case str():
                return value if _is_unicode(value) else _ext(_TEXT, value.encode("utf-8", "surrogatepass"))
            case int():
                return value if -(2**63) <= value < 2**64 else _ext(_INTEGER, str(value).encode())
            case tuple():
                return [self._plain(one) for one in cast("tuple[Any, ...]", value)]
            case ToolServer(headers=headers) if headers:
                return self._extended(replace(value, headers=()))  # they hold the client's keys
            case Audio(samples=samples, rate_hz=rate_hz):
                return _audio(np.asarray(samples, np.float32), rate_hz)
            case _:
                return self._extended(value)

    def _extended(self, value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            values = [self._plain(getattr(value, one.name)) for one in fields(value)]
            return _ext(_OBJECT, [self._number(type(value), fields(value)), *values])
        if isinstance(value, dict) and _has_texts(cast("dict[Any, Any]", value)):
            return {key: self._plain(one) for key, one in cast("dict[str, Any]", value).items()}
        match value:
            case list():
                return _ext(_LIST, self._plain(tuple(cast("list[Any]", value))))
            case frozenset() | set():
                return _ext(_FROZENSET, self._plain(tuple(sorted(cast("set[Any]", value), key=repr))))
            case Mapping():
                pairs = self._plain(tuple(cast("Mapping[Any, Any]", value).items()))
                return _ext(_PAIRS if isinstance(value, dict) else _READ_ONLY, pairs)
            case RecordedError(kind=str(kind), given=given) if kind:
                return _ext(_ERROR, [kind, str(value), self._plain(given)])
            case Exception():
                return _ext(_ERROR, [_name(type(value)), str(value), self._plain(_arguments(value))])
            case np.generic():
                return self._plain(value.item())
            case _:
                return _ext(_REPR, repr(value))

    def _number(self, kind: type, known: tuple[Field[Any], ...]) -> int:
        number = self._numbers.get(kind)
        if number is None:
            number = self._numbers[kind] = len(self._numbers)
            self._new.append(["type", number, _name(kind), [one.name for one in known]])
        return number


class Unpacker:
    """Read what a `Packer` has written, in the same order."""

    def __init__(self) -> None:
        self._types: dict[int, _Class] = {}

    def unpack(self, message: bytes) -> tuple[bool, Any]:
        """Return whether a message holds a value, and the value. A class is none.

        Raises:
            ValueError: This is not what a `Packer` writes.
        """
        read = ormsgpack.unpackb(message, ext_hook=self._made)
        if isinstance(read, list) and read[:1] == ["type"]:
            _, number, name, names = cast("Type", read)
            if len(self._types) >= _MOST_CLASSES:
                raise ValueError(f"it has more than {_MOST_CLASSES} classes")
            self._types[number] = _Class(name, names)
            return False, None
        return True, _value(read)

    def _made(self, tag: int, data: bytes) -> Any:
        if tag == _TEXT:
            return data.decode("utf-8", "surrogatepass")
        if tag == _INTEGER:
            return int(data)
        if tag in (_PCM16, _FLOAT32):
            return _Box(_heard(tag, data))
        read = ormsgpack.unpackb(data, ext_hook=self._made)
        match tag:
            case 1:
                return _Box(self._types[read[0]].make([_value(one) for one in read[1:]]))
            case 2:
                return _Box([_value(one) for one in read])
            case 3:
                return _Box(frozenset(map(_value, read)))
            case 4:
                return _Box(dict(_value(one) for one in read))
            case 5:
                return _Box(MappingProxyType(dict(_value(one) for one in read)))
            case 8:
                return _Box(_error(*read))
            case _:
                return _value(read)


class _Box:
    """A value that is made already: a list in it is a list, and not a tuple as in a message."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _value(read: Any) -> Any:
    match read:
        case _Box():
            return read.value
        case list():
            return tuple(map(_value, cast("list[Any]", read)))
        case dict():
            return {key: _value(one) for key, one in cast("dict[str, Any]", read).items()}
        case _:
            return read


def _ext(tag: int, content: Any) -> ormsgpack.Ext:
    return ormsgpack.Ext(tag, content if isinstance(content, bytes) else ormsgpack.packb(content))


def _has_texts(mapping: dict[Any, Any]) -> bool:
    return all(isinstance(key, str) and _is_unicode(key) for key in mapping)


def _is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8: a client's JSON may hold half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _arguments(error: Exception) -> tuple[Any, ...]:
    """Return what an exception is made of: its attributes by the names of its constructor's parameters, or `args`."""
    made_by = type(error).__init__
    if isinstance(made_by, FunctionType):
        names = list(inspect.signature(made_by).parameters)[1:]
        if names and all(hasattr(error, name) for name in names):
            return tuple(getattr(error, name) for name in names)
    return error.args


# ---- sound -----------------------------------------------------------------------------------------------------------


def _audio(samples: np.ndarray[Any, np.dtype[np.float32]], rate_hz: int) -> ormsgpack.Ext:
    """Write sound as 16 bits where that is exact."""
    steps = samples * _STEPS
    short = np.clip(np.rint(steps), -_STEPS, _STEPS - 1)
    if np.array_equal(short, steps) and not np.signbit(samples[samples == 0]).any():
        return _ext(_PCM16, rate_hz.to_bytes(4, "little") + short.astype("<i2").tobytes())
    return _ext(_FLOAT32, rate_hz.to_bytes(4, "little") + samples.astype("<f4").tobytes())


def _heard(tag: int, data: bytes) -> Audio:
    rate_hz, body = int.from_bytes(data[:4], "little"), data[4:]
    if rate_hz not in _RATES_HZ or len(body) > 4 * _LONGEST_S * rate_hz:
        raise ValueError(f"there is sound of {len(body)} bytes at {rate_hz} Hz")
    if tag == _FLOAT32:
        return Audio(np.frombuffer(body, "<f4").astype(np.float32), rate_hz)
    return Audio((np.frombuffer(body, "<i2") / _STEPS).astype(np.float32), rate_hz)


# ---- classes ---------------------------------------------------------------------------------------------------------


class _Class:
    """A class of the file, and how its objects are made here."""

    def __init__(self, name: str, names: list[str]) -> None:
        _check_names(name, names)
        self._names = names
        found = _found(name)
        is_known = isinstance(found, type) and is_dataclass(found)
        self._kind: type[Any] = cast("type[Any]", found) if is_known else _unknown(name, names)
        self._known = {one.name for one in fields(self._kind) if one.init}
        self._plain = _plain_fields(self._kind) if name.startswith("voicepipe.") else {}

    def make(self, values: list[Any]) -> Any:
        given = {name: value for name, value in zip(self._names, values, strict=True) if name in self._known}
        for name, kinds in self._plain.items():
            if name in given and not isinstance(given[name], kinds):
                raise ValueError(f"{self._kind.__name__}.{name} is of a wrong type: {type(given[name]).__name__}")
        return self._kind(**given)


# A class inside a function has `<locals>` in its name.
_CLASS_NAME = re.compile(r"[^\W\d][\w.]*:[^\W\d](?:\w|\.|<locals>)*")


def _check_names(name: Any, names: Any) -> None:
    """Raise ValueError unless these are names: they come into the representation of objects, and so into source."""
    if not (isinstance(name, str) and _CLASS_NAME.fullmatch(name)):
        raise ValueError("a class has no proper name")
    if not (isinstance(names, list) and all(isinstance(one, str) for one in cast("list[Any]", names))):
        raise ValueError(f"the fields of {name} have no proper names")


def _plain_fields(kind: type[Any]) -> dict[str, tuple[type, ...]]:
    """Return the fields that hold numbers and texts, with their types: a reader relies on these."""
    try:
        hints = get_type_hints(kind)
    except NameError:  # a type that is imported for the type checker only
        return {}
    plain = {name: _types(hints.get(name)) for name in (one.name for one in fields(kind))}
    return {name: kinds for name, kinds in plain.items() if kinds}


_PLAIN: dict[Any, tuple[type, ...]] = {
    float: (float, int),
    **{kind: (kind,) for kind in (str, int, bool, bytes, type(None))},
}


def _types(hint: Any) -> tuple[type, ...]:
    """Return the types of the values of a hint; () for other values than numbers and texts.

    >>> _types(float | None) == (float, int, type(None)), _types(list[str])
    (True, ())
    """
    hint = getattr(hint, "__supertype__", hint)  # of a NewType
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) is Literal:
        kinds: set[type] = {type(one) for one in get_args(hint)}
        return tuple(kinds)
    if get_origin(hint) in (Union, UnionType):
        parts = [_types(one) for one in get_args(hint)]
        return tuple(kind for part in parts for kind in part) if all(parts) else ()
    return ()


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _found(name: str) -> Any:
    """Return a class of voicepipe, or of a module that is loaded already: a file loads no others."""
    module, _, inner = name.partition(":")
    if module not in sys.modules and module.startswith("voicepipe."):
        try:
            importlib.import_module(module)
        except ImportError:
            return None
    found: Any = sys.modules.get(module)
    for part in inner.split("."):
        found = found.__dict__.get(part) if hasattr(found, "__dict__") else None
    return found if isinstance(found, type) else None


def _unknown(name: str, names: list[str]) -> type[Any]:
    """Return a class for objects of one that is not here: an event with the same name and fields."""
    make: Callable[..., type[Any]] = make_dataclass
    known = [(one, Any, None) for one in dict.fromkeys(names) if one.isidentifier() and not iskeyword(one)]
    module, _, inner = name.partition(":")
    kind = make(inner.rpartition(".")[2], known, bases=(Event,), frozen=True, slots=True)
    kind.__module__, kind.__qualname__ = module, inner  # written again, it has the same name
    return kind


def _error(name: str, text: str, read: list[Any]) -> Exception:
    kind, args = _found(name), _value(read)
    if kind is not None and issubclass(kind, Exception):
        try:
            made = kind(*args)
        except Exception:
            return RecordedError(text, name, args)
        if str(made) == text:
            return made
    return RecordedError(text, name, args)
