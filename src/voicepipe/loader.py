"""From what stands on the command line to the pipeline that is meant."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import itertools
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from voicepipe.session import Pipeline

__all__ = [
    "PipelineError",
    "folder_of",
    "import_module_of",
    "is_default",
    "is_library",
    "lifespan_in",
    "lifespan_of",
    "load_module",
    "load_pipeline",
    "located",
    "name_of",
    "users_line",
]

FUNCTION = "pipeline"
LIFESPAN = "lifespan"


class PipelineError(Exception):
    """A pipeline cannot be loaded; the message names the file, the line and the mistake."""


def load_pipeline(ref: str | None = None) -> Pipeline:
    """The pipeline of `some/module.py` or `package.module`, either with `:function` behind it; None: the default one.

    The module's own folder (for a dotted name: the current folder) comes first on `sys.path` from here on, as with
    `python module.py`. Raises PipelineError.
    """
    target, name = _parse(str(_built_in() / "default.py") if ref is None else ref)
    module, file = _from_path(Path(target)) if _is_path(target) else _from_name(target)
    return _function(module, file, name, target)


def load_module(path: Path) -> ModuleType:
    """Return the module of a Python file. Its folder comes first on `sys.path` from here on. Raises
    PipelineError."""
    return _from_path(path)[0]


def import_module_of(target: str) -> ModuleType:
    """Return the module of a Python file, or of a dotted name. Raises PipelineError."""
    return (_from_path(Path(target)) if _is_path(target) else _from_name(target))[0]


def name_of(ref: str) -> str:
    """The name of a pipeline: its function's, or its file's where the function is called `pipeline`.

    >>> name_of("bots/support.py"), name_of("bots.py:sales"), name_of("bots.support")
    ('support', 'sales', 'support')
    """
    target, name = _parse(ref)
    stem = Path(target).stem if _is_path(target) else target.rpartition(".")[2]
    return stem if name == FUNCTION else name


def folder_of(ref: str) -> Path:
    """Return the folder that comes first on `sys.path` for a pipeline: its file's, or the current one for a module.

    >>> folder_of("bots/support.py:sales"), folder_of("bots.support")
    (PosixPath('bots'), PosixPath('.'))
    """
    target, _ = _parse(ref)
    return Path(target).parent if _is_path(target) else Path()


def lifespan_of(pipeline: Pipeline) -> Callable[[], AbstractAsyncContextManager[object]] | None:
    """The function `lifespan` of the pipeline's module, which opens and closes what its sessions share; None: none.

    Raises PipelineError for something else of that name.
    """
    module = sys.modules.get(pipeline.__module__)
    return None if module is None else lifespan_in(module)


def lifespan_in(module: ModuleType) -> Callable[[], AbstractAsyncContextManager[object]] | None:
    """The function `lifespan` of a module; None: it has none. Raises PipelineError as `lifespan_of` does."""
    found: Any = getattr(module, LIFESPAN, None)
    if found is None:
        return None
    if not callable(found) or _is_unmanaged(found):
        what = "should be an asynchronous context manager: @asynccontextmanager, and async def lifespan()"
        raise PipelineError(f"{_place(Path(module.__file__ or ''), LIFESPAN)}: lifespan {what}")
    return cast("Callable[[], AbstractAsyncContextManager[object]]", found)


def _is_unmanaged(found: Any) -> bool:
    """Return whether it is an `async` function without `@asynccontextmanager`."""
    return inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)


def _parse(ref: str) -> tuple[str, str]:
    """Return the module and the function in it. A colon after a drive letter is not the separator."""
    target, colon, name = ref.rpartition(":")
    return (target, name) if colon and name.isidentifier() and len(target) > 1 else (ref, FUNCTION)


def _is_path(target: str) -> bool:
    """Return whether a file is meant: by its spelling, or since there is one (a folder may be a package)."""
    return target.endswith(".py") or "/" in target or os.sep in target or Path(target).is_file()


def is_default(path: Path) -> bool:
    """Return whether this is the file of the default pipeline, in this installation of voicepipe or in another one.

    >>> is_default(Path("/opt/bot/lib/python3.12/site-packages/voicepipe/pipelines/default.py"))
    True
    """
    ours = (_built_in() / "default.py").resolve()
    return path.resolve() == ours or path.parts[-3:] == ("voicepipe", "pipelines", "default.py")


def _built_in() -> Path:
    """The folder of our own pipelines: inside of the package when it is installed, beside `src` in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "pipelines"
    return installed if installed.is_dir() else package.parent.parent / "pipelines"


# ---- modules ---------------------------------------------------------------------------------------------------------


