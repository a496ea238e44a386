"""`voicepipe fake-services`: what it prints, and what it answers."""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from voicepipe.cli import CommandError, fake_services
from voicepipe.engine.settings import EngineSettings
from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import Fails, LlmServer
from voicepipe.testing.servers.quirks import QUIRKS


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


def test_it_speaks_the_http_api_of_openai(virtual_loop: VirtualLoop, capsys: pytest.CaptureFixture[str]) -> None:
    """On demand; what it prints says so, and the settings take it as it is."""

    async def main() -> tuple[list[str], bytes]:
        async with serving(arguments("--speech", "openai")), aiohttp.ClientSession() as http:
            urls = re.findall(r"export KYUTAI_(?:STT|TTS)_URL=(\S+)", capsys.readouterr().out)
            settings = EngineSettings(stt_url=urls[0], tts_url=urls[1])
            body = {"model": "fake-tts", "input": "One two.", "voice": "alloy", "response_format": "pcm"}
            async with http.post(f"{settings.tts_openai}/v1/audio/speech", json=body) as response:
                return urls, await response.read()

    urls, pcm = virtual_loop.run(main())
    assert all(url.startswith("openai:http://127.0.0.1:") for url in urls)
    assert len(pcm) == 2 * 2 * 0.32 * 24_000


def test_the_help_lists_every_quirk(capsys: pytest.CaptureFixture[str]) -> None:
    """With the servers that have it."""
    with pytest.raises(SystemExit):
        arguments("--help")
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in QUIRKS)


def test_a_quirk_is_spoken(virtual_loop: VirtualLoop, capsys: pytest.CaptureFixture[str]) -> None:
    """In place of the answer."""

    async def main() -> str:
        async with serving(arguments("--quirk", "think-tags")):
            url = re.findall(r"export KYUTAI_LLM_URL=(\S+)", capsys.readouterr().out)[0]
            body = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            async with (
                aiohttp.ClientSession() as http,
                http.post(f"{url}/v1/chat/completions", json=body) as response,
            ):
                return await response.text()

    assert '"content": "<think>"' in virtual_loop.run(main())


def test_an_unknown_quirk_is_told(virtual_loop: VirtualLoop) -> None:
    """With the one that was meant."""
    with pytest.raises(CommandError, match=r"no quirk 'think-tag'; did you mean think-tags\?"):
        virtual_loop.run(fake_services._serve(arguments("--quirk", "think-tag")))


def test_a_port_that_is_taken(virtual_loop: VirtualLoop) -> None:
    """Is told with what to do."""

    async def main() -> None:
        async with LlmServer() as other:
            await fake_services._serve(arguments("--llm-port", str(other.port)))

    with pytest.raises(CommandError, match=r"port \d+ cannot be used .* --llm-port 0"):
        virtual_loop.run(main())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), fake_services.ANSWERS),
        (("--answers", "Aha."), "Aha."),
        (("--answers", ""), "The result is 21 degrees"),
    ],
)
def test_its_model_calls_a_function_before_it_answers(
    virtual_loop: VirtualLoop, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], says: str
) -> None:
    """It calls the function where one is offered; its words are the same as without."""

    async def main() -> list[Any]:
        calls = ("--calls", 'weather({"city": "Paris"})')
        async with serving(arguments(*calls, *options)), aiohttp.ClientSession() as http:
            (url,) = re.findall(r"LLM_URL=(\S+)", capsys.readouterr().out)
            messages, answers = [{"role": "user", "content": "Is it warm?"}], list[Any]()
            for tools in ([{"type": "function", "function": {"name": "weather"}}], None):
                body = {"model": "fake", "messages": messages, **({"tools": tools} if tools else {})}
                async with http.post(f"{url}/v1/chat/completions", json=body) as response:
                    answers.append((await response.json())["choices"][0]["message"])
                for call in answers[-1].get("tool_calls", []):
                    messages += [
                        answers[-1],
                        {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"},
                    ]
            return answers

    called, said = virtual_loop.run(main())
    assert [call["function"] for call in called["tool_calls"]] == [
        {"name": "weather", "arguments": '{"city": "Paris"}'}
    ]
    assert said == {"role": "assistant", "content": says}


@pytest.mark.parametrize("written", ["", "two words", "weather(", "weather(7)", "weather({)"])
def test_a_call_that_is_none(virtual_loop: VirtualLoop, written: str) -> None:
    """Is told with what it should be."""
    with pytest.raises(CommandError, match="a name and, in parentheses, a JSON object"):
        virtual_loop.run(fake_services._serve(arguments("--calls", written)))


def test_every_way_to_fail_has_a_word() -> None:
    """The help text names those that there are."""
    assert set(fake_services.FAILURES) == {str(mode) for mode in Fails}
