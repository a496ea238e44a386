"""An application's events in a scenario: an act sends one, a claim expects one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import Event, Session, merge
from voicepipe.events import ClientMessage, app_event
from voicepipe.rx import of_type
from voicepipe.testing import Scenario, ScenarioFailed, run


@app_event("test.basket")
@dataclass(frozen=True, slots=True)
class Basket(Event):
    fruit: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Unregistered(Event):
    pass


def doubling(session: Session) -> Observable[Event]:
    """Everything that is no sound passes; each basket is answered with twice as much."""
    baskets = session.received.pipe(of_type(Basket))
    return merge(
        session.received.pipe(of_type(Event)),
        baskets.pipe(rx_ops.delay(0.5), rx_ops.map(lambda basket: Basket(basket.fruit, 2 * basket.count))),
    )


def scene() -> Scenario:
    return Scenario("A basket").at(1).client_sends(Basket("pear")).at(2).client_sends(Basket("fig", 3))


def test_an_act_sends_one_and_a_claim_expects_one() -> None:
    """The client's own event does not come back to it."""
    run(
        scene()
        .between(1.4, 1.6, times=1).client_receives(Basket("pear", 2))
        .ever(times=2).client_receives(Basket)
        .never().client_receives(Basket("pear")),
        doubling,
    )  # fmt: skip


def test_what_was_received_instead_is_told() -> None:
    """And stands in the picture of the conversation."""
    with pytest.raises(ScenarioFailed) as failed:
        run(scene().by(3).client_receives(Basket("fig", 7)), doubling)
    assert "the client received Basket(fruit='pear', count=2), Basket(fruit='fig', count=6)" in str(failed.value)
    assert "→ the client: Basket(fruit='pear', count=2)" in str(failed.value)
    assert 'client sends Basket(fruit="pear")' in str(failed.value)


def test_it_is_written_as_the_code_that_builds_it() -> None:
    """An event, or its class."""
    built = scene().by(3).client_receives(Basket("pear", 2)).ever().client_receives(Basket)
    again = eval(repr(built), {"Scenario": Scenario, "Basket": Basket})
    assert repr(again) == repr(built)


def test_an_event_that_does_not_travel_is_a_fault_of_the_scenario() -> None:
    """It is not registered."""
    with pytest.raises(TypeError, match="Unregistered does not travel"):
        Scenario().at(1).client_sends(Unregistered())
    with pytest.raises(TypeError, match="Unregistered does not travel"):
        Scenario().ever().client_receives(Unregistered)


def test_it_passes_the_default_pipeline() -> None:
    """Whose stages do not know it, and which says nothing of it to the client."""
    run(scene().at(3).user_says("hello").by(5).bot_says("I see.").never().client_receives(Basket))


def test_it_is_a_message_of_the_client() -> None:
    """To a type checker, too."""
    message: ClientMessage = Basket("pear")
    assert isinstance(message, Event)
