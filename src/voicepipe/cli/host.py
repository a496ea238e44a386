"""`voicepipe host`: serve one stage to gateways on other machines."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.notes import note
from voicepipe.cli.options import Help
from voicepipe.cli.usage import port, seconds
from voicepipe.installation.installation import install_command

if TYPE_CHECKING:
    from voicepipe.host.hosted import HostedStage, StageKind
    from voicepipe.host.serve import HostAddress

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Serve one stage: a recogniser, a voice or a language model, over the protocol of Kyutai's servers (the language model:
OpenAI's). A gateway on another machine uses it by its URL, as it uses those. A host that is full says so at once, and
one that is stopped finishes its sessions first.

STAGE is stt (Silero, Smart Turn and Moonshine), tts (hibari), llm (SmolLM2), the path of a GGUF file, or a class of
your own: my_stages.py:MyVoice.
"""

EXAMPLES = """\
examples:
  voicepipe host stt                            the embedded recogniser at ws://127.0.0.1:8090
  voicepipe host tts --capacity 8               the embedded voice at ws://127.0.0.1:8089, for eight replies at once
  voicepipe host llm                            the embedded model at http://127.0.0.1:8091
  voicepipe host model.gguf                     any GGUF chat model
  voicepipe host my_stages.py:MyVoice           a class with a method stt, tts or llm
  voicepipe host stt --host 0.0.0.0             for the whole network; needs a key, see below
  voicepipe host stt --tls-certificate cert.pem --tls-key key.pem

Then, on the machine that talks to clients:
  voicepipe serve --stt ws://10.0.0.2:8090 --tts ws://10.0.0.3:8089 --llm http://10.0.0.4:8091

VOICEPIPE_HOST_KEY is the key that clients have to show, which a gateway sends by its setting kyutai_api_key (of a
language model: llm_api_key). On the loopback address it may be left out: then it is Kyutai's `public_token`.
"""

PORTS: dict[StageKind, int] = {"stt": 8090, "tts": 8089, "llm": 8091}
"""By kind: those that a gateway's help names, and Unmute uses."""

KEY = "VOICEPIPE_HOST_KEY"

_PUBLIC = "public_token"
# Sessions that all speak at once: the recogniser took 132 to 212 ms of CPU for a second of read speech, and 8 to 16 ms
# for one of silence (benchmarks/cluster.py); the voice takes 9 ms for a second of its sound. Of the language model it
# is an estimate: one thread writes 80 tokens a second, and a voice speaks 5.
_SESSIONS_PER_CORE = 4


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe host`."""
    parser = subparsers.add_parser(
        "host",
        help="serve one stage to gateways on other machines",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    parser.add_argument("stage", metavar="STAGE", help="stt, tts, llm, a GGUF file, or a class: my_stages.py:MyVoice")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=port, metavar="N", help="0 for any free one (default: 8090, 8089 or 8091)")
    parser.add_argument(
        "--capacity", type=_whole, metavar="N", help="sessions at once; one more is refused (default: 4 a core)"
    )
    parser.add_argument(
        "--drain-s",
        type=seconds,
        default=300.0,
        metavar="S",
        help="seconds that sessions have to finish after SIGTERM (default: %(default)g)",
    )
    parser.add_argument("--tls-certificate", metavar="FILE", help="serve wss:// and https:// with this certificate")
    parser.add_argument("--tls-key", metavar="FILE", help="the key of the certificate")
    parser.add_argument("--log-json", action="store_true", help="log lines as JSON objects")


def run(args: argparse.Namespace) -> int:
    """Return 0 after a signal to stop. Raises CommandError if the host cannot start."""
    import asyncio
    import ssl

    from voicepipe.boundary.cores import usable_cores
    from voicepipe.cli.logs import configure_logs

    key = _key(args.host)
    if (args.tls_certificate is None) != (args.tls_key is None):
        raise CommandError("--tls-certificate and --tls-key belong together: name both files")
    configure_logs("info", as_json=args.log_json)
    capacity = args.capacity or usable_cores() * _SESSIONS_PER_CORE
    stage = _load(args.stage, capacity, as_json=args.log_json)
    try:
        asyncio.run(_serve(stage, _address(args, stage), key, capacity, args.drain_s))
    except ssl.SSLError as error:
        raise CommandError(
            f"{args.tls_certificate} and {args.tls_key} are no certificate and its key: {error}"
        ) from error
    except OSError as error:
        from voicepipe.cli.address import no_address

        if error.filename is not None:
            raise CommandError(f"{error.filename} cannot be read: {error.strerror}") from error
        raise no_address(args.host, _address(args, stage).port, error) from error
    finally:
        stage.close()
    return 0


async def _serve(stage: HostedStage, address: HostAddress, key: str, capacity: int, drain_s: float) -> None:
    from voicepipe.host.app import StageHost
    from voicepipe.host.serve import serve_host
    from voicepipe.host.slots import Slots

    scheme = "http" if stage.kind == "llm" else "ws"
    secure = "s" if address.tls is not None else ""

    def ready(listens: int) -> None:
        print(f"Serving {stage.kind} ({stage.name}) at {scheme}{secure}://{_url_host(address.host)}:{listens}")
        print(f"{capacity} sessions at once; Ctrl-C stops it.", flush=True)

    await serve_host(StageHost(stage, Slots(capacity), key=key), address, drain_s=drain_s, ready=ready)


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _address(args: argparse.Namespace, stage: HostedStage) -> HostAddress:
    from voicepipe.host.serve import HostAddress, Tls

    tls = None if args.tls_certificate is None else Tls(args.tls_certificate, args.tls_key)
    return HostAddress(args.host, PORTS[stage.kind] if args.port is None else args.port, tls)


def _load(ref: str, capacity: int, *, as_json: bool) -> HostedStage:
    from voicepipe.host.embedded import load_stage
    from voicepipe.host.own import StageClassError
    from voicepipe.llm.gguf import GgufError
    from voicepipe.weights.registry import ModelError

    try:
        return load_stage(ref, capacity=capacity, progress=lambda what: note(f"loaded {what}", as_json=as_json))
    except (StageClassError, GgufError) as error:
        raise CommandError(str(error)) from error
    except ModelError as error:
        raise CommandError(f"the models cannot be loaded: {error}") from error
    except ImportError as error:
        raise CommandError(f"the models need more packages: {install_command('embedded')} ({error})") from error


def _key(host: str) -> str:
    """Return the key that clients have to show. Raises CommandError where other machines need none."""
    key = os.environ.get(KEY, "").strip()
    if key:
        return key
    if not _is_loopback(host):
        raise CommandError(
            f"--host {host} lets other machines in; set {KEY} in the environment to a secret that they have to show"
        )
    return _PUBLIC


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _whole(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of sessions, 1 or more")
    return int(text)
