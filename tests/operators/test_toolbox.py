"""Python functions that a model may call."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, cast

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from voicepipe.events import Function, FunctionCall
from voicepipe.operators.toolbox import Toolbox
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers.chat_rules import check


class Place(BaseModel):
    city: str
    floor: Annotated[int, Field(description="Counted from the ground.")] = 0


class Unit(Enum):
    CELSIUS = "C"
    KELVIN = "K"


def told(function: Callable[..., Any]) -> Function:
    """Return the function as the model reads it; OpenAI would take it."""
    (only,) = Toolbox([function]).functions
    tool = {"name": only.name, "description": only.description, "parameters": only.parameters}
    check({"messages": [{"role": "user", "content": "Hi."}], "tools": [{"type": "function", "function": tool}]})
    return only


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    return told(function).parameters["properties"]


# ---- what the model is told ------------------------------------------------------------------------------------------


def google(city: str, unit: str = "C") -> str:
    """The temperature.

    Outside, in the shade.

    Args:
        city: Where, with
            its country.
        unit: C or F.

    Returns:
        A sentence.
    """
    return f"{city} {unit}"


def numpy(city: str, unit: str = "C") -> str:
    """The temperature.

    Outside, in the shade.

    Parameters
    ----------
    city : str
        Where, with
        its country.
    unit : str, optional
        C or F.

    Returns
    -------
    str
        A sentence.
    """
    return google(city, unit)


def sphinx(city: str, unit: str = "C") -> str:
    """The temperature.

    Outside, in the shade.

    :param city: Where, with
        its country.
    :param unit: C or F.
    :returns: A sentence.
    """
    return google(city, unit)


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_a_docstring_says_what_a_function_does_and_wants(function: Callable[..., Any]) -> None:
    """In any of three styles; what it returns, the model will see."""
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where, with its country."},
            "unit": {"type": "string", "description": "C or F.", "default": "C"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    assert told(function) == Function(function.__name__, "The temperature.\n\nOutside, in the shade.", schema)


def test_a_function_without_a_docstring_has_its_name() -> None:
    """And one without arguments an empty object of them."""

    def now() -> str:
        return "noon"

    empty: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    assert told(now) == Function("now", "", empty)


def test_types_become_a_schema() -> None:
    """Whatever pydantic knows, here with its names as texts (`from __future__ import annotations`)."""

    def book(
        place: Place,
        day: date,
        unit: Unit,
        size: Literal["small", "large"],
        guests: Annotated[int, Field(ge=1, description="How many.")],
        names: list[str],
        note: str | None = None,
    ) -> None:
        """Book it.

        Args:
            place: A room.
            guests: Never told: the annotation says it already.
        """

    found = parameters(book)
    assert found["place"] == {"$ref": "#/$defs/Place", "description": "A room."}
    assert told(book).parameters["$defs"]["Place"]["properties"]["floor"] == {
        "type": "integer",
        "default": 0,
        "description": "Counted from the ground.",
    }
    assert found["day"] == {"type": "string", "format": "date"}
    assert found["unit"] == {"$ref": "#/$defs/Unit"}
    assert found["size"] == {"type": "string", "enum": ["small", "large"]}
    assert found["guests"] == {"type": "integer", "minimum": 1, "description": "How many."}
    assert found["names"] == {"type": "array", "items": {"type": "string"}}
    assert found["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert told(book).parameters["required"] == ["place", "day", "unit", "size", "guests", "names"]


class Shop:
    """Has methods."""

    def sell(self, what: str) -> str:
        """Sell it."""
        return f"sold {what}"

    @classmethod
    def open(cls) -> str:
        """Open it."""
        return cls.__name__

    @staticmethod
    async def close(at: int) -> int:
        """Close it."""
        return at

    def __call__(self, what: str) -> str:
        return what


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        return function(*args, **named)

    return call


@pytest.mark.parametrize(
    ("function", "arguments", "gives"),
    [
        (Shop().sell, '{"what": "tea"}', "sold tea"),
        (Shop.open, "{}", "Shop"),
        (Shop.close, '{"at": 9}', "9"),
        (functools.cache(google), '{"city": "Rome"}', "Rome C"),
        (logged(google), '{"city": "Rome", "unit": "F"}', "Rome F"),
        (logged(Shop.close), '{"at": 9}', "9"),
    ],
)
def test_methods_and_decorated_functions_are_functions(
    virtual_loop: VirtualLoop, function: Any, arguments: str, gives: str
) -> None:
    """By their own names and signatures, `self` aside."""
    assert not {"self", "cls", "args", "named"} & set(parameters(function))
    assert told(function).name == function.__name__
    assert run(virtual_loop, function, arguments) == gives


def test_what_it_returns_need_not_be_known() -> None:
    """A type that is imported for type checkers only."""

    def look(at: str) -> Nowhere: ...  # type: ignore[name-defined]  # noqa: F821

    assert parameters(cast("Any", look)) == {"at": {"type": "string"}}


def positional(a: int, /, b: int) -> None: ...
def several(*a: int) -> None: ...
def calls_back(done: Callable[[int], int]) -> None: ...
def of_no_type(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def of_unknown_type(a: Shop) -> None: ...
def in_pieces() -> Iterator[int]:
    yield 1


async def in_pieces_later() -> AsyncIterator[int]:
    yield 1


REFUSED: list[tuple[Any, str]] = [
    (positional, "positional: it names its arguments, so none may be positional only"),
    (several, "several: it names its arguments, so none may be positional only"),
    (calls_back, "calls_back: .*Callable"),
    (of_no_type, "of_no_type: name 'Nowhere' is not defined"),
    (of_unknown_type, "of_unknown_type: .*Shop"),
    (in_pieces, "in_pieces: write a function around it"),
    (in_pieces_later, "in_pieces_later: write a function around it"),
    (functools.partial(google, unit="F"), "partial: write a function around it"),
    (Shop(), "Shop: write a function around it"),
    (Place, "Place: write a function around it"),
    (len, "len: write a function around it"),
    (3, "int: write a function around it"),
]


@pytest.mark.parametrize(("function", "why"), REFUSED)
def test_what_a_model_cannot_call_is_refused_at_once(function: Any, why: str) -> None:
    """With its name, when the pipeline is made: a partial, for one, would offer the model what was meant to be set."""
    with pytest.raises(TypeError, match=f"a model cannot call {why}"):
        Toolbox([function])


def test_a_name_must_be_one_that_a_model_can_write() -> None:
    """And nobody else's."""
    with pytest.raises(ValueError, match="a model cannot call a function named '<lambda>'"):
        Toolbox([lambda: "hi"])

    def größe() -> None: ...

    with pytest.raises(ValueError, match="'größe': letters, digits, _ and -, 64 at most"):
        Toolbox([größe])
    with pytest.raises(ValueError, match="two functions for the model are called 'sell'"):
        Toolbox([Shop().sell, Shop().sell])


