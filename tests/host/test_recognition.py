"""A hosted recogniser with the client of Kyutai's protocol: real sockets, virtual time."""

from __future__ import annotations

import asyncio

import aiohttp
import numpy as np
import ormsgpack
import pytest
from hosted import KEY, ToneStt, hosting, stt_of
from kyutai import TONES, Running, play, running, said
from reactivex import operators as rx_ops

from voicepipe.events import Audio, Event, Pause, Transcribed, WordRecognised
from voicepipe.host.recognition import PUSHED_FRAMES
from voicepipe.services import ServiceUnavailable
from voicepipe.stage import Stage
from voicepipe.stt.kyutai.protocol import FRAME, KEY_HEADER, PATH, encode_audio
from voicepipe.testing import VirtualLoop


def test_words_and_the_end_of_a_turn_come_over_the_wire(virtual_loop: VirtualLoop) -> None:
    """The last word, which the recogniser holds until it is flushed, comes before the turn's end."""

    async def main() -> Running:
        async with hosting(ToneStt) as host, running(stt_of(host.url)) as heard:
            await play(heard.source, said("one two three"), said("four five"))
            assert host.slots.taken == 1
        assert host.slots.taken == 0
        return heard

    heard = virtual_loop.run(main())
    kinds = [(type(one.event).__name__, getattr(one.event, "text", None)) for one in heard.told]
    words = [text for kind, text in kinds if kind in ("WordRecognised", "Transcribed")]
    assert words == ["one", "two", "three", None, "four", "five", None]
    starts = [word.start_s for word in heard.events(WordRecognised)]
    assert starts == pytest.approx([1.2, 1.52, 1.84, 4.36, 4.68], abs=0.021)


def test_the_last_words_come_when_the_client_ends_the_sound(virtual_loop: VirtualLoop) -> None:
    """The marker behind the sound returns behind the words."""

    async def main() -> Running:
        async with hosting(ToneStt) as host, running(stt_of(host.url)) as heard:
            await play(heard.source, said("one two", after_s=0.0))
            heard.source.on_completed()
            await asyncio.wait_for(heard.ended.wait(), 5)
            return heard

    heard = virtual_loop.run(main())
    assert heard.completed
    assert heard.texts(WordRecognised) == "one two"


class WithoutPauses(ToneStt):
    """A recogniser that never finds that the user has finished, as in push-to-talk."""

    def stt(self) -> Stage[Audio | Event, Event]:
        hear = super().stt()
        return lambda source: hear(source).pipe(rx_ops.filter(lambda event: not isinstance(event, Pause)))


def test_pushed_silence_is_a_flush(virtual_loop: VirtualLoop) -> None:
    """A client that needs the words now pushes digital silence; the words come before the step of its fourth frame."""

    async def main() -> list[str]:
        async with (
            hosting(WithoutPauses) as host,
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{host.url}{PATH}", headers={KEY_HEADER: KEY}) as socket,
        ):
            assert ormsgpack.unpackb(await socket.receive_bytes()) == {"type": "Ready"}
            tone = TONES.say("one").samples[: 3 * FRAME]
            frames = [tone[at : at + FRAME] for at in range(0, len(tone), FRAME)]
            frames += [np.zeros(FRAME, np.float32)] * (PUSHED_FRAMES + 3)
            for frame in frames:
                await socket.send_bytes(encode_audio(frame))
            return [ormsgpack.unpackb(await socket.receive_bytes())["type"] for _ in range(len(frames) + 2)]

    steps, words = ["Step"], ["Word", "EndWord"]
    assert virtual_loop.run(main()) == [*steps * (3 + PUSHED_FRAMES - 1), *words, *steps * 4]


def test_a_full_host_says_so_at_once_and_another_one_is_taken(virtual_loop: VirtualLoop) -> None:
    async def main() -> Running:
        async with hosting(ToneStt, capacity=1) as full, hosting(ToneStt) as free:
            place = full.slots.take()
            began_s = asyncio.get_running_loop().time()
            async with running(stt_of(full.url)) as refused:
                await asyncio.wait_for(refused.ended.wait(), 5)
            assert asyncio.get_running_loop().time() - began_s < 0.05
            assert isinstance(refused.error, ServiceUnavailable)
            assert refused.error.full
            async with running(stt_of(full.url, free.url)) as heard:
                await play(heard.source, said("one two"))
                assert free.slots.taken == 1
            place.release()
            return heard

    assert virtual_loop.run(main()).texts(WordRecognised) == "one two"


def test_a_session_goes_on_at_another_host_with_what_was_said_since_the_last_word(virtual_loop: VirtualLoop) -> None:
    """The first host breaks in the middle of a word."""

    async def main() -> Running:
        async with (
            hosting(ToneStt) as first,
            hosting(ToneStt) as second,
            running(stt_of(first.url, second.url)) as heard,
        ):
            loop = asyncio.get_running_loop()
            playing = loop.create_task(play(heard.source, said("one two three four five six")))
            await asyncio.sleep(2.1)
            used = first if first.slots.taken else second
            await used.stop()
            await playing
            return heard

    heard = virtual_loop.run(main())
    assert heard.texts(WordRecognised) == "one two three four five six"
    assert len(heard.events(Transcribed)) == 1


@pytest.mark.parametrize(
    "message",
    [b"\xc1", ormsgpack.packb([1]), ormsgpack.packb({"type": "Audio"}), ormsgpack.packb({"type": "Audio", "pcm": "x"})],
)
def test_a_message_that_cannot_be_read_ends_its_connection_only(virtual_loop: VirtualLoop, message: bytes) -> None:
    async def main() -> int | None:
        async with hosting(ToneStt) as host, aiohttp.ClientSession() as http:
            async with http.ws_connect(f"{host.url}{PATH}", headers={KEY_HEADER: KEY}) as socket:
                await socket.receive_bytes()
                await socket.send_bytes(message)
                await socket.receive()
                code = socket.close_code
            await host.slots.emptied()
            async with running(stt_of(host.url)) as heard:
                await play(heard.source, said("one"))
            assert heard.texts(WordRecognised) == "one"
            return code

    assert virtual_loop.run(main()) == aiohttp.WSCloseCode.INVALID_TEXT
