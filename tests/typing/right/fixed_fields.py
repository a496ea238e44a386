"""Fields by their names, in `match` and after `isinstance`."""

from reactivex import Observable
from reactivex import operators as rx

from voicepipe import Event
from voicepipe.events import TurnEnded, WordRecognised
from voicepipe.rx import of_type


def words(heard: Observable[Event]) -> Observable[str]:
    return heard.pipe(of_type(WordRecognised), rx.map(lambda word: word.text.upper()))


def keyword(event: Event) -> bool | None:
    if isinstance(event, WordRecognised):
        return event.text == "voicepipe"
    match event:
        case TurnEnded(text="goodbye"):
            return False
        case _:
            return None
