"""The test servers as their clients see them: protocols, delays, pace, and each way to fail."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np
import ormsgpack
import pytest

from voicepipe.testing import VirtualLoop
from voicepipe.testing.servers import (
    ByTime,
    ByTone,
    ByVoice,
    Fails,
    FakeServer,
    LlmServer,
    SttServer,
    Tones,
    TtsServer,
)
from voicepipe.testing.servers.base import hang
from voicepipe.testing.servers.tones import joined, silence

TONES = Tones(("zero", "one", "two", "three"))
KEY = {"kyutai-api-key": "public_token"}


def frames(sound: np.ndarray) -> list[bytes]:
    whole = sound[: len(sound) // 1920 * 1920].reshape(-1, 1920)
    return [ormsgpack.packb({"type": "Audio", "pcm": frame}, option=ormsgpack.OPT_SERIALIZE_NUMPY) for frame in whole]


async def read(socket: aiohttp.ClientWebSocketResponse, for_s: float = 1.0) -> list[tuple[float, dict[str, Any]]]:
    """Return the messages until the end, or until none comes for so long."""
    clock, messages = asyncio.get_running_loop().time, list[tuple[float, dict[str, Any]]]()
    with suppress(TimeoutError):
        while True:
            message = await socket.receive(timeout=for_s)
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            messages.append((round(clock(), 3), ormsgpack.unpackb(message.data)))
    return messages


async def hear(server: SttServer, sound: np.ndarray, *more: dict[str, Any]) -> list[tuple[float, dict[str, Any]]]:
    url = f"{server.url}/api/asr-streaming"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=KEY) as socket:
        for message in frames(sound):
            await socket.send_bytes(message)
        for message in more:
            await socket.send_bytes(ormsgpack.packb(message))
        return await read(socket)


def kinds(messages: list[tuple[float, dict[str, Any]]]) -> list[str]:
    return [message["type"] for _, message in messages]


# ---- speech to text --------------------------------------------------------------------------------------------------


def test_the_recogniser_answers_as_the_real_one_does(virtual_loop: VirtualLoop) -> None:
    """Ready, an empty word, a step per frame at four times real time, words after the delay, a marker behind them."""
    sound = joined([silence(0.8), TONES.say("one two"), silence(1.2)]).samples

    async def main() -> list[tuple[float, dict[str, Any]]]:
        async with SttServer(ByTone(TONES)) as server:
            return await hear(server, sound, {"type": "Marker", "id": 7}, {"type": "Audio", "pcm": [0.0] * 1920 * 8})

    messages = virtual_loop.run(main())
    assert messages[0][1] == {"type": "Ready"}
    assert messages[1][1] == {"type": "Word", "text": "", "start_time": 0.0}
    steps = [(at_s, message) for at_s, message in messages if message["type"] == "Step"]
    assert len(steps) == len(sound) // 1920 + 8
    assert steps[-1][0] - steps[0][0] == pytest.approx((len(steps) - 1) * 0.02)
    assert {len(message["prs"]) for _, message in steps} == {4}
    words = [message for _, message in messages if message["type"] == "Word"][1:]
    assert [(word["text"], round(word["start_time"], 2)) for word in words] == [("one", 0.8), ("two", 1.12)]
    ends = [message["stop_time"] for _, message in messages if message["type"] == "EndWord"]
    assert ends == pytest.approx([1.04, 1.36], abs=0.021)
    # A word that begins at 0.8 s is told when the clock, 0.5 s behind, has passed its first 80 ms: at step 18.
    assert kinds(messages[: kinds(messages).index("Word", 2)]).count("Step") == 18
    marker = next(number for number, (_, message) in enumerate(messages) if message.get("id") == 7)
    assert kinds(messages[:marker]).count("Step") == len(sound) // 1920 + 7, "the clock has passed what was before it"


def test_the_pause_score(virtual_loop: VirtualLoop) -> None:
    """Low while somebody speaks, and until the silence has lasted."""
    sound = joined([silence(0.8), TONES.say("one"), silence(0.8)]).samples

    async def main() -> list[float]:
        async with SttServer(ByTone(TONES)) as server:
            return [message["prs"][2] for _, message in await hear(server, sound) if message["type"] == "Step"]

    scores = virtual_loop.run(main())
    assert scores[:10] == [0.95] * 10
    assert scores[10:15] == [0.05] * 5
    assert scores[15:] == [0.95] * len(scores[15:])


@pytest.mark.parametrize("server", [SttServer(ByTone(TONES)), TtsServer(api_key="public_token")])
def test_a_client_without_a_key_is_refused(virtual_loop: VirtualLoop, server: FakeServer) -> None:
    """HTTP 401, before any WebSocket."""

    async def main() -> int:
        path = "/api/asr-streaming" if isinstance(server, SttServer) else "/api/tts_streaming"
        async with server, aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(server.url + path)
            return refused.value.status

    assert virtual_loop.run(main()) == 401


def test_beyond_its_capacity_it_is_full(virtual_loop: VirtualLoop) -> None:
    """An error in place of Ready, and an orderly end; a place that is free again is given."""

    async def main() -> list[list[str]]:
        async with SttServer(ByTone(TONES), capacity=1) as server, aiohttp.ClientSession() as http:
            url, seen = f"{server.url}/api/asr-streaming", list[list[str]]()
            async with http.ws_connect(url, headers=KEY) as first:
                async with http.ws_connect(url, headers=KEY) as second:
                    seen.append(kinds(await read(second)))
                seen.append(kinds(await read(first)))
            async with http.ws_connect(url, headers=KEY) as third:
                seen.append(kinds(await read(third)))
            return seen

    assert virtual_loop.run(main()) == [["Error"], ["Ready"], ["Ready"]]


def test_other_ears() -> None:
    """By a timetable, and by any sound that is loud."""
    frame = np.full(1920, 0.5, np.float32)
    timetable = ByTime([("hello", 0.1, 0.3)]).listen()
    heard = [timetable(frame * 0, number * 0.08) for number in range(5)]
    assert [voiced for voiced, _ in heard] == [False, True, True, True, False]
    assert [(said.text, said.at_s) for _, all_said in heard for said in all_said] == [("hello", 0.1), (None, 0.3)]
    voice = ByVoice("one two").listen()
    said = [one.text for number in range(12) for one in voice(frame, number * 0.08)[1]]
    assert said == ["one", None, "two", None, "one", None]
    assert voice(frame * 0, 1.0) == (False, [])


def test_a_vocabulary_has_sixty_words() -> None:
    """More tones could not be told apart."""
    with pytest.raises(ValueError, match="60 tones"):
        Tones([str(number) for number in range(61)])
    words = [str(number) for number in range(60)]
    listening = ByTone(Tones(words)).listen()
    sound = Tones(words).say(" ".join(words)).samples
    heard = [one.text for start in range(0, len(sound), 1920) for one in listening(sound[start : start + 1920], 0)[1]]
    assert [text for text in heard if text] == words
    assert Tones(words).length_s("1 2") == pytest.approx(0.64)


# ---- text to speech --------------------------------------------------------------------------------------------------


async def speak(server: TtsServer, *words: str, end: bool = True) -> list[tuple[float, dict[str, Any]]]:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{server.url}/api/tts_streaming") as socket:
        for word in words:
            await socket.send_bytes(ormsgpack.packb({"type": "Text", "text": word}))
        if end:
            await socket.send_bytes(ormsgpack.packb({"type": "Eos"}))
        return await read(socket)


def test_the_synthesiser_answers_as_the_real_one_does(virtual_loop: VirtualLoop) -> None:
    """Ready, an empty text, then each word before its sound, four times as fast as real time, and an orderly end."""

    async def main() -> list[tuple[float, dict[str, Any]]]:
        async with TtsServer(first_audio_s=0.3, word_s=0.16) as server:
            return await speak(server, "hello", " there")

    messages = virtual_loop.run(main())
    assert kinds(messages) == ["Ready", "Text", "Text", "Audio", "Audio", "Text", "Audio", "Audio"]
    assert [message["text"] for _, message in messages if message["type"] == "Text"] == ["", "hello", "there"]
    assert messages[5][1] == {"type": "Text", "text": "there", "start_s": 0.16, "stop_s": 0.32}
    assert [len(message["pcm"]) for _, message in messages if message["type"] == "Audio"] == [1920] * 4
    assert [at_s for at_s, message in messages if message["type"] == "Audio"] == [0.3, 0.32, 0.34, 0.36]


def test_it_waits_for_the_words_to_come(virtual_loop: VirtualLoop) -> None:
    """A word is said when two more are known; without an end the rest is not said."""

    async def main() -> list[str]:
        async with TtsServer() as server:
            messages = await speak(server, "one", "two", "three", end=False)
            return [message["text"] for _, message in messages if message["type"] == "Text"]

    assert virtual_loop.run(main()) == ["", "one"]


# ---- language model --------------------------------------------------------------------------------------------------


async def ask(server: LlmServer, text: str = "hi", **fields: Any) -> tuple[int, dict[str, str], str]:
    body = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": text}], **fields}
    url = f"{server.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as response:
        return response.status, dict(response.headers), await response.text()


def said(stream: str) -> str:
    texts: list[str] = []
    for line in stream.splitlines():
        if line.startswith("data: {"):
            choices = json.loads(line[6:])["choices"]
            texts += [choice["delta"].get("content") or "" for choice in choices]
    return "".join(texts)


def test_the_language_model_answers_and_repeats(virtual_loop: VirtualLoop) -> None:
    """By what was said last; with chunks in between that mean nothing, and the count of tokens at the end."""

    async def main() -> tuple[Any, Any, Any]:
        async with LlmServer({"hi": "Hello, you!"}) as server:
            usage = {"stream_options": {"include_usage": True}}
            return await ask(server, "hi", **usage), await ask(server, "no", stream=False), server.requests

    (status, headers, stream), (_, _, whole), requests = virtual_loop.run(main())
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    assert said(stream) == "Hello, you!"
    assert stream.startswith(": keep-alive\n\n")
    assert '"choices": []' in stream
    assert '"content": null' in stream
    assert stream.endswith("data: [DONE]\n\n")
    assert json.loads(stream.splitlines()[-4][6:])["usage"]["completion_tokens"] == 2
    assert json.loads(whole)["choices"][0]["message"]["content"] == "You said: no"
    assert [request["messages"][-1]["content"] for request in requests] == ["hi", "no"]


def test_its_models_and_its_key(virtual_loop: VirtualLoop) -> None:
    """Another model is 404, another key 401, in OpenAI's form."""

    async def main() -> list[Any]:
        async with LlmServer(models=("a", "b"), api_key="k") as server, aiohttp.ClientSession() as http:
            headers = {"Authorization": "Bearer k"}
            async with http.get(f"{server.url}/v1/models", headers=headers) as response:
                models = [model["id"] for model in (await response.json())["data"]]
            statuses = []
            for model, key in (("a", "Bearer k"), ("c", "Bearer k"), ("a", "Bearer x")):
                body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
                url = f"{server.url}/v1/chat/completions"
                async with http.post(url, json=body, headers={"Authorization": key}) as response:
                    statuses.append(response.status)
                    error = (await response.json()).get("error", {})
            return [models, statuses, error["type"]]

    assert virtual_loop.run(main()) == [["a", "b"], [200, 404, 401], "authentication_error"]


