"""The spoken part of a model's text: without reasoning, end tokens, and function calls written as text. No I/O.

A model that is served without the parser of its chat template writes all of them into its text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from voicepipe.llm.openai.markers import Marker, MarkerSplitter
from voicepipe.llm.openai.written_calls import (
    CALL_MARKERS,
    CALL_OPENERS,
    WrittenCall,
    bare_call,
    harmony_call,
    written_calls,
)

__all__ = ["Markup"]

_REASONING: Final = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "seed:think")},
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
}
"""The end marker of reasoning by its start marker: DeepSeek, Qwen, Gemini, Seed, Magistral, Kimi."""

_REASONING_ENDS: Final = frozenset(_REASONING.values())
_CHANNEL, _START, _MESSAGE = "<|channel|>", "<|start|>", "<|message|>"
_HARMONY_ENDS: Final = frozenset({"<|end|>", "<|return|>", "<|call|>", _CHANNEL, _START})
_SILENT_CHANNELS = ("analysis",)

_NEW_TURNS: Final = {"<|im_start|>": "\n", "<start_of_turn>": "\n", "<|start_header_id|>": "<|end_header_id|>"}
"""The end marker of the role by the start marker of a turn."""

_END_TOKENS: Final = frozenset(
    {
        *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|eos|>"),
        *("<end_of_turn>", "<eos>", "</s>", "<s>", "<bos>", "<|begin_of_text|>", "<|end_of_turn|>", "<|eot|>", "<pad>"),
        *("<｜end▁of▁sentence｜>", "<|assistant|>", "<|endofprompt|>", "<|end_of_role|>", "[/inst]", "<|eor|>"),
    }
)

_ALWAYS: Final = frozenset(
    {*_REASONING, *_REASONING_ENDS, *_HARMONY_ENDS, _MESSAGE, *_NEW_TURNS, "<|end_header_id|>", *_END_TOKENS}
)
# What Llama writes between two bare calls.
_BETWEEN_CALLS: Final = " \t\r\n;,"
# A bare JSON object that is no call after so many characters is text.
_LONGEST_BARE_CALL = 4_000


@dataclass(slots=True)
class _Spoken:
    """Text is said."""


@dataclass(slots=True)
class _Hidden:
    """Text is not said until one of `ends`."""

    ends: frozenset[str]


@dataclass(slots=True)
class _Role:
    """The name of a role follows, up to `end`."""

    end: str


@dataclass(slots=True)
class _Header:
    """The header of a harmony message, such as `commentary to=functions.f`, which ends with `<|message|>`."""

    text: str = ""


@dataclass(slots=True)
class _Call:
    """A written call, up to one of `ends`; `header` is that of a harmony message."""

    ends: frozenset[str]
    text: str = ""
    header: str = ""


@dataclass(slots=True)
class _Object:
    """The answer begins as a JSON object, which may be a call."""

    text: str = ""


_State: TypeAlias = _Spoken | _Hidden | _Role | _Header | _Call | _Object


class Markup:
    """Reads the text of one answer, cut anywhere.

    Args:
        functions: The names of the functions that were offered: their calls are recognised in the text. Empty: none;
            None: any.
        reasoning_first: The answer begins with reasoning, without a tag: its chat template has written the tag.

    >>> markup = Markup(None, reasoning_first=False)
    >>> [said for piece in ("<thi", "nk>Hm.</think>", "Hi", ".<|im_", "end|>") for said in markup.feed(piece)]
    ['Hi', '.']
    """

    def __init__(self, functions: Collection[str] | None, *, reasoning_first: bool) -> None:
        calls = functions is None or bool(functions)
        self._names, self._calls = functions, calls
        self._split = MarkerSplitter(_ALWAYS | CALL_MARKERS if calls else _ALWAYS)
        self._state: _State = _Hidden(_REASONING_ENDS) if reasoning_first else _Spoken()
        self._unsure = "" if reasoning_first else None  # what is dropped if it is reasoning
        self._has_called = False
        self.said = False
        """True after the first letter of spoken text."""
        self.reasoned = False
        """True after reasoning in the answer."""
        self.begins_with_reasoning: bool | None = None
        """True if reasoning ended without a start marker, False if not; None where the answer does not show it."""

    def feed(self, piece: str) -> Iterator[str | WrittenCall]:
        """Yield what is said with this piece. Raises NotACall for a call that cannot be read."""
        for token in self._split(piece):
            yield from self._marker(token.name) if isinstance(token, Marker) else self._text(token)

    def finish(self, *, cut: bool = False) -> Iterator[str | WrittenCall]:
        """Yield what is left at the answer's end; of an answer that was `cut`, no call that is not whole.

        Raises:
            NotACall: A call cannot be read.
        """
        for token in self._split.finish():
            yield from self._text(token)
        match self._state:
            case _Call() if not cut:
                yield from self._called(self._state)
            case _Object(text=text) if not cut:
                yield from self._object(text, whole=True)
            case _Hidden() if self._unsure is not None and not cut:  # there was no reasoning after all
                self.begins_with_reasoning = False
                yield from self._say(self._unsure)
            case _:
                pass

    # ---- text --------------------------------------------------------------------------------------------------------

    def _text(self, text: str) -> Iterator[str | WrittenCall]:
        match self._state:
            case _Spoken():
                yield from self._spoken(text)
            case _Hidden():
                self.reasoned = True
                if self._unsure is not None:
                    self._unsure += text
            case _Role(end=end):
                if end in text:
                    self._state = _Spoken()
                    yield from self._say(text.partition(end)[2])
            case _Header() | _Call():
                self._state.text += text
            case _Object():
                yield from self._object(self._state.text + text, whole=False)

    def _spoken(self, text: str) -> Iterator[str | WrittenCall]:
        begun = text if self.said else text.lstrip(_BETWEEN_CALLS if self._has_called else None)
        if self._calls and not self.said and begun.startswith(("{", "[")):
            yield from self._object(begun, whole=False)
        else:
            yield from self._say(begun)

    def _say(self, text: str) -> Iterator[str]:
        """Yield text, without the space before the first letter."""
        text = text if self.said else text.lstrip()
        if text:
            self.said = True
            yield text

    def _object(self, text: str, *, whole: bool) -> Iterator[str | WrittenCall]:
        """Yield the calls that a JSON text is, or the text where it is none."""
        closed = text.rstrip().endswith(("}", "]"))
        calls = bare_call(text, self._names) if closed else None
        if calls is not None:
            self._state, self._has_called = _Spoken(), True
            yield from calls
        elif whole or len(text) > _LONGEST_BARE_CALL or not _may_be_call(text):
            self._state = _Spoken()
            yield from self._say(text)
        else:
            self._state = _Object(text)

    # ---- markers -----------------------------------------------------------------------------------------------------

    def _marker(self, name: str) -> Iterator[str | WrittenCall]:
        state = self._state
        if isinstance(state, _Call) and (name not in state.ends):
            state.text += name if name != "[tool_calls]" else ","
        elif isinstance(state, _Call):
            self._state = _Spoken()
            yield from self._called(state)
            yield from self._begin(name)
        elif isinstance(state, _Hidden):
            self._shown(state, name)
        elif isinstance(state, _Header):
            self._headed(state, name)
        elif isinstance(state, _Role):
            self._state = _Spoken() if name == state.end else state
        else:
            if isinstance(state, _Object):
                self._state = _Spoken()
                yield from self._object(state.text, whole=True)
            yield from self._begin(name)

    def _begin(self, name: str) -> Iterator[str | WrittenCall]:
        """Do what a marker does in the text that is said."""
        if name in _REASONING:
            self.reasoned, self._state = True, _Hidden(frozenset({_REASONING[name]}))
        elif name in _REASONING_ENDS:
            self.begins_with_reasoning = self.reasoned = True
        elif name in (_CHANNEL, _START):
            self._state = _Header()
        elif name in _NEW_TURNS:  # the model goes on with the user's turn: that is not said
            self._state = _Hidden(frozenset()) if self.said else _Role(_NEW_TURNS[name])
        elif self._calls and name in CALL_OPENERS:
            self._state = _Call(CALL_OPENERS[name], name if name == "<function=" else "")  # which has the name
        yield from ()

    def _shown(self, state: _Hidden, name: str) -> None:
        """End what is not said."""
        if name in state.ends:
            if self._unsure is not None:
                self.begins_with_reasoning, self._unsure = True, None
            self._state = _Header() if name in (_CHANNEL, _START) else _Spoken()
        elif self._unsure is not None and name in _REASONING and not self._unsure.strip():
            self._unsure, self._state = None, _Hidden(frozenset({_REASONING[name]}))  # it writes the tag itself

    def _headed(self, state: _Header, name: str) -> None:
        if name in (_CHANNEL, _START):
            self._state = _Header()
        elif name == _MESSAGE and "to=" in state.text and self._calls:
            self._state = _Call(_HARMONY_ENDS, header=state.text)
        elif name == _MESSAGE and (state.text.strip().startswith(_SILENT_CHANNELS) or "to=" in state.text):
            self.reasoned, self._state = True, _Hidden(_HARMONY_ENDS)
        elif name == _MESSAGE:
            self._state = _Spoken()

    def _called(self, call: _Call) -> Iterator[WrittenCall]:
        if call.header:
            written = harmony_call(call.header, call.text)
            yield from [written] if written is not None else []
        else:
            yield from written_calls(call.text)


def _may_be_call(text: str) -> bool:
    """Return whether the beginning of a JSON text can be that of a call: an object with a name first."""
    start = text.lstrip("[ \t\r\n").removeprefix("{").lstrip()
    keys = ('"name"', '"function"', '"type"', '"arguments"', '"parameters"')
    return any(start.startswith(key) or key.startswith(start) for key in keys)