def test_any_further_arguments_may_be_wanted() -> None:
    """By name."""

    def note(title: str, **fields: int) -> dict[str, int]:
        return {title: 1, **fields}

    assert told(note).parameters["additionalProperties"] == {"type": "integer"}
    loop = VirtualLoop()
    assert run(loop, note, '{"title": "a", "b": 2}') == '{"a":1,"b":2}'
    loop.close()


@settings(max_examples=examples(50))
@given(st.text(st.sampled_from("ab :\n-\t`*|(),>#"), max_size=60), st.sampled_from(["", "Args:\n", ":param a:"]))
def test_no_docstring_breaks_it(text: str, before: str) -> None:
    """People write what they like."""

    def look(a: int) -> None: ...

    look.__doc__ = f"Look.\n\n{before}{text}"
    assert parameters(look)["a"]["type"] == "integer"


# ---- how calls are run -----------------------------------------------------------------------------------------------


def run(loop: VirtualLoop, function: Callable[..., Any], arguments: str = "{}", deadline_s: float = 1.0) -> str:
    toolbox = Toolbox([function])
    call = FunctionCall("1", toolbox.functions[0].name, arguments)
    return loop.run(toolbox.run(call, deadline_s=deadline_s)).text


def error(loop: VirtualLoop, function: Callable[..., Any], arguments: str = "{}") -> str:
    told = json.loads(run(loop, function, arguments))
    assert set(told) == {"error"}
    return told["error"]


