"""`voicepipe talk`: a conversation with a running server, from a recording or from the microphone."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.cli.usage import seconds
from voicepipe.installation.program import this_program

if TYPE_CHECKING:
    from voicepipe.client import CannotConnect, Microphone, RecordedMicrophone, Summary, Talk
    from voicepipe.client.devices import DeviceMicrophone, DeviceSpeakers
    from voicepipe.client.talk import Show, Speakers

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Talk to a running server. With a recording, it is played as if into a microphone, in real time:
the conversation is printed as it happens, with the latency of each answer. Without one, your own microphone and
speakers are used (wear headphones, or the bot hears itself).
"""

EXAMPLES = """\
examples:
  voicepipe talk --sample                              what does the bot answer, and how fast?
  voicepipe talk question.wav                          with a recording of your own
  voicepipe talk question.mp3 --save talk.wav          you on the left, the bot on the right
  voicepipe talk question.wav --instructions "You are a pirate." --voice marius
  voicepipe talk --sample --allow-recording sound      let the server record it (`voicepipe recordings --help`)
  voicepipe talk --sample --plot turns.svg             a picture: where the time of each answer goes
  voicepipe talk question.wav --at-once                speak over the bot's opening
  voicepipe talk                                       your microphone; needs a package:
                                                       {install mic}
  voicepipe talk question.wav --url https://example.com --json | jq 'select(.event == "measured")'

WAV, AIFF, FLAC, MP3, Ogg-Vorbis and Ogg-Opus are read. The latency is counted from your last loud sample to the bot's
first audible one; silence and noise below -50 dBFS do not count as sound. An interruption is counted from when you
begin to speak over the bot to its last audible sample.

A server that asks for an API key gets the one in the variable VOICEPIPE_TALK_KEY.
"""