def _from_path(path: Path) -> tuple[ModuleType, Path]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise PipelineError(f"{path} {what}{_hint(path.stem, path.parent)}")
    file = path.resolve()
    # A name of its own: the file may be called like a module that everybody needs.
    spec = importlib.util.spec_from_file_location(_module_name(file), file)
    if spec is None or spec.loader is None:
        raise PipelineError(f"{path} is not a Python file, whose name ends in .py{_hint(path.stem, path.parent)}")
    _search_first(file.parent)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise PipelineError(located(error, file)) from error
    return module, file


def _module_name(file: Path) -> str:
    """The module's name: another one for a file of the same name in another folder."""
    name = f"_pipeline_{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}"
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(one for one in names if getattr(sys.modules.get(one), "__file__", None) in (None, str(file)))


def _from_name(name: str) -> tuple[ModuleType, Path]:
    _search_first(Path.cwd())
    if not name:
        raise PipelineError("the pipeline's name is empty; leave it out for the default one")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise PipelineError(located(error)) from error
        neither = f"there is no file {name}, and no module {error.name!r}"
        raise PipelineError(f"{neither}{_hint(name.split('.')[-1], Path())}") from None
    except (Exception, SystemExit) as error:
        raise PipelineError(located(error)) from error
    if module.__file__ is None:
        raise PipelineError(f"{name} is a folder; name a file in it{_hint(FUNCTION, Path(name))}")
    return module, Path(module.__file__)


def _search_first(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _hint(wanted: str, folder: Path) -> str:
    """The pipelines that may have been meant: files of nearly that name, in that folder, beside it, and of our own."""
    places = [folder, folder / "pipelines", _built_in()]
    files = {file.stem: file for place in reversed(places) for file in place.glob("*.py")}
    meant = [str(files[stem]) for stem in get_close_matches(wanted, files)]
    return f"; did you mean {' or '.join(meant)}?" if meant else ""


# ---- functions -------------------------------------------------------------------------------------------------------


def _function(module: ModuleType, file: Path, name: str, target: str) -> Pipeline:
    found: Any = getattr(module, name, None)
    if found is None:
        raise PipelineError(f"{file} has no function {name!r}{_others(module, target, name)}")
    place = _place(file, name)
    if not callable(found):
        raise PipelineError(f"{place}: {name!r} is of type {type(found).__name__}, and should be a function")
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        raise PipelineError(f"{place}: {name}() is async; a pipeline is a plain function that returns an observable")
    _check_parameters(found, name, place)
    return cast("Pipeline", found)


def _check_parameters(function: Any, name: str, place: str) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C
        return
    try:
        signature.bind(object())
    except TypeError:
        wanted = f"should take one argument, the session: def {name}(session)"
        raise PipelineError(f"{place}: {name}{signature} {wanted}") from None


def _others(module: ModuleType, target: str, name: str) -> str:
    """Return the names that the module has instead, the likeliest first."""
    own = [
        key
        for key, thing in vars(module).items()
        if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not key.startswith("_")
    ]
    own.sort(key=lambda key: -SequenceMatcher(None, key, name).ratio())
    return f"; it has {', '.join(own[:5])} (choose one with {target}:{own[0]})" if own else ", nor any other function"


# ---- places ----------------------------------------------------------------------------------------------------------


def _place(file: Path, name: str) -> str:
    """`file:line` of where the module gives itself that name; without the line when it got it by other ways."""
    line = next((node.lineno for node in _statements(file) if name in _names(node)), None)
    return str(file) if line is None else f"{file}:{line}"


def _statements(file: Path) -> list[ast.stmt]:
    try:
        return ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _names(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name for alias in names)
        case _:
            pass


def located(error: BaseException, file: Path | None = None) -> str:
    """`file:line: what went wrong`: the innermost line of the user's own code, not of a library that it called."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_code(frame.filename)]
    place = users_line(error, file) or (f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "")
    return f"{place}: {said}" if place else said


def users_line(error: BaseException, file: Path | None = None) -> str:
    """`file:line` of the innermost line of the user's code that was at work; empty where there is none.

    Code in the folder of `file` is the user's, wherever that folder lies.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_code(frame.filename)]
    own = [frame for frame in frames if file is not None and Path(frame.filename).parent == file.parent]
    users = own or [frame for frame in frames if not is_library(Path(frame.filename))]
    return f"{users[-1].filename}:{users[-1].lineno}" if users else ""


def _is_code(filename: str) -> bool:
    """Return whether a frame is outside of the import system and of this module, which are in every such traceback."""
    return not filename.startswith("<") and "importlib" not in Path(filename).parts and filename != __file__


def is_library(file: Path) -> bool:
    """Python's own, an installed package's, or ours."""
    ours = Path(__file__).parent
    return "site-packages" in file.parts or any(file.is_relative_to(home) for home in (Path(os.__file__).parent, ours))
