"""`voicepipe fake-services`: the services of a voice conversation on ports of this machine, without models."""

from __future__ import annotations

import argparse
import json
import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.cli.usage import port, seconds

if TYPE_CHECKING:
    from voicepipe.testing.servers import Answers, FakeServer, LlmServer

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Stand-ins for the services that voicepipe talks to, which speak their real protocols: a speech recogniser that hears a
word of --hears for each third of a second of sound, a language model that says what --answers, a voice that hums.
For trying out a deployment, and what it does when a service fails.
"""

EXAMPLES = """\
examples:
  voicepipe fake-services                       all three; prints what to export
  voicepipe fake-services --tts-fails full      a voice that is at capacity
  voicepipe fake-services --stt-delay 2.5       the delay of the large recogniser
  voicepipe fake-services --speech openai       speech by OpenAI's HTTP API instead of Kyutai's protocol
  voicepipe fake-services --quirk think-tags    a model that writes its reasoning into its text
  voicepipe fake-services --calls 'weather({"city": "Paris"})' --answers ''    a model that calls a function
  curl -X POST "localhost:8090/fails?mode=dies&times=1"     while they run: the next connection is cut
  curl -X POST "localhost:8089/fails?mode=down&for_s=5"     this one is away for five seconds
  curl -X POST "localhost:8091/fails"                       this one has recovered
"""

HEARS = "what time is it in the town where you live"
ANSWERS = "It is a quarter past nine, and the sun is shining."
FAILURES = (
    *("down", "full", "forbidden", "missing", "limited", "broken", "silent"),
    *("mute", "dies", "early", "garbage", "slow", "endless"),
)
"""The values of `voicepipe.testing.servers.Fails`, which is not imported to show a help text."""

# The silence of a pause: people are silent within a sentence for up to 0.3 s.
_PAUSE_S = 0.4


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe fake-services`."""
    parser = subparsers.add_parser(
        "fake-services",
        help="stand-ins for the network services, for tests",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action=_HelpWithQuirks, nargs=0, help="show this help message and exit")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    parser.add_argument("--hears", default=HEARS, metavar="TEXT", help="what the recogniser hears, round and round")
    parser.add_argument(
        "--answers", default=ANSWERS, metavar="TEXT", help="what the model says; '' repeats what it was told"
    )
    parser.add_argument("--calls", metavar="NAME(JSON)", help="a function that it calls before, where it is offered")
    parser.add_argument(
        "--quirk", metavar="NAME", help="an odd stream, of those below, in place of the model's answers"
    )
    parser.add_argument(
        "--speech",
        choices=("kyutai", "openai"),
        default="kyutai",
        help="what the recogniser and the voice speak: Kyutai's protocol, or OpenAI's HTTP API (default: %(default)s)",
    )
    parser.add_argument("--stt-delay", type=seconds, default=0.5, metavar="S", help="seconds (default: %(default)s)")
    parser.add_argument("--tts-delay", type=seconds, default=0.2, metavar="S", help="to the first sound (%(default)s)")
    parser.add_argument("--llm-delay", type=seconds, default=0.1, metavar="S", help="to the first word (%(default)s)")
    for name, number in (("stt", 8090), ("tts", 8089), ("llm", 8091)):
        parser.add_argument(
            f"--{name}-port", type=port, default=number, help="0 for any free one (default: %(default)s)"
        )
        parser.add_argument(f"--{name}-fails", choices=FAILURES, metavar="HOW", help=f"fail: {', '.join(FAILURES)}")


