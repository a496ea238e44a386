"""Events of an application's own: what can be one, and what it is called."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import PydanticUserError

from voicepipe.events import Event, WordRecognised, app_event
from voicepipe.events.application import app_event_named, app_event_type, is_app_event


@app_event("test.lamp_switched")
@dataclass(frozen=True, slots=True)
class LampSwitched(Event):
    room: str
    on: bool = True


def test_a_registered_class_has_a_name() -> None:
    """And is found by it."""
    lamp = LampSwitched("kitchen")
    registered = app_event_type(lamp)
    assert registered is not None
    assert registered is app_event_named("test.lamp_switched")
    assert (registered.name, registered.kind) == ("test.lamp_switched", LampSwitched)
    assert is_app_event(lamp)


def test_no_other_event_travels() -> None:
    """Neither one of voicepipe's nor one that is not registered."""
    assert not is_app_event(WordRecognised("hi", 0, 1))
    assert app_event_type(WordRecognised("hi", 0, 1)) is None
    assert app_event_named("test.absent") is None


@pytest.mark.parametrize("name", ["", "two words", ".a", "a.", "a/b", 'a"b'])
def test_a_name_can_be_sent(name: str) -> None:
    """As a part of the message's type."""
    with pytest.raises(ValueError, match="cannot name an event"):
        app_event(name)


def test_two_classes_cannot_have_one_name() -> None:
    """Also not those of two pipelines of a server."""
    with pytest.raises(ValueError, match=r"app\.test\.lamp_switched is the name of .*LampSwitched already"):

        @app_event("test.lamp_switched")
        @dataclass(frozen=True, slots=True)
        class Other(Event):
            pass


@dataclass(frozen=True)
class NoEvent:
    pass


@dataclass
class Changing:
    pass


class NoDataclass(Event):
    pass


@dataclass(frozen=True, slots=True)
class Typed(Event):
    type: str


@pytest.mark.parametrize("kind", [NoEvent, Changing, NoDataclass, Typed])
def test_it_is_a_frozen_dataclass_that_derives_from_event(kind: type[Event]) -> None:
    """Without the fields that every message has."""
    with pytest.raises(TypeError):
        app_event("test.wrong")(kind)
    assert app_event_named("test.wrong") is None


class Unknown:
    pass


@dataclass(frozen=True, slots=True)
class Holding(Event):
    thing: Unknown


def test_a_field_that_cannot_be_sent_is_told_where_the_class_is_declared() -> None:
    """And not in the middle of a conversation."""
    with pytest.raises(PydanticUserError, match="Unknown"):
        app_event("test.holding")(Holding)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("_reloaded_events", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_module_that_is_loaded_again_registers_its_class_again(tmp_path: Path) -> None:
    """Events of the class that it had before still travel."""
    path = tmp_path / "shop.py"
    path.write_text(
        "from dataclasses import dataclass\nfrom voicepipe.events import Event, app_event\n"
        "@app_event('test.reloaded')\n@dataclass(frozen=True, slots=True)\nclass Sold(Event):\n    dish: str\n"
    )
    before, after = load(path), load(path)
    registered = app_event_named("test.reloaded")
    assert registered is not None
    assert registered.kind is after.Sold
    assert is_app_event(before.Sold("soup"))
