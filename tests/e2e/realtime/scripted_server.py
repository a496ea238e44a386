"""A server process with scripted recogniser and synthesiser, and with a model behind OpenAI's API in the same process:
for tests of what a client sends, not of what is said.

The bot answers `ANSWER` to a voice, and `WRITTEN` to a text; to a "long" one it goes on and on. To what is in `CALLS`
it calls functions, where it is offered them, and then says what they gave. Prints the address that it listens at. Needs
`tests/helpers` on its path.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from dataclasses import replace
from typing import Any

from fake_llm import options_for
from scripted_stages import HEARD, scripted_stages

from voicepipe.conversation import SILENCE
from voicepipe.engine.health_checks import KINDS
from voicepipe.engine.http import Http
from voicepipe.events import FunctionCall
from voicepipe.llm.openai.client import OpenAiLlm
from voicepipe.loader import load_pipeline
from voicepipe.server import ServerSettings, run_server
from voicepipe.session import Llm
from voicepipe.testing.servers import Answer, LlmServer

ANSWER = "Nice to meet you."
WRITTEN = "I have read that."
ENDLESS = " ".join(["on and"] * 200)
PARIS, ROME = (FunctionCall("", "weather", f'{{"city": "{city}"}}') for city in ("Paris", "Rome"))
CALLS: dict[str, Answer] = {
    "Is it warm in Paris?": PARIS,
    "Look, and tell me meanwhile.": ["One moment please, I am looking at the sky now.", PARIS],
    "Paris or Rome?": [PARIS, ROME],
    "Ben, please.": [
        FunctionCall("", "transfer_to_ben"),
        FunctionCall("", "transfer_to_Ben"),
    ],  # in Python, in JavaScript
    "Is there a table for two?": FunctionCall("", "free_tables", '{"people": 2}'),
    "Is there a table, and is it warm?": [FunctionCall("", "free_tables", '{"people": 2}'), PARIS],
}


def answer(messages: list[dict[str, Any]]) -> Answer:
    """Return the model's answer: about the results of functions since the user has spoken, or else to the user."""
    system, *_ = messages
    asked = lambda one: one["role"] == "user" and one["content"] != SILENCE  # which stands for a request to go on
    since = list(itertools.takewhile(lambda one: not asked(one), reversed(messages)))
    if results := [one["content"] for one in reversed(since) if one["role"] == "tool"]:
        if results[-1].startswith('{"error"'):
            return f"It did not work: {json.loads(results[-1])['error']}."
        return "I am Ben." if "You are Ben." in system["content"] else f"The result is {', '.join(results)}"
    said = messages[-1 - len(since)]["content"]
    if said == HEARD:
        return PARIS if "Use your functions." in system["content"] else ANSWER
    return CALLS.get(said) or (ENDLESS if "long" in said else WRITTEN)


class ScriptedEngine:
    """Stages for any number of sessions."""

    max_sessions = 8
    kinds = KINDS
    calls_functions, gives_logprobs, loading = True, False, False

    def __init__(self, llm: Llm) -> None:
        self._llm = llm

    def stages(self) -> Any:
        return replace(scripted_stages(lambda _: ""), llm=self._llm)

    async def health(self) -> dict[str, bool]:
        return {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}

    def close(self) -> None:
        """Nothing is held."""


def asking(server: LlmServer, http: Http) -> OpenAiLlm:
    options = options_for(server.url, max_tokens=1000, first_text_s=3, next_text_s=3, times=0, longest_wait_s=0)
    return OpenAiLlm(options, http.session)


async def serve(pipeline: str | None, settings: ServerSettings) -> None:
    ready = lambda url: print(f"Listening on {url}", flush=True)  # noqa: T201
    http = Http(keep_alive_s=60, resolve_every_s=60)
    async with LlmServer(answer, first_token_s=0.02, token_s=0.005) as server:
        await run_server(load_pipeline(pipeline), ScriptedEngine(asking(server, http)), settings, ready=ready)
        await http.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-key", action="append", default=[])
    parser.add_argument("--pipeline")
    args = parser.parse_args()
    asyncio.run(serve(args.pipeline, ServerSettings(port=0, api_keys=tuple(args.api_key))))


if __name__ == "__main__":
    main()
