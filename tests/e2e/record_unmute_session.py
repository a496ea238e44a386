"""Record the talk that `tests/realtime/test_unmute_session.py` replays, with a server of its own; it takes 20 s.

``python tests/e2e/record_unmute_session.py`` writes `tests/data/unmute_session.jsonl`: what a page has
sent and was told, but for the microphone's pages, which are most of it, and of which the check reads nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
HELPERS, DATA = HERE.parent / "helpers", HERE.parent / "data"
PATH = os.pathsep.join(filter(None, [str(HELPERS), os.environ.get("PYTHONPATH")]))
sys.path.insert(0, str(HELPERS))

from processes import serving  # noqa: E402
from unmute_frontend import Frontend, stale_pages, unmute_frontend  # noqa: E402
from unmute_talk import SESSION, whole_talk  # noqa: E402


def main() -> None:
    with serving([sys.executable, str(HERE / "unmute_server.py")], PYTHONPATH=PATH) as url:
        page = asyncio.run(_talk(url))
    lines = [
        json.dumps({"timestamp": at, "event_sender": sender, "data": message}) + "\n"
        for at, (sender, message) in enumerate(page.lines)
        if message["type"] != "input_audio_buffer.append"
    ]
    (DATA / "unmute_session.jsonl").write_text("".join(lines), "utf-8")


async def _talk(url: str) -> Frontend:
    async with unmute_frontend(url, SESSION, stale=stale_pages(1.0)) as page:
        await whole_talk(page)
    return page


if __name__ == "__main__":
    main()