@pytest.mark.parametrize(
    ("mode", "status", "retry"),
    [
        (Fails.FORBIDDEN, 401, None),
        (Fails.MISSING, 404, None),
        (Fails.LIMITED, 429, "2"),
        (Fails.BROKEN, 500, None),
        (Fails.FULL, 503, "2"),
    ],
)
def test_its_refusals(virtual_loop: VirtualLoop, mode: Fails, status: int, retry: str | None) -> None:
    """With the statuses of a real one, and when to come back."""

    async def main() -> tuple[int, dict[str, str], str]:
        async with LlmServer(retry_after_s=2) as server:
            await server.fail(mode, times=1)
            refused = await ask(server)
            assert (await ask(server))[0] == 200
            return refused

    seen, headers, body = virtual_loop.run(main())
    assert (seen, headers.get("Retry-After")) == (status, retry)
    assert json.loads(body)["error"]["message"]


def test_it_can_go_on_for_ever(virtual_loop: VirtualLoop) -> None:
    """Until the client has had enough, which it learns."""

    async def main() -> tuple[int, list[Any]]:
        async with LlmServer(lambda _: "and so on", token_s=0.05) as server:
            await server.fail(Fails.ENDLESS)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(20):
                    await ask(server)
            await asyncio.sleep(0.2)
            return len(server.open), server.visits[0].notes

    still_open, notes = virtual_loop.run(main())
    assert still_open == 0
    assert notes[-1] == "cancelled"