who: ContextVar[str] = ContextVar("who", default="nobody")


def test_a_sync_function_runs_in_a_thread_of_its_own(virtual_loop: VirtualLoop) -> None:
    """So that it may block, and in the session's context; an async one runs on the loop."""

    def here() -> str:
        return f"{threading.current_thread() is threading.main_thread()} {who.get()}"

    async def there() -> str:
        return here()

    async def main(function: Callable[..., Any]) -> str:
        who.set("me")
        return (await Toolbox([function]).run(FunctionCall("1", function.__name__), deadline_s=1)).text

    assert virtual_loop.run(main(here)) == "False me"
    assert virtual_loop.run(main(there)) == "True me"


def test_functions_that_hang_keep_no_other_waiting() -> None:
    """Each call has a thread. In real time: a function that hangs in a thread stops a virtual clock."""
    stop, begun = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        stop.wait(10)

    async def main() -> list[str]:
        toolbox = Toolbox([hang, google])
        hanging = [toolbox.run(FunctionCall("1", "hang"), deadline_s=0.02) for _ in range(40)]
        quick = toolbox.run(FunctionCall("2", "google", '{"city": "Rome"}'), deadline_s=5)
        return [outcome.text for outcome in await asyncio.gather(*hanging, quick)]

    *late, quick = asyncio.run(main())
    stop.set()
    assert set(late) == {'{"error": "no result within 0.02 s"}'}
    assert quick == "Rome C"
    assert all(begun.acquire(timeout=5) for _ in late)


def test_arguments_come_as_their_types(virtual_loop: VirtualLoop) -> None:
    """Numbers and days that the model has written as texts, too."""

    def book(place: Place, day: date, unit: Unit, guests: int = 1) -> str:
        return f"{place!r} {day!r} {unit!r} {guests!r}"

    given = {"place": {"city": "Rome"}, "day": "2026-11-22", "unit": "K", "guests": "2"}
    made = f"{Place(city='Rome')!r} {date(2026, 11, 22)!r} {Unit.KELVIN!r} 2"
    assert run(virtual_loop, book, json.dumps(given)) == made


def between(low: int, high: Annotated[int, Field(le=9)], what: Literal["even", "odd"] = "odd") -> list[int]:
    return list(range(low, high, 2)) if what == "odd" else []


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ("{}", "low: Missing required argument; high: Missing required argument"),
        ('{"low": 1}', "high: Missing required argument"),
        ('{"low": "secret", "high": 3}', "low: Input should be a valid integer, unable to parse string as an integer"),
        ('{"low": 1, "high": 10}', "high: Input should be less than or equal to 9"),
        ('{"low": 1, "high": 3, "what": "secret"}', "what: Input should be 'even' or 'odd'"),
        ('{"low": 1, "high": 3, "step": 2}', "step: Unexpected keyword argument"),
        ('{"low": 1, "high', "Invalid JSON: EOF while parsing a string at line 1 column 16"),
        ("low=1, high=3", "Invalid JSON: expected value at line 1 column 1"),
        ("null", "Arguments must be an array or an object"),
        ('"{}"', "Arguments must be an array or an object"),
    ],
)
def test_wrong_arguments_are_told_to_the_model(virtual_loop: VirtualLoop, arguments: str, wrong: str) -> None:
    """Which, and what they should be, so that it can call again; not what they were, and nobody else reads them."""
    with capture_logs() as logs:
        assert error(virtual_loop, between, arguments) == wrong
    assert [(log["event"], log["outcome"]) for log in logs] == [("function.called", "was called wrongly")]
    assert "secret" not in str(logs)


