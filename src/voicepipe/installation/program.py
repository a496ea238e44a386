"""The name of the running program, for the commands that it prints."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["this_program"]

_NAME = "voicepipe"


def this_program() -> str:
    """Return what to type in front of a command's name, in another terminal and in the same folder.

    It is the path of the started script, such as `.venv/bin/voicepipe`: another terminal may not have the virtual
    environment activated. It is the bare name if every terminal finds the script, and `python -m voicepipe` if it was
    started in that way. Inside another program, such as a test, it is the script beside the interpreter, if there is
    one.
    """
    started = Path(sys.argv[0]) if sys.argv and sys.argv[0] else Path()
    if started.name == "__main__.py" and started.parent.name == _NAME:
        return _by_interpreter()
    beside = Path(sys.executable).with_name(f"{_NAME}.exe" if os.name == "nt" else _NAME)
    script = next((path for path in (started, beside) if path.stem == _NAME and _is_program(path)), None)
    if script is None:
        return _by_interpreter()
    return _NAME if _is_found_by_name(script) else _quoted(_short(script))


def _by_interpreter() -> str:
    return f"{_quoted(_short(Path(sys.executable)))} -m {_NAME}"


def _is_program(path: Path) -> bool:
    """Return whether the path is the script; on Windows its name may lack the ending."""
    return path.is_file() or path.with_suffix(".exe").is_file()


def _is_found_by_name(script: Path) -> bool:
    """Return whether the script is in the PATH of a terminal without an activated virtual environment."""
    active = os.environ.get("VIRTUAL_ENV")
    folders = os.environ.get("PATH", "").split(os.pathsep)
    usual = [folder for folder in folders if folder and not (active and Path(folder).is_relative_to(active))]
    found = shutil.which(_NAME, path=os.pathsep.join(usual))
    in_environment = sys.prefix != sys.base_prefix and script.absolute().is_relative_to(sys.prefix)
    return found is not None and not in_environment and Path(found).resolve() == script.resolve()


def _short(path: Path) -> str:
    """Return the path relative to the working folder, if it is below. Links stay: an environment's Python is one."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def _quoted(path: str) -> str:
    """Quote the path as one word of a shell; a bare name gets a folder, or the shell would look for it in PATH."""
    if os.path.dirname(path) == "":
        path = os.path.join(os.curdir, path)
    if os.name == "nt":
        from subprocess import list2cmdline

        return list2cmdline([path])
    return shlex.quote(path)
