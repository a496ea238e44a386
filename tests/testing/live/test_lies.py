"""A server that sends what no client can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voicepipe.testing import Scenario, VirtualLoop
from voicepipe.testing.live.player import Live, play_live
from voicepipe.testing.servers import RealtimeServer, RealtimeSession

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (TRANSCRIBED, {}),
        ("error", {"error": None}),
        ("response.output_audio.delta", {"delta": "A"}),
        ("response.done", {"response": []}),
    ],
)
def test_what_cannot_be_read_fails_the_scenario(virtual_loop: VirtualLoop, kind: str, fields: Any) -> None:
    """Otherwise the rest counts as silence, in which a claim that something never happens holds."""

    async def lie(session: RealtimeSession) -> None:
        await session.send(kind, **fields)

    async def main() -> list[str]:
        async with RealtimeServer(lie) as server:
            played = await play_live(Scenario("Silence").never().bot_replies().lasts(60), Live(server.url))
            return played.missed

    (missed,) = virtual_loop.run(main())
    assert missed.startswith("the server sent what is no event of the Realtime API")
    assert json.dumps(kind) in missed
    assert virtual_loop.time() < 5