def test_wrong_arguments_are_not_run(virtual_loop: VirtualLoop) -> None:
    """The function is not begun."""
    ran = list[int]()
    error(virtual_loop, lambda_named("note", lambda: ran.append(1)), '{"a": 1}')
    assert ran == []


def lambda_named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = name
    return function


def test_of_very_wrong_arguments_the_first_are_told(virtual_loop: VirtualLoop) -> None:
    """An error is read by a model, which pays for each word."""

    def add(numbers: list[int]) -> int:
        return sum(numbers)

    wrong = error(virtual_loop, add, json.dumps({"numbers": ["x"] * 1000}))
    assert wrong.startswith("numbers.0: Input should be a valid integer")
    assert wrong.endswith("; and 995 more")
    assert len(wrong) < 600


def test_no_arguments_may_be_nothing_at_all(virtual_loop: VirtualLoop) -> None:
    """Some models write no object where there is nothing in it."""
    for nothing in ("", " ", "{}"):
        assert run(virtual_loop, lambda_named("now", lambda: "noon"), nothing) == "noon"


def test_a_function_that_is_not_there_is_told_to_the_model(virtual_loop: VirtualLoop) -> None:
    """With those that are."""
    toolbox = Toolbox([google, numpy])
    assert "sphinx" not in toolbox
    said = virtual_loop.run(toolbox.run(FunctionCall("1", "sphinx"), deadline_s=1)).text
    assert json.loads(said) == {"error": "there is no function 'sphinx', only google, numpy"}


@dataclass
class Room:
    number: int
    free: bool


class Strange:
    def __str__(self) -> str:
        return "a strange thing"


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("It is warm.", "It is warm."),
        ("", ""),
        (None, "null"),
        (21.5, "21.5"),
        ({"day": date(2026, 11, 22), "tags": {1}}, '{"day":"2026-11-22","tags":[1]}'),
        (Place(city="Zürich"), '{"city":"Zürich","floor":0}'),
        ([Room(1, free=True)], '[{"number":1,"free":true}]'),
        (Unit.KELVIN, '"K"'),
        (b"bytes", '"bytes"'),
        (Strange(), '"a strange thing"'),
        ("x" * 1_000_000, "x" * 1_000_000),
        (ValueError("no"), '"no"'),
    ],
)
def test_any_result_is_a_text(virtual_loop: VirtualLoop, result: Any, text: str) -> None:
    """A text is one; the rest becomes JSON."""

    async def later() -> Any:
        return result

    assert run(virtual_loop, lambda_named("now", lambda: result)) == run(virtual_loop, later) == text


def test_a_result_that_cannot_be_told_is_an_error(virtual_loop: VirtualLoop) -> None:
    """Bytes that are no text, a list within itself."""
    endless: list[Any] = []
    endless.append(endless)
    with capture_logs():
        assert "utf-8" in error(virtual_loop, lambda_named("now", lambda: b"\xff"))
        assert "Circular reference" in error(virtual_loop, lambda_named("now", lambda: endless))


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValueError("there is no such city"), "ValueError: there is no such city"),
        (KeyError("city"), "KeyError: 'city'"),
        (RuntimeError(), "RuntimeError"),
        (TimeoutError("the bank is closed"), "TimeoutError: the bank is closed"),
        (asyncio.CancelledError(), "CancelledError"),
        (SystemExit(2), "SystemExit: 2"),
    ],
)
def test_an_exception_is_told_to_the_model_and_to_the_log(
    virtual_loop: VirtualLoop, raised: BaseException, told: str
) -> None:
    """Of whatever kind: a function that wants the process to end does not get its way."""

    def fail() -> None:
        raise raised

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise raised

    for function in (fail, fail_later):
        with capture_logs() as logs:
            assert error(virtual_loop, function) == told
        failed, called = logs
        assert (failed["event"], repr(failed["exc_info"])) == ("function.failed", repr(raised))
        assert (called["event"], called["outcome"]) == ("function.called", "failed")