KEY_VARIABLE = "VOICEPIPE_TALK_KEY"
DEFAULT_PORT = 8000
DEFAULT_SAMPLE = "question"
"""`voicepipe.client.samples.DEFAULT`, which is not imported to show a help text."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe talk`."""
    parser = subparsers.add_parser(
        "talk",
        help="talk to a server: play a recording to it, or use the microphone",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument("recording", nargs="?", type=Path, help="a sound file; left out: microphone and speakers")
    parser.add_argument(
        "--sample",
        nargs="?",
        const=DEFAULT_SAMPLE,
        metavar="NAME",
        help="play a recording that came with the embedded models: question, two_cities or beckett "
        "(default: %(const)s)",
    )
    parser.add_argument("--url", default="ws://127.0.0.1:8000", help="the server's address (default: %(default)s)")
    parser.add_argument(
        "--instructions",
        metavar="TEXT",
        default="smalltalk",
        help="the bot's instructions, in your own words, or one of smalltalk, guess_animal, quiz_show, news, "
        'unmute_explanation; "" leaves it silent until you speak (default: %(default)s)',
    )
    parser.add_argument("--voice", metavar="NAME", help="the bot's voice (default: the server's own)")
    parser.add_argument(
        "--at-once",
        "--barge-in",
        action="store_true",
        help="play the recording at once, instead of after the bot's opening",
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        metavar="SECONDS",
        help="leave at most this long after the recording's end (default: 60, or when nothing has come for 15 s); "
        "when the bot has answered, sooner",
    )
    parser.add_argument("--save", type=Path, metavar="OUT.wav", help="write a stereo file: you left, the bot right")
    parser.add_argument(
        "--allow-recording",
        choices=("events", "sound"),
        help="let the server record the conversation, if it records any: events and words, or your sound, too",
    )
    parser.add_argument("--plot", type=Path, metavar="OUT.svg", help="draw where the time of each answer goes")
    parser.add_argument("--json", action="store_true", help="print one JSON object per event")


def run(args: argparse.Namespace) -> int:
    """Return 0 if the conversation ended in order, 1 if the server ended it early. Raises CommandError if none
    began."""
    import asyncio

    from voicepipe.client import CannotConnect

    _check_target(args.save, ".wav", "a conversation is saved as WAV")
    _check_target(args.plot, ".svg", "a picture is drawn as SVG")
    if args.recording is not None and args.sample is not None:
        raise CommandError(f"either {args.recording} or --sample is played, not both; leave one out")
    microphone, speakers = _sound_of(args)
    try:
        summary = asyncio.run(_talk(args, microphone, speakers))
    except CannotConnect as error:
        raise CommandError(f"{error}{_hint(args.url, error)}", 1 if error.status == 503 else 2) from None
    finally:
        if speakers is not None:
            speakers.close()
    _print_summary(args, summary)
    _plot(args, summary)
    if summary.failed:
        raise CommandError(summary.ended, 1)
    return 0


def _hint(url: str, error: CannotConnect) -> str:
    """Return what the user can do about it."""
    if error.status == 401:
        return f" Put it into {KEY_VARIABLE}."
    return _how_to_start(url) if error.unreachable else ""


def _how_to_start(url: str) -> str:
    """Return the command that serves at that address, if it is on this machine."""
    from yarl import URL

    from voicepipe.client import websocket_url

    address = URL(websocket_url(url))
    if address.host not in ("127.0.0.1", "localhost"):
        return ""
    port = "" if address.port == DEFAULT_PORT else f" --port {address.port}"
    return f"; start a server with: {this_program()} serve{port}"


async def _talk(args: argparse.Namespace, microphone: Microphone, speakers: Speakers | None) -> Summary:
    import asyncio

    from voicepipe.client import Talk, websocket_url
    from voicepipe.client.unmute import connect

    key = os.environ.get(KEY_VARIABLE, "").strip() or None
    voice = await _voice(args, key)
    recording = args.allow_recording or "off"
    async with connect(
        args.url, instructions=args.instructions, voice=voice, api_key=key, recording=recording
    ) as connection:
        at_once = args.at_once or not args.instructions or speakers is not None
        show = _display(args.json)
        talk = Talk(connection, microphone, show, at_once=at_once, wait_s=args.wait, speakers=speakers)
        try:
            return await talk.run(websocket_url(args.url))
        except asyncio.CancelledError:  # Ctrl-C
            _print_summary(args, talk.summary("you left"))
            raise
        finally:
            _save(args, talk)


async def _voice(args: argparse.Namespace, key: str | None) -> str | None:
    """Return the voice of that name. Raises CommandError if the server does not list it."""
    from voicepipe.client.voices import UnknownVoice, find_voice

    try:
        return await find_voice(args.url, args.voice, api_key=key) if args.voice else None
    except UnknownVoice as error:
        raise CommandError(f"--voice {args.voice}: {error}") from None


def _display(as_json: bool) -> Show:
    from voicepipe.client.transcript import JsonLines, TranscriptPrinter

    live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return JsonLines(sys.stdout) if as_json else TranscriptPrinter(sys.stdout, live=live)


def _print_summary(args: argparse.Namespace, summary: Summary) -> None:
    from voicepipe.client.transcript import summary_line

    if not args.json:
        print(summary_line(summary))


def _check_target(path: Path | None, ending: str, why: str) -> None:
    """Check an output file before the conversation."""
    if path is not None and not path.parent.is_dir():
        raise CommandError(f"cannot write {path}: there is no folder {path.parent}")
    if path is not None and path.is_dir():
        raise CommandError(f"cannot write {path}: it is a folder")
    if path is not None and path.suffix.lower() != ending:
        raise CommandError(f"cannot write {path}: {why}; name a file that ends in {ending}")


def _save(args: argparse.Namespace, talk: Talk) -> None:
    from voicepipe.client import write_stereo

    if args.save is None:
        return
    try:
        write_stereo(args.save, *talk.tracks())
    except OSError as error:
        raise CommandError(f"cannot write {args.save}: {error.strerror}") from None
    if not args.json:
        print(f"saved {args.save}")


def _plot(args: argparse.Namespace, summary: Summary) -> None:
    """Draw each answer as a bar: as the user felt it, with the server's account of it. Raises CommandError."""
    if args.plot is None:
        return
    from voicepipe.drawing.latency import Bar, bars_svg

    answers = [turn for turn in summary.turns if turn.is_answer]
    bars = [Bar(f"answer {number}", turn.latency_ms or 0.0, turn.parts_ms) for number, turn in enumerate(answers, 1)]
    try:
        args.plot.write_text(bars_svg(bars, f"from your last sound to the bot's first, {args.url}"), "utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {args.plot}: {error.strerror}") from None
    if not args.json:
        print(f"drawn: {args.plot}")


def _sound_of(args: argparse.Namespace) -> tuple[Microphone, DeviceSpeakers | None]:
    """Return the user's microphone, and the bot's loudspeaker if there is one."""
    if args.sample is not None:
        return _sampled(args.sample), None
    return _devices() if args.recording is None else (_recorded(args.recording), None)


def _sampled(name: str) -> RecordedMicrophone:
    from voicepipe.client import RecordedMicrophone
    from voicepipe.client.samples import SAMPLES, SampleMissing, read_sample

    if name not in SAMPLES:
        alone = "; a file goes without --sample" if Path(name).suffix else ""
        raise CommandError(f"no sample is called {name!r}; there are: {', '.join(SAMPLES)}{alone}")
    try:
        return RecordedMicrophone(read_sample(name))
    except SampleMissing as error:
        raise CommandError(f"{error}; or play a recording of your own: {this_program()} talk FILE") from None


def _recorded(path: Path) -> RecordedMicrophone:
    from voicepipe.client import BadRecording, RecordedMicrophone, read_recording

    try:
        return RecordedMicrophone(read_recording(path))
    except BadRecording as error:
        raise CommandError(str(error)) from None


def _devices() -> tuple[DeviceMicrophone, DeviceSpeakers]:
    from voicepipe.client.devices import NoDevice, open_devices

    try:
        return open_devices()
    except NoDevice as error:
        raise CommandError(f"{error}; or play a recording: {this_program()} talk --sample") from None
