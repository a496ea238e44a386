"""`hang_up_after`: the bot ends the conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from voicepipe.events import (
    ConversationEnded,
    Event,
    FunctionCalled,
    FunctionReturned,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
)
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["end_call", "hang_up_after"]

_MARKS = " .!?…,"
_CLAUSES = re.compile(r"([^.!?…,;:—–]+)([.!?…,;:—–]*)")
_SPEECH = (
    r"say|says|said|saying|sing|sings|sang|singing|called|reads?|means?|word|wrote|songs?|titled|answer(s|ed)"
    r"|repl(ies|ied)|whisper(s|ed)|shout(s|ed)|cr(ies|ied)|yell(s|ed)|murmur(s|ed)|spell(s|ed)|tells?|told( \w+)?"
    r"|in (english|german|french|spanish|italian|dutch|portuguese)"
    r"|sag(e|en|t|te|ten)|ruf(t|en)|rief(en)?|singt|sang(en)?|heißt|schrieb(en)?|di(t|sent|re|saient|sait)|chante(nt)?"
    r"|s'appelle|dic(e|en|ir)|dijo|dijeron|canta(n)?|significa|se llama"
)
"""Verbs of speech, titles, and the name of a language."""
# At the end of a clause these say that a farewell is told; in a question, that it is asked for.
_REPORTS = re.compile(rf"\b({_SPEECH}|wav(es|ed)|goes|went|is|are|was|were|hello|hi|ist|est|es)$")
_ASKS = re.compile(rf"\b({_SPEECH})\b")
# What may stand in one clause with a farewell: "Thank you and goodbye", "Bye for now".
_COURTESY = (
    r"(?:(?:ok|okay|well|so|all ?right|alright|thanks|thank you|good ?night|take care|see you|and|then|now|danke|und"
    r"|dann|also|merci|et|alors|gracias|y|pues) )*"
)
_BEHIND = r"(?: (?:now|then|for now|everyone|all|dann|alle))?"
# How a result begins that says what went wrong (see `Toolbox.run`).
_ERROR = '{"error":'


def end_call(reason: str = "") -> str:
    """End the call. Use it when the user has said goodbye, or wants nothing more.

    Args:
        reason: why the call ends
    """
    return "The call ends after this reply: say goodbye now, in a few words, if you have not."


@stage_factory(gives=(ConversationEnded,), passes=True)
def hang_up_after(farewell: str | Callable[..., object]) -> Stage[ReplyAudio | Event, ReplyAudio | Event]:
    """Emit `ConversationEnded` after a reply that was played to its end and ends with `farewell`; everything passes.

    The farewell stands for itself at the end ("See you, bye!", "Thank you and bye!"), and may be part of a word. In a
    sentence ("You say goodbye!"), behind a verb of speech or a colon ("The word is: bye!"), as a question, as the
    answer to one about words ("What do you say? Bye!"), in quotes or more than twice ("Bye Bye Bye!", a song) it is
    none. If the client leads the conversation, the client ends it, too, and nothing is emitted.

    Or `farewell` is a function of the pipeline's, such as `end_call`, which the model may call (`with_tools`): the
    conversation ends after a reply in which it has returned, in every dialect. It goes on if the function raised, or if
    the user interrupts the reply.

    Args:
        farewell: The last word of the reply, in either case of letters; or a function.

    .. marbles::

        replies         a-b|      b: ReplyEnded("… Bye!")
        hang_up_after   a-(bh)|   h: ConversationEnded
    """
    if not isinstance(farewell, str):
        return transduce(lambda _: _Called(getattr(farewell, "__name__", "")))
    goodbye = farewell.strip(_MARKS).lower()

    def step(event: ReplyAudio | Event) -> Iterator[ReplyAudio | Event]:
        yield event
        if isinstance(event, ReplyEnded) and _takes_leave(event.text.lower(), goodbye) and not event.conversation.led:
            yield ConversationEnded(f"the bot said {farewell!r}")

    return transduce(lambda _: step)


class _Called:
    """Ends the conversation after a reply in which the function has returned."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._calls, self._returned = set[str](), False

    def __call__(self, event: ReplyAudio | Event) -> Iterator[ReplyAudio | Event]:
        yield event
        match event:
            case ReplyStarted():
                self._calls, self._returned = set[str](), False
            case FunctionCalled(call=call, server_side=True) if call.name == self._function:
                self._calls.add(call.id)
            case FunctionReturned(id=call_id, output=output) if call_id in self._calls:
                self._returned = self._returned or not output.startswith(_ERROR)
            case ReplyEnded() if self._returned:
                yield ConversationEnded(f"the bot called {self._function}")
            case _:
                pass


def _takes_leave(text: str, farewell: str) -> bool:
    """Return whether a text's last clause is the farewell, once or twice, and nothing that is told, asked or quoted."""
    *before, (last, mark) = [
        (clause.strip(), mark) for clause, mark in _CLAUSES.findall(re.sub("[¡¿]", "", text)) if clause.strip()
    ] or [("", "")]
    once = rf"\w*{re.escape(farewell)}"
    clause = rf"{_COURTESY}{once}(?: {once})?{_BEHIND}"
    if "?" in mark or re.fullmatch(clause, last.replace("-", " ").strip()) is None:
        return False
    return not before or not _is_told(*before[-1])


def _is_told(clause: str, mark: str) -> bool:
    """Return whether a clause, with its mark, says of what follows that it is told, and not said."""
    if mark.strip().endswith("?"):
        return _ASKS.search(clause) is not None
    return mark.strip().endswith(":") or _REPORTS.search(clause) is not None