@pytest.mark.parametrize("mode", [Fails.DIES, Fails.EARLY, Fails.GARBAGE, Fails.MUTE, Fails.SLOW, Fails.SILENT])
def test_it_breaks_off_in_the_middle(virtual_loop: VirtualLoop, mode: Fails) -> None:
    """In each of the ways; then it works again."""

    async def main() -> tuple[str, str]:
        async with LlmServer({"hi": "one two three four"}) as server:
            await server.fail(mode, times=1)
            try:
                async with asyncio.timeout(5):
                    broken = (await ask(server))[2]
            except (TimeoutError, aiohttp.ClientError) as error:
                broken = type(error).__name__
            return broken, said((await ask(server))[2])

    broken, whole = virtual_loop.run(main())
    assert whole == "one two three four"
    match mode:
        case Fails.DIES:
            assert broken in ("ClientPayloadError", "ServerDisconnectedError")
        case Fails.EARLY:
            assert said(broken) == "one two"
            assert "[DONE]" not in broken
        case Fails.GARBAGE:
            assert "no JSON at all" in broken
        case _:
            assert broken == "TimeoutError"


# ---- failing in general ----------------------------------------------------------------------------------------------


async def reachable(server: FakeServer) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{server.url}/v1/models") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def test_down_and_up_again(virtual_loop: VirtualLoop) -> None:
    """On the same port; for a while, or until it is told otherwise. What was open is cut."""

    async def main() -> list[bool]:
        async with LlmServer() as server:
            seen = [await reachable(server)]
            await server.fail(Fails.DOWN)
            await server.fail(Fails.DOWN)
            seen.append(await reachable(server))
            await server.fail(None)
            seen.append(await reachable(server))
            await server.fail(Fails.DOWN, for_s=2)
            await asyncio.sleep(1.9)
            seen.append(await reachable(server))
            await asyncio.sleep(0.2)
            return [*seen, await reachable(server)]

    assert virtual_loop.run(main()) == [True, False, True, False, True]


