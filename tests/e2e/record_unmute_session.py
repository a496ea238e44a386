"""Record the talk that `tests/realtime/test_unmute_session.py` replays, with a server of its own; it takes 20 s.

``python tests/e2e/record_unmute_session.py`` writes `tests/data/unmute_session.jsonl`: what the server has recorded,
but for the microphone's pages, which are most of it, and of which the check reads nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
HELPERS, DATA = HERE.parent / "helpers", HERE.parent / "data"
PATH = os.pathsep.join(filter(None, [str(HELPERS), os.environ.get("PYTHONPATH")]))
sys.path.insert(0, str(HELPERS))

from processes import serving  # noqa: E402
from unmute_frontend import stale_pages, unmute_frontend  # noqa: E402
from unmute_talk import SESSION, whole_talk  # noqa: E402


def main() -> None:
    with TemporaryDirectory() as folder:
        with serving([sys.executable, str(HERE / "unmute_server.py"), folder], PYTHONPATH=PATH) as url:
            asyncio.run(_talk(url))
        (recorded,) = Path(folder).glob("*.jsonl")
        lines = [line for line in recorded.read_text("utf-8").splitlines(keepends=True) if not _is_sound(line)]
    (DATA / "unmute_session.jsonl").write_text("".join(lines), "utf-8")


async def _talk(url: str) -> None:
    async with unmute_frontend(url, SESSION, stale=stale_pages(1.0)) as page:
        await whole_talk(page)


def _is_sound(line: str) -> bool:
    return json.loads(line)["data"]["type"] == "input_audio_buffer.append"


if __name__ == "__main__":
    main()
