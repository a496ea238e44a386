"""Which of the session's stages a pipeline can reach, by its source code.

A stage that no code of the pipeline can read is not used, whatever happens later: its model need not be loaded. A trial
run alone cannot prove that, since a function that is called at run time (in a `map`, in a task) may read `session.llm`
for the first time. So the session is followed through the source: from the pipeline's parameter into nested functions,
and into every function that it is passed to. Where it cannot be followed (it is stored, returned, unpacked, passed to a
function that is chosen at run time, or the source is missing) all stages count as used.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias, cast

from voicepipe import stage
from voicepipe.session import STAGE_NAMES, StageName

__all__ = ["stages_used"]

# Fields of a session that are no stages.
_OTHER_FIELDS = frozenset({"id", "received", "codec", "client"})

# Builtins that read no stage of a session that they are given.
_HARMLESS = (bool, callable, id, isinstance, print, repr, str, type)

# Builtins that reach a variable without naming it.
_SEES_ALL = frozenset({"eval", "exec", "locals"})

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Parameter: TypeAlias = int | str


class _NotFollowed(Exception):
    """The session goes where the source does not show what becomes of it."""


def stages_used(pipeline: Any) -> frozenset[StageName]:
    """The stages that `pipeline` may use: those that its code can reach; all where that cannot be seen."""
    reader = _Reader()
    try:
        reader.follow(pipeline, 0)
    except _NotFollowed:
        return frozenset(STAGE_NAMES)
    return frozenset(reader.used)


@dataclass(frozen=True, slots=True)
class _Place:
    """A function's syntax tree; `outer` is the tree of the function that it is nested in, else the same one, and
    `within` that function itself, whose closure and globals names are looked up in."""

    tree: _Function
    outer: _Function
    within: Any  # a FunctionType, which type checkers take for a method here


class _Reader:
    """Follows one session through functions; `used` are the stages that were seen."""

    def __init__(self) -> None:
        self.used: set[StageName] = set()
        self._seen: set[tuple[object, str]] = set()
        self._modules: dict[str, ast.Module] = {}

    def follow(self, function: Any, parameter: _Parameter) -> None:
        """Read a function that is given the session as `parameter`: a position, or a name. Raises _NotFollowed."""
        plain, parameter = _plain(function, parameter)
        file = plain.__code__.co_filename
        if file not in self._modules:
            self._modules[file] = _parsed(file)
        tree = _tree_of(plain, self._modules[file])
        self._read(_Place(tree, tree, plain), _parameter(tree, parameter))

    def _read(self, place: _Place, name: str) -> None:
        if (place.tree, name) in self._seen:
            return
        self._seen.add((place.tree, name))
        parents = {child: node for node in ast.walk(place.tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(place.tree):
            if isinstance(node, ast.Name) and node.id in _SEES_ALL:
                raise _NotFollowed
            if isinstance(node, ast.Name) and node.id == name:
                self._use(place, node, parents)

    def _use(self, place: _Place, node: ast.Name, parents: dict[ast.AST, ast.AST]) -> None:
        """One mention of the session."""
        match parents[node]:
            case ast.Attribute(attr=attr, ctx=ast.Load()) if attr in STAGE_NAMES:
                self.used.add(attr)
            case ast.Attribute(attr=attr, ctx=ast.Load()) if attr in _OTHER_FIELDS:
                pass
            case ast.Call(func=called, args=args) if node in args:
                if any(isinstance(one, ast.Starred) for one in args[: args.index(node)]):
                    raise _NotFollowed
                self._passed(place, called, args.index(node))
            case ast.keyword(arg=str(keyword)) as given:
                self._passed(place, cast("ast.Call", parents[given]).func, keyword)
            case _:
                raise _NotFollowed

    def _passed(self, place: _Place, called: ast.expr, parameter: _Parameter) -> None:
        """The session is an argument of a call."""
        if isinstance(called, ast.Name) and (bound := list(_bound(place.outer, called.id))):
            nested = bound[0]
            if len(bound) > 1 or not isinstance(nested, ast.FunctionDef | ast.AsyncFunctionDef):
                raise _NotFollowed
            self._read(_Place(nested, place.outer, place.within), _parameter(nested, parameter))
            return
        function = _looked_up(called, place.within)
        if not any(function is harmless for harmless in _HARMLESS):
            self.follow(function, parameter)


# ---- functions -------------------------------------------------------------------------------------------------------


def _plain(function: Any, parameter: _Parameter) -> tuple[FunctionType, _Parameter]:
    """The Python function behind a class, a method, a partial or an object with `__call__`, with the parameter's place
    in it."""
    after_self = parameter + 1 if isinstance(parameter, int) else parameter
    match function:
        case FunctionType() if function.__code__.co_filename == stage.__file__ and hasattr(function, "__wrapped__"):
            return _plain(vars(function)["__wrapped__"], parameter)  # a stage factory's own wrapper reads nothing
        case FunctionType():
            return function, parameter
        case functools.partial():
            bound = cast("functools.partial[Any]", function)
            return _plain(bound.func, parameter + len(bound.args) if isinstance(parameter, int) else parameter)
        case MethodType():
            return _plain(function.__func__, after_self)
        case type() if function.__new__ is object.__new__:
            return _plain(function.__init__, after_self)
        case _ if isinstance(
            called := inspect.getattr_static(type(cast("object", function)), "__call__", None), FunctionType
        ):
            return called, after_self
        case _:
            raise _NotFollowed


def _tree_of(function: FunctionType, module: ast.Module) -> _Function:
    code = function.__code__
    kinds = ast.Lambda if code.co_name == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(module) if isinstance(node, kinds) and _first_line(node) == code.co_firstlineno]
    named = [node for node in found if isinstance(node, ast.Lambda) or node.name == code.co_name]
    if len(named) != 1:
        raise _NotFollowed
    return named[0]


def _parsed(file: str) -> ast.Module:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        raise _NotFollowed from None


def _first_line(node: _Function) -> int:
    """As a code object counts: a decorator's line comes before the function's own."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _parameter(tree: _Function, parameter: _Parameter) -> str:
    """The name of a parameter that is given by position or by name."""
    positional = [one.arg for one in (*tree.args.posonlyargs, *tree.args.args)]
    if isinstance(parameter, int):
        if parameter < len(positional):
            return positional[parameter]
    elif parameter in {*positional, *(one.arg for one in tree.args.kwonlyargs)}:
        return parameter
    raise _NotFollowed  # it is one of *args or **kwargs


# ---- names -----------------------------------------------------------------------------------------------------------


def _bound(tree: _Function, name: str) -> Iterator[ast.AST]:
    """Return the assignments of a local name, in a function or in those inside of it."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node is not tree and node.name == name:
                yield node
            case ast.Name(id=known, ctx=ast.Store() | ast.Del()) | ast.arg(arg=known) if known == name:
                yield node
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (one for one in names if (one.asname or one.name.split(".")[0]) == name)
            case ast.ExceptHandler(name=known) | ast.MatchAs(name=known) | ast.MatchStar(name=known) if known == name:
                yield node
            case ast.MatchMapping(rest=known) if known == name:
                yield node
            case _:
                pass


def _looked_up(called: ast.expr, within: FunctionType) -> Any:
    """Return the value of a global name, of a name of the closure, or of an attribute of a module or class."""
    match called:
        case ast.Name(id=name):
            known = {**vars(builtins), **within.__globals__, **inspect.getclosurevars(within).nonlocals}
            if name in known:
                return known[name]
        case ast.Attribute(value=value, attr=attr):
            owner = _looked_up(value, within)
            if isinstance(owner, ModuleType | type) and hasattr(owner, attr):
                return getattr(owner, attr)
        case _:
            pass
    raise _NotFollowed