class _HelpWithQuirks(argparse.Action):
    """The help option of argparse, which reads the table of quirks only when it is used."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from voicepipe.testing.servers.quirks import QUIRKS

        rows = "".join(f"  {name:<28}{quirk.servers}\n" for name, quirk in QUIRKS.items())
        parser.epilog = f"{EXAMPLES}\nquirks, and servers that have them:\n{rows}"
        parser.print_help()
        parser.exit()


def run(args: argparse.Namespace) -> int:
    """Return 0 after SIGTERM; Ctrl-C ends as usual. Raises CommandError if a port cannot be used."""
    import asyncio

    asyncio.run(_serve(args))
    return 0


async def _serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or Ctrl-C, which count from the start on: a script may end what has only just begun."""
    from voicepipe.boundary.stop_signals import stop_signal
    from voicepipe.testing.servers import Fails

    stt, tts, llm = _servers(args)
    async with AsyncExitStack() as stack:
        stopped = stack.enter_context(stop_signal())
        for name, server in (("stt", stt), ("tts", tts), ("llm", llm)):
            await _start(stack, server, name)
            how = getattr(args, f"{name}_fails")
            await server.fail(Fails(how) if how else None)
        _tell(stt, tts, llm, "openai:http" if args.speech == "openai" else "ws")
        await stopped.wait()


def _servers(args: argparse.Namespace) -> tuple[FakeServer, FakeServer, LlmServer]:
    from voicepipe.testing.servers import ByVoice, LlmServer, SpeechServer, SttServer, TranscriptionServer, TtsServer

    host, answers, hears = args.host, _answers(args.answers, args.calls), ByVoice(args.hears)
    stt: FakeServer
    tts: FakeServer
    if args.speech == "openai":
        stt = TranscriptionServer(hears, answer_s=args.stt_delay, host=host, port=args.stt_port)
        tts = SpeechServer(first_audio_s=args.tts_delay, host=host, port=args.tts_port)
    else:
        stt = SttServer(hears, delay_s=args.stt_delay, pause_after_s=_PAUSE_S, host=host, port=args.stt_port)
        tts = TtsServer(first_audio_s=args.tts_delay, host=host, port=args.tts_port)
    llm = LlmServer(answers, first_token_s=args.llm_delay, quirk=_quirk(args.quirk), host=host, port=args.llm_port)
    return stt, tts, llm


def _quirk(name: str | None) -> str | None:
    """Return a quirk's name. Raises CommandError if there is no such quirk."""
    from difflib import get_close_matches

    from voicepipe.testing.servers.quirks import QUIRKS

    if name is None or name in QUIRKS:
        return name
    near = get_close_matches(name, QUIRKS, n=1)
    raise CommandError(f"there is no quirk {name!r}{f'; did you mean {near[0]}?' if near else ''} (--help lists them)")


def _answers(text: str, calls: str | None) -> Answers:
    """Return the model's answers, and the calls before them."""
    from voicepipe.events import FunctionCall
    from voicepipe.testing.servers import repeated

    if calls is None:
        return lambda messages: text or repeated(messages)
    name, arguments = _call(calls)
    call = FunctionCall("", name, arguments)  # its id is another one each time
    return lambda messages: text or repeated(messages) if messages[-1]["role"] == "tool" else call


def _call(written: str) -> tuple[str, str]:
    """Parse `weather({"city": "Paris"})` to name and arguments."""
    found = re.fullmatch(r"\s*([\w-]{1,64})\s*(?:\((.*)\))?\s*", written, re.DOTALL)
    try:
        if found and isinstance(json.loads(arguments := found[2] or "{}"), dict):
            return found[1], arguments
    except ValueError:
        pass
    raise CommandError(f"--calls takes a name and, in parentheses, a JSON object: not {written!r}")


async def _start(stack: AsyncExitStack, server: FakeServer, name: str) -> None:
    try:
        await stack.enter_async_context(server)
    except OSError as error:
        raise CommandError(
            f"port {server.port} cannot be used ({error.strerror}); take any free one: --{name}-port 0"
        ) from error


def _tell(stt: FakeServer, tts: FakeServer, llm: LlmServer, scheme: str) -> None:
    """Print lines that a shell can execute."""
    print(f"export KYUTAI_STT_URL={scheme}://{stt.host}:{stt.port}")
    print(f"export KYUTAI_TTS_URL={scheme}://{tts.host}:{tts.port}")
    print(f"export KYUTAI_LLM_URL=http://{llm.host}:{llm.port}")
    print("# Ctrl-C stops them.", flush=True)
