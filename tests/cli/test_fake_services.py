"""`voicepipe fake-services`: what it prints, and what it answers."""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from voicepipe.cli import CommandError, fake_services
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import Fails, LlmServer


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    fake_services.add_parser(parser.add_subparsers())
    free = ["--stt-port", "0", "--tts-port", "0", "--llm-port", "0"]
    return parser.parse_args(["fake-services", *free, *words])


@asynccontextmanager
async def serving(args: argparse.Namespace) -> AsyncIterator[None]:
    task = asyncio.create_task(fake_services._serve(args))
    try:
        await asyncio.sleep(0.1)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_it_prints_what_to_export(virtual_loop: VirtualLoop, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines for a shell, with the ports that it got; the services answer there, and fail as they were told."""

    async def main() -> tuple[str, int]:
        async with serving(arguments("--tts-fails", "broken")):
            printed = capsys.readouterr().out
            urls = dict(re.findall(r"export KYUTAI_(\w+)_URL=\w+://(\S+)", printed))
            assert set(urls) == {"STT", "TTS", "LLM"}
            async with aiohttp.ClientSession() as http:
                async with http.get(f"http://{urls['LLM']}/v1/models") as response:
                    assert response.status == 200
                async with http.get(f"http://{urls['TTS']}/api/tts_streaming") as response:
                    return printed, response.status

    printed, status = virtual_loop.run(main())
    assert status == 500
    assert printed.endswith("# Ctrl-C stops them.\n")


def test_a_port_that_is_taken(virtual_loop: VirtualLoop) -> None:
    """Is told with what to do."""

    async def main() -> None:
        async with LlmServer() as other:
            await fake_services._serve(arguments("--llm-port", str(other.port)))

    with pytest.raises(CommandError, match=r"port \d+ cannot be had .* --llm-port 0"):
        virtual_loop.run(main())


def test_every_way_to_fail_has_a_word() -> None:
    """The help text names those that there are."""
    assert set(fake_services.FAILURES) == {str(mode) for mode in Fails}
