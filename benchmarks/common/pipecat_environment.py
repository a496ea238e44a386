"""An environment with pipecat, in the user's cache folder: pip installs it once, with the user's settings."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from platformdirs import user_cache_path

from benchmarks.common.cli import Progress, Skipped

__all__ = ["VERSION", "installed"]

VERSION = "1.14.0"
REQUIREMENTS = (
    f"pipecat-ai[websocket]=={VERSION}",
    "uvicorn>=0.32,<1",  # as the extra `runner` has it, which brings a page, too
    *("av>=14", "ormsgpack>=1.7", "reactivex>=6.1,<7", "sphn>=0.2,<0.3", "structlog>=24.4"),  # for voicepipe's codec
)
INSTALL_WITHIN_S = 1200


def installed(progress: Progress) -> Path:
    """Return the Python of an environment that has pipecat. Raises Skipped where pip cannot install it."""
    home = user_cache_path("voicepipe") / "benchmarks" / f"pipecat-{VERSION}"
    python, complete = home / "bin" / "python", home / "complete"
    if complete.exists() and complete.read_text().splitlines() == list(REQUIREMENTS):
        return python
    progress(f"installing pipecat-ai {VERSION} (about 500 MB)", 0, 1)
    venv.create(home, clear=not python.exists(), with_pip=True)
    try:
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *REQUIREMENTS],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        raise Skipped(f"pip did not install pipecat-ai within {INSTALL_WITHIN_S} s") from None
    except subprocess.CalledProcessError as error:
        said: list[str] = [line for line in error.stderr.splitlines() if line.startswith("ERROR")]
        raise Skipped(f"pip cannot install pipecat-ai: {' '.join(said[:2]) or error}") from None
    complete.write_text("\n".join(REQUIREMENTS))
    return python
