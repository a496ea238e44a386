"""voicepipe as a newcomer has it: a wheel, installed into an environment of its own, with its commands in `bin`."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import textwrap
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Environment", "build_wheel", "make_environment"]

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = "Scripts" if os.name == "nt" else "bin"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment. What it needs beside voicepipe is found in the environment that runs the tests."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / PROGRAMS

    @property
    def python(self) -> Path:
        return self.programs / "python"

    @property
    def site(self) -> Path:
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.folder), "platbase": str(self.folder)}))

    def install(self, *arguments: str | Path) -> None:
        """Install without dependencies."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--no-deps"]
        # The same version may be installed in the environment behind this one: that does not count.
        _run([*pip, "--ignore-installed", "--quiet", "--disable-pip-version-check", *map(str, arguments)])

    def run(self, *command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, with nothing of the tests' own Python path."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VOICEPIPE"))}
        return subprocess.run(
            [self.programs / command[0], *command[1:]],
            cwd=cwd,
            env={**inherited, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel as pip does, and return its path."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--wheel-dir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, *, programs: tuple[str, ...] = ()) -> Environment:
    """Make an environment that also finds the packages of this one, behind its own.

    Args:
        folder: Where it is made.
        programs: Modules that get a command of their name, as installing them would have given.
    """
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    environment = Environment(folder)
    behind = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (environment.site / "behind.pth").write_text("".join(f"{path}\n" for path in behind), "utf-8")
    for name in programs:
        script = environment.programs / name
        script.write_text(
            textwrap.dedent(f"""\
                #!{environment.python}
                import runpy
                runpy.run_module("{name}", run_name="__main__", alter_sys=True)
            """),
            "utf-8",
        )
        script.chmod(0o755)
    return environment


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