def test_an_iterator_at_its_end_is_an_exception_as_any_other(virtual_loop: VirtualLoop) -> None:
    """Python treats that one apart: the call would seem to be late."""

    def first() -> str:
        return next(iter(list[str]()))

    async def first_later() -> str:
        return first()

    with capture_logs():
        assert error(virtual_loop, first) == "RuntimeError: StopIteration"
        assert error(virtual_loop, first_later) == "RuntimeError: coroutine raised StopIteration"
    assert virtual_loop.time() == 0


def test_what_is_wrong_inside_the_function_is_not_a_wrong_call(virtual_loop: VirtualLoop) -> None:
    """The model's arguments were right, and it should not try others."""

    def fetch() -> Place:
        return Place.model_validate({"town": "Rome"})

    with capture_logs() as logs:
        assert error(virtual_loop, fetch).startswith("ValidationError: 1 validation error for Place")
    assert logs[-1]["outcome"] == "failed"


def test_a_late_function_is_cancelled_and_cleans_up(virtual_loop: VirtualLoop) -> None:
    """The model hears of it when the clean-up is done."""
    steps = list[float]()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.5)
            steps.append(virtual_loop.time())

    with capture_logs() as logs:
        assert json.loads(run(virtual_loop, slow, deadline_s=2)) == {"error": "no result within 2 s"}
    assert steps == [virtual_loop.time()] == [2.5]
    assert logs == [
        {"event": "function.called", "log_level": "info", "function": "slow", "outcome": "was late", "took_s": 2.5}
    ]


@pytest.mark.parametrize("cancels", [False, True])
def test_a_function_that_does_not_end_when_it_is_cancelled_is_left_alone(
    virtual_loop: VirtualLoop, cancels: bool
) -> None:
    """The model has its answer two seconds after the deadline, and a barge-in is over two seconds after it."""
    over = asyncio.Event()

    async def stubborn() -> str:
        try:
            await asyncio.sleep(3_600)
        finally:
            await over.wait()
        return "never"

    async def main() -> tuple[float, str]:
        calling = asyncio.create_task(Toolbox([stubborn]).run(FunctionCall("1", "stubborn"), deadline_s=5))
        await asyncio.sleep(1)
        if cancels:
            calling.cancel()
        await asyncio.wait([calling])
        took_s = virtual_loop.time()
        over.set()
        await asyncio.sleep(0)
        return took_s, "" if calling.cancelled() else calling.result().text

    with capture_logs() as lines:
        took_s, text = virtual_loop.run(main())
    assert (took_s, text) == ((3, "") if cancels else (7, '{"error": "no result within 5 s"}'))
    assert [line["function"] for line in lines if line["event"] == "function.does_not_end"] == ["stubborn"]


def test_a_function_that_is_cancelled_cleans_up(virtual_loop: VirtualLoop) -> None:
    """Nobody is told a result."""
    steps = list[str]()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            steps.append("cleaned up")

    async def main() -> None:
        running = asyncio.create_task(Toolbox([slow]).run(FunctionCall("1", "slow"), deadline_s=5))
        await asyncio.sleep(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with capture_logs() as logs:
        virtual_loop.run(main())
    assert steps == ["cleaned up"]
    assert [(log["outcome"], log["took_s"]) for log in logs] == [("was cancelled", 1.0)]


def test_it_is_told_how_long_a_call_took(virtual_loop: VirtualLoop) -> None:
    """And its name, for whoever looks for the slow one."""

    async def slow() -> str:
        await asyncio.sleep(0.25)
        return "done"

    with capture_logs() as logs:
        assert run(virtual_loop, slow) == "done"
    assert logs[0]["function"] == "slow"
    assert (logs[0]["outcome"], logs[0]["took_s"]) == ("returned", 0.25)


@settings(max_examples=examples(25))
@given(st.text(max_size=30) | st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists).map(json.dumps))
def test_whatever_the_model_writes_it_gets_an_answer(arguments: str) -> None:
    """Never an exception."""
    loop = VirtualLoop()
    assert isinstance(json.loads(run(loop, between, arguments)), dict | list)
    loop.close()
