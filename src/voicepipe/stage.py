"""The type of a stage, its errors, and its declaration.

A stage is a function from an observable to an observable. A speech recogniser, its fake, a remote service and a stage
on another machine all have this shape, so that each can replace another.

A stage needs nothing more. A stage made by a `stage_factory` also has a name, parameters and output types: `voicepipe
draw` draws them, and error messages name them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, cast

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

__all__ = [
    "TRACER",
    "Declaration",
    "Declared",
    "NotAnObservable",
    "NotCalled",
    "SessionError",
    "Stage",
    "StageError",
    "Tracer",
    "called",
    "checked",
    "is_stage_factory",
    "named",
    "naming",
    "stage_factory",
    "stage_name",
    "takes_preset",
]

A = TypeVar("A")
B = TypeVar("B")
X = TypeVar("X")
P = ParamSpec("P")
S = TypeVar("S", bound=Callable[..., Any])

Stage: TypeAlias = Callable[[Observable[A]], Observable[B]]
"""`Stage[A, B]` turns an observable of A into one of B.

Observables are covariant: a stage that takes more than A, or gives less than B, is a `Stage[A, B]` as well.
"""


# ---- errors ----------------------------------------------------------------------------------------------------------


class StageError(Exception):
    """An error with the name of the stage that raised it.

    Args:
        stage: The stage's name.
        cause: The original error.
    """

    def __init__(self, stage: str, cause: Exception) -> None:
        super().__init__(f"{stage}: {cause}")
        self.stage, self.cause = stage, cause


class SessionError(StageError):
    """A `StageError` that ends the session: it is not the failure of one turn, and no stage may recover from it."""


class NotAnObservable(TypeError):
    """A stage returned something other than an observable. The message names the stage, its file and its line.

    `stage` is that stage, and `fault` is the message without its name.
    """

    def __init__(self, stage: object, given: object) -> None:
        kind = "None" if given is None else type(given).__name__
        self.stage = stage
        self.fault = f"returned {kind}{_likely_reason(stage, given)}; a stage returns an Observable"
        super().__init__(f"{called(stage)} {self.fault}")


class NotCalled(TypeError):
    """A function that makes a stage was used as a stage: it was not called. The message shows a call."""

    def __init__(self, factory: Callable[..., Any]) -> None:
        name = stage_name(factory)
        super().__init__(
            f"{name} is not a stage, but makes one when it is called: {name}({_needed_arguments(factory)})"
        )


def _likely_reason(stage: object, given: object) -> str:
    if given is None:
        return " (is its `return` missing?)"
    if inspect.iscoroutine(given) or inspect.isasyncgen(given):
        if inspect.iscoroutine(given):
            given.close()  # otherwise Python warns that it was never awaited
        return f" (it is async; async_stage({stage_name(stage)}, …) makes a stage of an async generator)"
    if callable(given):
        return f" (does it have to be called first, as in {stage_name(stage)}(…)?)"
    return ""


def _needed_arguments(factory: Callable[..., Any]) -> str:
    """Return them as written in a call: `codec`, or `after_ms=…, at_most_ms=…`."""
    written = {inspect.Parameter.KEYWORD_ONLY: "{}=…", inspect.Parameter.POSITIONAL_OR_KEYWORD: "{}"}
    parameters = inspect.signature(factory).parameters.values()
    return ", ".join(
        written[one.kind].format(one.name) for one in parameters if one.default is one.empty and one.kind in written
    )


def naming(name: str) -> Stage[A, A]:
    """Pass everything; an error becomes `StageError(name, error)`, unless it has an earlier stage's name.

    .. marbles::

        source   a-b-#
        naming   a-b-#      the error is StageError(name, …)
    """
    return rx_ops.catch(lambda error, _: reactivex.throw(_named(name, error)))


def _named(name: str, error: Exception) -> Exception:
    return error if isinstance(error, StageError) else StageError(name, error)


# ---- what a stage says of itself -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Declaration:
    """The declaration of a stage: its factory and the arguments.

    `gives` are the event types that it makes. If it `passes` its input, the types of `takes` are not passed. Without
    `gives`, the factory's return annotation says it. `before` is the parameter that is a stage behind it.
    """

    factory: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    gives: tuple[type, ...]
    takes: tuple[type, ...]
    passes: bool
    before: str = ""

    @property
    def name(self) -> str:
        return self.factory.__name__

    def arguments(self) -> dict[str, Any]:
        """Return the given arguments by parameter, in the order of the signature."""
        return inspect.signature(self.factory).bind(*self.args, **self.kwargs).arguments


class Tracer(Protocol):
    """Replaces the stages while a pipeline is drawn: see `voicepipe.drawing`."""

    def __call__(self, stage: Callable[[Any], Any], source: Any) -> Any: ...


TRACER: ContextVar[Tracer | None] = ContextVar("TRACER", default=None)
"""Set while a pipeline is drawn: called in place of each declared stage."""


class Declared(Generic[X, B]):
    """A stage, or another maker of observables, with its declaration. Raises NotAnObservable if it makes none."""

    __slots__ = ("_make", "declaration")

    def __init__(self, make: Callable[[X], Observable[B]], declaration: Declaration) -> None:
        self._make, self.declaration = make, declaration

    def __call__(self, source: X) -> Observable[B]:
        tracer = TRACER.get()
        return self.apply(source) if tracer is None else tracer(self, source)

    def apply(self, source: X) -> Observable[B]:
        """Apply the stage as without a tracer."""
        return checked(self, self._make(source))

    def __repr__(self) -> str:
        return f"<stage {called(self)}>"


# The attribute that distinguishes a stage factory from a stage.
_FACTORY = "__stage_factory__"


def is_stage_factory(thing: Callable[..., Any]) -> bool:
    """Return whether it makes stages and is not one: it is declared so, or cannot be called with a stream alone."""
    if isinstance(thing, Declared):
        return False
    if getattr(thing, _FACTORY, False) is True:
        return True
    try:
        inspect.signature(thing).bind(None)
    except TypeError:
        return True
    except ValueError:  # written in C
        return False
    return False


def stage_factory(
    *, gives: tuple[type, ...] = (), takes: tuple[type, ...] = (), passes: bool = False, before: str = ""
) -> Callable[[Callable[P, S]], Callable[P, S]]:
    """Decorate a function that returns a stage, so that the stage knows its name, its parameters and what it gives.

    The event types come from the return annotation, `Stage[str, ReplyText]`. Where it says only `Event`, write them.

    Args:
        gives: The types that the stage makes.
        takes: The types that the stage consumes, where it passes the others.
        passes: The stage passes its input, except the types of `takes`.
        before: The parameter that is a stage through which flows what this one gives: it is drawn behind it.

    Returns:
        A decorator; the stages of the decorated function have a `declaration`, which `draw` and `check` read.

    >>> @stage_factory()
    ... def twice(*, gap: int) -> Stage[str, str]:
    ...     return lambda source: source
    >>> twice(gap=3).declaration.name, twice(gap=3).declaration.arguments()
    ('twice', {'gap': 3})
    """

    def decorate(factory: Callable[P, S]) -> Callable[P, S]:
        @functools.wraps(factory)
        def make(*args: P.args, **kwargs: P.kwargs) -> S:
            declaration = Declaration(factory, args, kwargs, gives, takes, passes, before)
            return cast("S", Declared(factory(*args, **kwargs), declaration))

        setattr(make, _FACTORY, True)
        return make

    return decorate


def takes_preset(preset: type) -> Callable[[Callable[..., S]], Callable[..., S]]:
    """Let a stage factory take a preset in place of those of its keyword parameters that are attributes of `preset`.

    The stage then knows the single numbers, as if each had been written. A keyword that is given wins over the preset.
    The overloads of the factory tell a type checker of both ways to call it.

    >>> @dataclass(frozen=True)
    ... class Gap:
    ...     gap: int
    >>> @takes_preset(Gap)
    ... @stage_factory()
    ... def twice(*, gap: int) -> Stage[str, str]:
    ...     return lambda source: source
    >>> twice(Gap(3)).declaration.arguments()
    {'gap': 3}
    """

    def decorate(factory: Callable[..., S]) -> Callable[..., S]:
        parameters = inspect.signature(factory).parameters.values()
        keywords = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]

        @functools.wraps(factory)
        def make(*args: Any, **kwargs: Any) -> S:
            if args and isinstance(args[-1], preset):
                given, args = args[-1], args[:-1]
                kwargs = {name: getattr(given, name) for name in keywords if hasattr(given, name)} | kwargs
            return factory(*args, **kwargs)

        return make

    return decorate


@stage_factory(passes=True)
def named(name: str, stage: Stage[A, B]) -> Stage[A, B]:
    """Return the same stage with a name for its errors."""
    return lambda source: checked(stage, stage(source)).pipe(naming(name))


# Names of inner functions: the stage has the name of the function around them.
_SAYS_NOTHING = frozenset({"<lambda>", "stage", "make", "apply", "answer"})


# ---- messages --------------------------------------------------------------------------------------------------------


def checked(stage: object, given: Observable[B]) -> Observable[B]:
    """Return the result of a stage. Raises NotAnObservable."""
    if not isinstance(given, Observable):  # pyright: ignore[reportUnnecessaryIsInstance] — said, not sure
        raise NotAnObservable(stage, given)
    return given


def stage_name(stage: object) -> str:
    """Return a stage's name: that of its factory, or of the function itself.

    >>> stage_name(rx_ops.map(str)), stage_name(naming), stage_name(naming("LLM"))
    ('map', 'naming', 'catch')
    """
    if isinstance(stage, Declared):
        return cast("Declared[Any, Any]", stage).declaration.name
    function = _function(stage)
    parts: list[str] = getattr(function, "__qualname__", type(stage).__qualname__).replace(".<locals>", "").split(".")
    telling = [part for part in parts if part not in _SAYS_NOTHING] or parts
    return telling[-1].rstrip("_") or telling[-1]


def called(stage: object) -> str:
    """Return a stage's name with the place of its source: `shout (bots/mine.py:12)`."""
    code = getattr(_function(stage), "__code__", None)
    return f"{stage_name(stage)} ({code.co_filename}:{code.co_firstlineno})" if code else stage_name(stage)


def _function(stage: object) -> object:
    """Return the user's function, without the wrapper of reactivex or of a decorator of voicepipe."""
    if isinstance(stage, Declared):
        return cast("Declared[Any, Any]", stage).declaration.factory
    code = getattr(stage, "__code__", None)
    if code is not None and "fun" in code.co_freevars and stage.__qualname__.startswith("curry_flip"):  # type: ignore[attr-defined]
        return cast("Any", stage).__closure__[code.co_freevars.index("fun")].cell_contents
    return inspect.unwrap(stage) if callable(stage) else stage
