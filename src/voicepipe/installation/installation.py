"""The installation of the running voicepipe, and the commands that install the rest of it.

The package index has a package `voicepipe` by other authors, which `pip install "voicepipe[mic]"` would install. So
each hint is made from the installation's own record: `direct_url.json` (PEP 610) names a folder, a wheel or a
repository, and a distribution that came from an index has none.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["DISTRIBUTION", "Installation", "install_command", "installation", "reinstall_command", "uninstall_command"]

DISTRIBUTION = "voicepipe-rx"
"""The name in pyproject.toml. The import package and the command are called `voicepipe`."""

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the package that runs."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Return pip's argument that installs the same distribution again.

    Args:
        version: Its version, or "unknown".
        target: The path of a source folder or of a wheel, a URL, or None when it came from an index.
        editable: Whether pip installed the source folder with `-e`.
        requires: The requirements in its metadata, with their markers.
    """

    version: str
    target: str | None
    editable: bool = False
    requires: tuple[str, ...] = ()

    def arguments(self, extra: str = "") -> list[str]:
        """Return the arguments of `pip install`; `extra` names an extra."""
        extras = f"[{extra}]" if extra else ""
        if self.target is None:
            return [f"{DISTRIBUTION}{extras}"]
        if "://" in self.target:
            return [f"{DISTRIBUTION}{extras} @ {self.target}"]
        if extra and not Path(self.target).exists():
            return _requirements_of(extra, self.requires)
        return [*(["-e"] if self.editable else []), f"{self.target}{extras}"]


def install_command(extra: str) -> str:
    """Return the shell command that adds an extra to the running installation, with the running interpreter's pip.

    When the folder or the wheel that was installed no longer exists, the command installs the extra's packages.
    """
    return _shell([*_pip("install"), *installation().arguments(extra)])


def reinstall_command() -> str:
    """Return the shell command that writes this installation's files again."""
    return _shell([*_pip("install"), "--force-reinstall", "--no-deps", *installation().arguments()])


def uninstall_command(name: str) -> str:
    """Return the shell command that removes a distribution, and does not ask."""
    pip = _pip("uninstall")
    return _shell([*pip, *([] if pip[0] == "uv" else ["-y"]), name])


@cache
def installation() -> Installation:
    """Return the record of the package that runs; of a bare source tree its folder."""
    from importlib.metadata import distributions

    found = (read(each, PACKAGE) for each in distributions(name=DISTRIBUTION))
    return next((each for each in found if each is not None), None) or _source_tree(PACKAGE)


def read(distribution: Distribution, package: Path) -> Installation | None:
    """Return what a distribution's record says, or None when `package` is not the folder that it installed."""
    origin: dict[str, Any] = json.loads(distribution.read_text("direct_url.json") or "{}")
    editable = bool(origin.get("dir_info", {}).get("editable"))
    target = _target(origin)
    folder = (
        Path(target, "src", "voicepipe") if editable and target else Path(str(distribution.locate_file("voicepipe")))
    )
    if folder.resolve() != package:
        return None
    return Installation(distribution.version, target, editable, tuple(distribution.requires or ()))


def _target(origin: dict[str, Any]) -> str | None:
    """Return the path or the URL in a `direct_url.json`, None when it is empty."""
    url: str | None = origin.get("url")
    if url is not None and url.startswith("file:"):
        return _path(url)
    if url is not None and (repository := origin.get("vcs_info")):
        return f"{repository['vcs']}+{url}@{repository['commit_id']}"
    return url


def _path(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    path = f"//{parts.netloc}{parts.path}" if parts.netloc else parts.path
    if os.name != "nt":
        return unquote(path)  # as `url2pathname` does here; its module imports an HTTP client, for 4 ms of each --help
    from urllib.request import url2pathname

    return url2pathname(path)


def _source_tree(package: Path) -> Installation:
    """Read the version from the pyproject.toml of a source tree that nothing has installed."""
    import tomllib

    folder = package.parent.parent
    try:
        version = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    except (OSError, KeyError, ValueError):
        version = "unknown"
    return Installation(version, str(folder))


def _requirements_of(extra: str, requires: tuple[str, ...]) -> list[str]:
    """Return the packages of an extra, as the metadata lists them: `redis>=6; extra == "redis"`."""
    split = (each.partition(";") for each in requires)
    return [package.strip() for package, _, marker in split if f'extra == "{extra}"' in marker.replace("'", '"')]


# ---- the shell -------------------------------------------------------------------------------------------------------


def _pip(action: str) -> list[str]:
    """Return the command that runs an action of the running interpreter's pip."""
    python = sys.executable or "python"
    if find_spec("pip") is None and shutil.which("uv"):  # uv makes environments without pip
        return ["uv", "pip", action, "--python", python]
    script = Path(python).with_name("pip.exe" if os.name == "nt" else "pip")
    in_environment = sys.prefix != sys.base_prefix
    return [*([str(script)] if in_environment and script.exists() else [python, "-m", "pip"]), action]


def _shell(words: list[str]) -> str:
    """Return words as a line for the user's shell: POSIX quoting, or double quotes on Windows."""
    return " ".join(map(quoted_for_windows, words)) if os.name == "nt" else shlex.join(words)


def quoted_for_windows(word: str) -> str:
    """Quote for cmd and PowerShell, which both take `<`, `>`, `&`, `,`, `@` or a space for their own."""
    return f'"{word}"' if set(word) & set(" <>&|^,;@()[]'%!=") else word
