"""A field of an event is misspelt."""

from reactivex import Observable
from reactivex import operators as rx

from voicepipe import Event
from voicepipe.events import TurnEnded, WordRecognised
from voicepipe.rx import of_type


def words(heard: Observable[Event]) -> Observable[str]:
    return heard.pipe(of_type(WordRecognised), rx.map(lambda word: word.text.upper()))


def keyword(event: Event) -> bool | None:
    if isinstance(event, WordRecognised):
        return event.txt == "voicepipe"  # error: reportAttributeAccessIssue
    match event:
        case TurnEnded():
            return event.txt == "goodbye"  # error: reportAttributeAccessIssue
        case _:
            return event.text == ""  # error: reportAttributeAccessIssue
