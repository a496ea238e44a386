"""Between what the client's codec writes and sound."""

from dataclasses import replace

import numpy as np
import pytest

from voicepipe.audio import OggOpus, Pcm16
from voicepipe.conversation import Conversation
from voicepipe.events import (
    Audio,
    AudioDeferred,
    AudioReceived,
    ClientMessage,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyText,
    SettingsChanged,
    SpeechEncoded,
)
from voicepipe.operators import decode, encode
from voicepipe.testing import Marbles


def test_packets_become_sound(marbles: Marbles) -> None:
    """Little-endian 16-bit samples, 32768 to 1.0."""
    received = marbles.cold("a|", a=AudioReceived(b"\x00\x40\x00\xc0"))
    marbles.expect(received.pipe(decode(Pcm16(24_000))), "A|", A=Audio(np.array([0.5, -0.5], np.float32), 24_000))


@pytest.mark.parametrize(
    "message",
    [
        SettingsChanged("Hi."),
        ItemCreated("item1", "user", "Hello."),
        ItemDeleted("item1"),
        ItemTruncated("item1", 20),
        ItemRequested("item1"),
        ReplyRequested("reply1"),
        ReplyCancelled(),
        InputCommitted("item2"),
        InputCleared(),
        InputRejected("invalid_event", "What is this?"),
        AudioDeferred(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_passes_at_its_place_in_the_sound(marbles: Marbles, message: ClientMessage) -> None:
    """A message has no second way."""
    sound = Audio(np.array([0.5], np.float32), 24_000)
    received = marbles.cold("ama|", a=AudioReceived(b"\x00\x40"), m=message)
    marbles.expect(received.pipe(decode(Pcm16(24_000))), "AmA|", A=sound, m=message)


def test_a_bad_packet_is_named_and_the_next_good_one_heard(marbles: Marbles) -> None:
    """The session goes on without what could not be decoded."""
    page = OggOpus().encoder()(Audio(np.zeros(960, np.float32), 24_000))
    received = marbles.cold("bA|", b=AudioReceived(b"odd", "event_7"), A=AudioReceived(page))
    why = "not Ogg pages with correct checksums, at or before this packet of 3 bytes"
    marbles.expect(
        received.pipe(decode(OggOpus())),
        "rA|",
        r=InputRejected("invalid_audio", why, "audio", "event_7"),
        A=Audio(OggOpus().decoder()(page), 24_000),
    )


def test_an_empty_packet_is_no_sound(marbles: Marbles) -> None:
    """Nothing comes of nothing."""
    marbles.expect(marbles.cold("a|", a=AudioReceived(b"")).pipe(decode(Pcm16())), "-|")


def test_speech_is_encoded_and_the_rest_passes(marbles: Marbles) -> None:
    """The packet knows how long it sounds."""
    text = ReplyText("hi")
    spoken = marbles.cold("ts|", t=text, s=ReplyAudio(Audio(np.array([0.5, -1.0], np.float32), 1000)))
    marbles.expect(
        spoken.pipe(encode(Pcm16(1000))), "ts|", t=text, s=SpeechEncoded(b"\xff\x3f\x01\x80", duration_ms=2.0)
    )


@pytest.mark.parametrize("ending", ["e", "x"], ids=["ended", "interrupted"])
def test_the_last_milliseconds_do_not_sound_in_the_next_reply(marbles: Marbles, ending: str) -> None:
    """Opus packs 40 ms: what does not fill a packet comes at the reply's end, or is dropped when it was cut."""
    tone = (0.5 * np.sin(np.arange(1200) * 2 * np.pi * 440 / 24_000)).astype(np.float32)
    loud, quiet = Audio(tone, 24_000), Audio(np.zeros(960, np.float32), 24_000)
    values = {"l": ReplyAudio(loud), "q": ReplyAudio(quiet), "e": ReplyEnded("", Conversation())}
    spoken = marbles.cold(f"ql{ending}qq|", table=values | {"x": ReplyInterrupted("", Conversation())})
    decoder = OggOpus().decoder()
    out = [one.value for one in marbles.record(spoken.pipe(encode(OggOpus())))[:-1]]
    at = next(n for n, event in enumerate(out) if isinstance(event, ReplyEnded | ReplyInterrupted))
    sound = [decoder(event.data) if isinstance(event, SpeechEncoded) else np.zeros(0) for event in out]
    after = np.concatenate(sound[at:])
    assert np.abs(after[480:]).max() < 0.02  # the first 20 ms of a packet still ring
    before = sum(len(samples) for samples in sound[:at])
    assert before >= (2160 if ending == "e" else 1920) - 960


def test_a_reply_that_was_cut_before_its_first_sound_leaves_the_next_one_its_headers(marbles: Marbles) -> None:
    """A client cannot play a stream whose first page it did not get: the bot would be mute from then on."""
    tone = Audio((0.3 * np.sin(np.arange(2880) * 0.1)).astype(np.float32), 24_000)
    spoken = marbles.cold("xs|", x=ReplyInterrupted("", Conversation()), s=ReplyAudio(tone))
    sent = [one.value for one in marbles.record(spoken.pipe(encode(OggOpus())))[:-1]]
    hear = OggOpus().decoder()
    heard = np.concatenate([hear(event.data) for event in sent if isinstance(event, SpeechEncoded)])
    assert len(heard) >= 1920
    assert np.std(heard[960:]) > 0.1


def mulaw(name: str, ms: int) -> AudioReceived:
    return AudioReceived(b"\x80" * (8 * ms), name, "audio/pcmu")


def test_each_packet_is_decoded_in_its_format(marbles: Marbles) -> None:
    """The sound has the rate of the session's codec, and nothing is lost where the format changes."""
    messages = {"p": AudioReceived(bytes(960), "p"), "m": mulaw("m", 20), "c": InputCommitted("item1")}
    received = marbles.cold("pmmmpmmc|", table=messages)
    events = [one.value for one in marbles.record(received.pipe(decode(Pcm16(24_000)))) if one.kind == "next"]
    sounds = [event.samples for event in events if isinstance(event, Audio)]
    assert sum(len(sound) for sound in sounds) == 480 * 7
    assert [event.rate_hz for event in events if isinstance(event, Audio)] == [24_000] * len(sounds)
    assert events[-1] == InputCommitted("item1")  # behind the sound that the resampler held back


def test_a_format_by_its_name_goes_on_with_the_stream(marbles: Marbles) -> None:
    """A client whose codec is Opus already, and that says so, does not begin again in the middle of its stream."""
    write, tone = OggOpus().encoder(), Audio((0.3 * np.sin(np.arange(24_000) * 0.1)).astype(np.float32), 24_000)
    received = marbles.cold("ab|", a=AudioReceived(write(tone)), b=AudioReceived(write(tone), None, "audio/opus"))
    heard = [one.value for one in marbles.record(received.pipe(decode(OggOpus()))) if one.kind == "next"]
    assert sum(len(audio.samples) for audio in heard) > 40_000


def written_in(events: list[object]) -> str:
    """For each event: `p` 20 ms of sound in PCM16 at 24 kHz, `g` in G.711, `.` no sound."""
    lengths = {960: "p", 160: "g"}
    return "".join(lengths[len(one.data)] if isinstance(one, SpeechEncoded) else "." for one in events)


@pytest.mark.parametrize(
    ("diagram", "written"),
    [
        pytest.param("sMsss", "p.ggg", id="outside of a reply at once"),
        pytest.param("SsMseS", ".p.p..", id="the reply that is on goes on as it began"),
        pytest.param("SsMsxsSs", ".p.p.g.g", id="what comes after it has the new format"),
        pytest.param("RsMsesSs", ".g.g.g.g", id="a reply's own format"),
        pytest.param("MRseSs", "..g..g", id="the settings' again"),
        pytest.param("RseSs", ".g..p", id="that of the codec again"),
        pytest.param("UsMses", ".g.g.g", id="another law at the same rate"),
    ],
)
def test_a_reply_has_one_format(marbles: Marbles, diagram: str, written: str) -> None:
    """S, R, U: replies without a format, in A-law, in µ-law. M: settings with µ-law. e, x: the ends of replies."""
    talk = Conversation()
    values = {
        "s": ReplyAudio(Audio(np.zeros(8 * 20, np.float32), 8000)),
        "S": ReplyStarted(talk),
        "R": ReplyStarted(replace(talk, output_format="audio/pcma")),
        "U": ReplyStarted(replace(talk, output_format="audio/pcmu")),
        "M": SettingsChanged(output_format="audio/pcmu"),
        "e": ReplyEnded("", talk),
        "x": ReplyInterrupted("", talk),
    }
    spoken = marbles.cold(f"{diagram}|", table=values)
    recorded = marbles.record(spoken.pipe(encode(Pcm16(24_000))))
    assert written_in([one.value for one in recorded if one.kind == "next"]) == written


def test_a_session_in_opus_is_one_stream(marbles: Marbles) -> None:
    """Its headers come once, however often it is said that it is Opus."""
    talk = Conversation(output_format="audio/opus")
    values = {
        "s": ReplyAudio(Audio(np.zeros(960, np.float32), 24_000)),
        "S": ReplyStarted(talk),
        "M": SettingsChanged(output_format="audio/opus"),
        "e": ReplyEnded("", talk),
    }
    spoken = marbles.cold("sMSseSseMs|", table=values)
    recorded = marbles.record(spoken.pipe(encode(OggOpus())))
    data = b"".join(one.value.data for one in recorded if isinstance(getattr(one, "value", None), SpeechEncoded))
    assert data.count(b"OpusHead") == 1


def test_each_subscription_has_a_stream_of_its_own(marbles: Marbles) -> None:
    """Two sessions on one pipeline object do not share a decoder."""
    writer = OggOpus().encoder()
    packets = [AudioReceived(writer(Audio(np.zeros(960, np.float32), 24_000))) for _ in range(2)]
    stage = decode(OggOpus())
    for _ in range(2):
        recorded = marbles.record(marbles.cold("ab|", a=packets[0], b=packets[1]).pipe(stage))
        assert sum(len(one.value.samples) for one in recorded if one.kind == "next") >= 960
