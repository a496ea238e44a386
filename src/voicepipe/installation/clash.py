"""Other packages that install an import package `voicepipe` into the same environment.

The package index has one, called `voicepipe`. It writes its files between ours: `voicepipe/__init__.py` is then the
file of the package that was installed last, and uninstalling either of them removes it. When this one is installed as
editable, Python imports the other package and its command runs; nothing here can see that.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicepipe.installation.installation import DISTRIBUTION, PACKAGE, reinstall_command, uninstall_command

__all__ = ["Clash", "all_clashes", "clash_at_start"]

OTHER = "voicepipe"
"""The name of the other package on the index; this one had it, too, before it was renamed."""

PARTS = ("voicepipe.conversation", "voicepipe.session")
"""Modules of which our `__init__.py` speaks, and no other does."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Return the fault and the command that repairs it. `broken`: the imported `voicepipe/__init__.py` is not ours."""

    what: str
    remedy: str
    broken: bool

    def __str__(self) -> str:
        return f"{self.what}. To repair it: {self.remedy}"


def clash_at_start() -> Clash | None:
    """Return the clash with the known package, if any. Reads one folder's names, so that no command starts later."""
    broken = not _imported_ours()
    for record in PACKAGE.parent.glob(f"{OTHER}-*.dist-info"):
        return _with(OTHER, record.name.removeprefix(f"{OTHER}-").removesuffix(".dist-info"), broken)
    if broken:
        return Clash(f"{PACKAGE / '__init__.py'} is missing or belongs to another package", reinstall_command(), True)
    return None


def all_clashes() -> list[Clash]:
    """Return the clashes with any installed distribution. Reads the records of all of them, some 50 ms for 230."""
    broken = not _imported_ours()
    found = [_with(name, version, broken) for name, version in sorted(_sharing(PACKAGE))]
    known = clash_at_start()
    return found or ([known] if known else [])


def _with(name: str, version: str, broken: bool) -> Clash:
    what = f"the package {name} {version} has files in the folder of {DISTRIBUTION}, {PACKAGE}"
    return Clash(what, f"{uninstall_command(name)} && {reinstall_command()}", broken)


def _imported_ours() -> bool:
    """Return whether the package that Python imported as `voicepipe` is this one."""
    homes = getattr(sys.modules.get("voicepipe"), "_HOMES", {})
    return set(PARTS) <= set(homes.values())


def _sharing(package: Path) -> Iterator[tuple[str, str]]:
    """Yield name and version of each other distribution that has files in a folder."""
    from importlib.metadata import distributions

    in_folder = re.compile(rf"^{package.name}/", re.MULTILINE)
    for each in distributions():
        if each.name == DISTRIBUTION or not in_folder.search(each.read_text("RECORD") or ""):
            continue
        if Path(str(each.locate_file(package.name))).resolve() == package:
            yield each.name, each.version