def test_it_may_be_stopped_while_it_is_down(virtual_loop: VirtualLoop) -> None:
    """Nothing is left, no timer either."""

    async def main() -> None:
        async with LlmServer() as server:
            await server.fail(Fails.DOWN, for_s=5)

    virtual_loop.run(main())


def test_a_running_one_is_told_over_http(virtual_loop: VirtualLoop) -> None:
    """The request states the failure, its number and its duration; without a mode it recovers."""

    async def main() -> list[Any]:
        async with LlmServer() as server, aiohttp.ClientSession() as http:
            answers = []
            for query in ("mode=broken&times=1", "mode=limited&for_s=3", ""):
                async with http.post(f"{server.url}/fails?{query}") as response:
                    answers.append((await response.json())["fails"])
                answers.append(await reachable(server))
            return answers

    assert virtual_loop.run(main()) == ["broken", False, "limited", False, None, True]


@pytest.mark.parametrize("mode", [Fails.SILENT, Fails.MUTE, Fails.GARBAGE, Fails.SLOW, Fails.EARLY, Fails.DIES])
@pytest.mark.parametrize("kind", [SttServer, TtsServer])
def test_a_stop_does_not_wait(virtual_loop: VirtualLoop, mode: Fails, kind: type[FakeServer]) -> None:
    """Whatever its connections are doing."""

    async def main() -> None:
        server = SttServer(ByTone(TONES)) if kind is SttServer else TtsServer(dies_after=0)
        async with server:
            await server.fail(mode)
            talk = hear(server, np.zeros(19_200, np.float32)) if isinstance(server, SttServer) else speak(server, "hi")
            client = asyncio.create_task(talk)
            await asyncio.sleep(0.5)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)

    virtual_loop.run(main())
    assert virtual_loop.time() < 2


def test_real_time(virtual_loop: VirtualLoop) -> None:
    """On an ordinary event loop they are the same."""
    del virtual_loop

    async def main() -> list[str]:
        async with TtsServer(first_audio_s=0.01, word_s=0.08, pace=20) as server:
            return kinds(await speak(server, "hi"))

    assert asyncio.run(main()) == ["Ready", "Text", "Text", "Audio"]


def test_hanging_ends_with_its_task(virtual_loop: VirtualLoop) -> None:
    """When the client goes its handler is cancelled."""

    async def main() -> bool:
        task = asyncio.create_task(hang())
        await asyncio.sleep(100)
        task.cancel()
        await asyncio.wait((task,))
        return task.cancelled()

    assert virtual_loop.run(main())
