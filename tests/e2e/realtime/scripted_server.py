"""A server process whose models are scripted: what a client sends is what counts here, not what is said.

The bot answers `ANSWER` to a voice, and `WRITTEN` to a text; to a "long" one it goes on and on. Prints the address that
it listens at. Needs `tests/helpers` on its path.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from scripted_stages import HEARD, scripted_stages

from voicepipe.conversation import Conversation
from voicepipe.loading import load_pipeline
from voicepipe.server import ServerSettings, run_server

ANSWER = "Nice to meet you."
WRITTEN = "I have read that."
ENDLESS = " ".join(["on and"] * 200)


class ScriptedEngine:
    """Stages for any number of sessions."""

    max_sessions = 8

    def stages(self) -> Any:
        return scripted_stages(_answer)

    async def health(self) -> dict[str, bool]:
        return {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}

    def close(self) -> None:
        """Nothing is held."""


def _answer(conversation: Conversation) -> str:
    said = conversation.prompt()[-1]["content"]
    if "long" in said:
        return ENDLESS
    return ANSWER if said == HEARD else WRITTEN


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-key", action="append", default=[])
    settings = ServerSettings(port=0, api_keys=tuple(parser.parse_args().api_key))
    ready = lambda url: print(f"Listening on {url}", flush=True)  # noqa: T201
    asyncio.run(run_server(load_pipeline(None), ScriptedEngine(), settings, ready=ready))


if __name__ == "__main__":
    main()
