"""Make the pictures of the page in `docs/pictures` anew: `python tests/page/refresh_pictures.py`.

They are those that the tests make; it takes two minutes, and the embedded models.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOWN = ("speaking", "start", "phone", "full", "see")
"""The states of the page that the documentation shows."""


def main() -> int:
    """Return the exit code of the tests; the pictures are replaced where all of them pass."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "tests/page"]
        done = subprocess.run([*command, f"--basetemp={folder}/made"], cwd=ROOT, check=False)
        if done.returncode == 0:
            for name in (f"page-{state}-{scheme}.png" for state in SHOWN for scheme in ("light", "dark")):
                found = next(Path(folder).glob(f"made/*/{name}"))
                shutil.copy(found, ROOT / "docs" / "pictures" / name)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
