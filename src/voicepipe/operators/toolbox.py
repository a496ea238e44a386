"""Python functions that a model may call: their descriptions, and how calls are run."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any, Final, NamedTuple, TypeAlias, cast, get_type_hints

import structlog
from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_json

from voicepipe.events import Function, FunctionCall

__all__ = ["RETURNED", "RUNNING", "Outcome", "Toolbox", "error_text", "is_cancelled", "outcome_of"]

log = structlog.get_logger()

# OpenAI's rule for the name of a function.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# The most wrong arguments that are reported to the model at once.
_SHOWN = 5
# How long a function that was cancelled may clean up: closing a connection takes a second at most.
_CLEAN_UP_S = 2.0
_ABANDONED = set["asyncio.Task[Outcome]"]()


class Outcome(NamedTuple):
    """The outcome of a call: `what` for the log, `text` for the model. All but `RETURNED` is an error."""

    what: str
    text: str


RETURNED: Final = "returned"
"""The call gave a result."""


Run: TypeAlias = Callable[[FunctionCall, Callable[[], Coroutine[Any, Any, Outcome]]], Coroutine[Any, Any, Outcome]]

RUNNING: contextvars.ContextVar[Run | None] = contextvars.ContextVar("RUNNING", default=None)
"""Set where calls are recorded, or run again from a recording: called with each call, and with what runs it."""

Late: TypeAlias = Callable[[asyncio.Task[Outcome]], object]


class Toolbox:
    """Functions by name, each with the schema of its signature and docstring.

    Functions and methods: sync ones, each call in a thread of its own, and async ones. Their parameters have names and
    types that pydantic knows. The docstring's first paragraphs describe the function, its list of arguments (in Google,
    NumPy or Sphinx style) the arguments.

    Raises:
        ValueError: A name is invalid for a model, or used twice.
        TypeError: A function cannot be called by a model; the message has its name.
    """

    def __init__(self, functions: Sequence[Callable[..., Any]]) -> None:
        self._tools: dict[str, _Tool] = {}
        for function in functions:
            tool = _tool(function)
            if tool.told.name in self._tools:
                raise ValueError(f"two functions for the model are called {tool.told.name!r}")
            self._tools[tool.told.name] = tool

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    @property
    def functions(self) -> tuple[Function, ...]:
        """The descriptions for the model."""
        return tuple(tool.told for tool in self._tools.values())

    def does(self, call: FunctionCall) -> object | None:
        """Return what a call does, equal for calls of one function with the same arguments; None for a wrong one."""
        tool = self._tools.get(call.name)
        try:
            return tool and (tool.function, tool.given(call))
        except ValidationError:
            return None

    async def run(self, call: FunctionCall, *, deadline_s: float, late: Late | None = None) -> Outcome:
        """Run a call, and return its outcome and its result: a text as it is, anything else as JSON, or `{"error": …}`.

        Errors are: an unknown function, invalid arguments (the function is not run), an exception of the function,
        `sys.exit` too, and no result within `deadline_s`. An async function is then cancelled, and its clean-up
        awaited, for two seconds at most; a sync one goes on in its thread, and its result is dropped, unless there is
        `late`. Cancelling `run` cancels the function in the same way. Arguments are not logged, exceptions are.

        Args:
            call: What the model has called.
            deadline_s: How long it may take.
            late: Is given the rest of a function that goes on in its thread after the deadline.
        """
        clock = asyncio.get_running_loop().time
        began_s, outcome = clock(), Outcome("was cancelled", "")
        try:
            around, run = RUNNING.get(), partial(self._run, call, deadline_s, late)
            outcome = await (run() if around is None else around(call, run))
            return outcome
        finally:
            took_s = round(clock() - began_s, 3)
            log.info("function.called", function=call.name, outcome=outcome.what, took_s=took_s)

    async def _run(self, call: FunctionCall, deadline_s: float, late: Late | None) -> Outcome:
        tool = self._tools.get(call.name)
        if tool is None:
            there_are = ", ".join(self._tools)
            return Outcome("is unknown", error_text(f"there is no function {call.name!r}, only {there_are}"))
        try:
            given = tool.given(call)
        except ValidationError as error:
            return Outcome("was called wrongly", error_text(_wrong(error)))
        running = _outcome(call, tool.call(*given))
        if inspect.iscoroutinefunction(tool.function) or late is None:
            return await _within(deadline_s, running, call.name)
        return await outcome_of(asyncio.create_task(running, name=call.name), deadline_s, late)


@dataclass(frozen=True, slots=True)
class _Tool:
    """One function. `arguments` validates the model's JSON and returns positional and named arguments."""

    told: Function
    arguments: TypeAdapter[tuple[tuple[Any, ...], dict[str, Any]]]
    function: Callable[..., Any]

    def given(self, call: FunctionCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return a call's arguments, positional and named; raise ValidationError if they do not fit."""
        return self.arguments.validate_json(call.arguments.strip() or "{}")

    async def call(self, args: tuple[Any, ...], named: dict[str, Any]) -> str:
        if inspect.iscoroutinefunction(self.function):
            return _text(await self.function(*args, **named))
        context, loop = contextvars.copy_context(), asyncio.get_running_loop()
        result = await loop.run_in_executor(_OwnThread(), lambda: context.run(self._block, args, named))
        return result if isinstance(result, str) else _text(await result)

    def _block(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return the result as text, or an awaitable if the function is async in disguise."""
        try:
            result = self.function(*args, **named)
        except StopIteration as error:  # a future does not accept it, and would never be done
            raise RuntimeError("StopIteration") from error
        return result if inspect.isawaitable(result) else _text(result)


class _OwnThread(Executor):
    """A new thread for each call: a call that hangs blocks neither another call nor the end of the process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Future[Any]()

        def work() -> None:
            future.set_running_or_notify_cancel()
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        Thread(target=work, name="function", daemon=True).start()
        return future


# ---- descriptions for the model --------------------------------------------------------------------------------------


def _tool(function: Callable[..., Any]) -> _Tool:
    name = getattr(function, "__name__", type(function).__name__)
    if not _is_function(function):
        raise TypeError(f"a model cannot call {name}: write a function around it, which returns what it gives")
    if not _NAME.fullmatch(name):
        raise ValueError(f"a model cannot call a function named {name!r}: letters, digits, _ and -, 64 at most")
    try:
        arguments = TypeAdapter[Any](cast("Any", _arguments_of(function)))
        schema = arguments.json_schema(schema_generator=_Untitled)
    except Exception as error:  # of pydantic's many, and NameError for a type that is not there
        raise TypeError(f"a model cannot call {name}: {error}") from error
    if schema.get("type") != "object":
        raise TypeError(f"a model cannot call {name}: it names its arguments, so none may be positional only")
    for parameter in schema["properties"].values():
        parameter.pop("title", None)  # older versions of pydantic write one all the same
    description, parameters = _documented(inspect.getdoc(function) or "")
    for parameter, text in parameters.items():
        if text and parameter in schema["properties"]:
            schema["properties"][parameter].setdefault("description", text)
    return _Tool(Function(name, description, schema), arguments, function)


def _documented(docstring: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's description and those of the parameters, in any of the usual styles."""
    import docstring_parser  # for functions that are tools: most servers have none

    try:
        said = docstring_parser.parse(docstring)
    except Exception:  # the parser raises IndexError for `: :`, and others for other odd texts
        return docstring, {}
    parameters = {one.arg_name: " ".join((one.description or "").split()) for one in said.params}
    return (said.description or "").strip(), parameters


def _is_function(function: Callable[..., Any]) -> bool:
    """Return whether it is a function or method, and no generator: the call of one has no result."""
    inner = inspect.unwrap(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        return False
    return inspect.isfunction(inner) or inspect.ismethod(inner)


def _arguments_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same signature that returns its arguments, so that they can be validated before the
    call.

    Its annotations are types, not names of types, which some versions of pydantic do not find in `function`'s module.
    """

    @functools.wraps(function)
    def arguments(*args: Any, **named: Any) -> Any:
        return args, named

    arguments.__annotations__ = {name: hint for name, hint in arguments.__annotations__.items() if name != "return"}
    types = arguments.__annotations__ = get_type_hints(arguments, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    typed = [parameter.replace(annotation=types.get(parameter.name, parameter.annotation)) for parameter in parameters]
    vars(arguments)["__signature__"] = inspect.Signature(typed)
    return arguments


class _Untitled(GenerateJsonSchema):
    """Schemas without titles of parameters, which would repeat the names and cost tokens; arrays of tuples have
    `items`, which OpenAI requires."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def tuple_schema(self, schema: Any) -> dict[str, Any]:
        return {"items": {}, **super().tuple_schema(schema)}


def _text(result: Any) -> str:
    return result if isinstance(result, str) else to_json(result, fallback=str).decode()


async def outcome_of(rest: asyncio.Task[Outcome], deadline_s: float, late: Late) -> Outcome:
    """Return the outcome of what already runs; after the deadline an error, and `late` is given what goes on.

    Cancelling this cancels that, and waits for its clean-up.
    """
    try:
        await asyncio.wait([rest], timeout=deadline_s)
    except asyncio.CancelledError:
        rest.cancel()
        await asyncio.wait([rest])
        raise
    if rest.done():
        return rest.result()
    late(rest)
    return Outcome("was late", error_text(f"no result within {deadline_s:g} s, and it still runs"))


async def _within(deadline_s: float, running: Coroutine[Any, Any, Outcome], name: str) -> Outcome:
    """Return an outcome; cancel what is late, and wait for its clean-up, which has a time of its own."""
    task = asyncio.create_task(running, name=name)
    try:
        await asyncio.wait([task], timeout=deadline_s)
    except asyncio.CancelledError:
        await _cancel(task)
        raise
    if task.done():
        return task.result()
    await _cancel(task)
    if task.done() and not task.cancelled() and (outcome := task.result()).what == RETURNED:
        return outcome
    return Outcome("was late", error_text(f"no result within {deadline_s:g} s"))


async def _cancel(task: asyncio.Task[Outcome]) -> None:
    """Cancel a function, and wait for its end; one that does not end is left alone, and its result dropped."""
    task.cancel()
    await asyncio.wait([task], timeout=_CLEAN_UP_S)
    if not task.done():
        log.warning("function.does_not_end", function=task.get_name(), cancelled_s=_CLEAN_UP_S)
        _ABANDONED.add(task)  # asyncio itself keeps no task
        task.add_done_callback(_ABANDONED.discard)


async def _outcome(call: FunctionCall, running: Coroutine[Any, Any, str]) -> Outcome:
    """Return the outcome of a function, whatever it raises."""
    try:
        return Outcome(RETURNED, await running)
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        return _failed(call, error)  # something that the function awaited was cancelled
    except (Exception, SystemExit) as error:
        return _failed(call, error)


# ---- what went wrong -------------------------------------------------------------------------------------------------


def error_text(what: str) -> str:
    """Return the result of a call that went wrong, as the model reads it."""
    return json.dumps({"error": what}, ensure_ascii=False)


def _wrong(error: ValidationError) -> str:
    """Return which arguments are invalid, and why, without their values."""
    parts = error.errors(include_url=False, include_context=False, include_input=False)
    said = [": ".join(filter(None, [".".join(map(str, part["loc"])), part["msg"]])) for part in parts[:_SHOWN]]
    return "; ".join([*said, f"and {len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else said)


def _failed(call: FunctionCall, error: BaseException) -> Outcome:
    log.warning("function.failed", function=call.name, exc_info=error)
    return Outcome("failed", error_text(": ".join(filter(None, [type(error).__name__, str(error)]))))


def is_cancelled() -> bool:
    """Return whether the current task is cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
