"""`voicepipe cluster`: stages on several machines, on a Ray cluster."""

from __future__ import annotations

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from voicepipe.cli.errors import CommandError
from voicepipe.cli.options import Help
from voicepipe.cli.usage import port
from voicepipe.installation.installation import install_command

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Run stages on the machines of a Ray cluster: Ray Serve places, restarts and adds their replicas, and the sound of a
conversation goes directly to the replica that serves it.

  up      bring the stages of a file up, or to what the file says now; the first time, start a cluster here
  join    make this machine one of a cluster, until it is stopped
  status  the stages, and how many replicas run
  down    stop the stages, and the cluster that `up` has started here

It needs one more package: {install cluster}
"""

EXAMPLES = """\
examples:
  voicepipe cluster up app.yaml                          on this machine alone
  voicepipe cluster up app.yaml --address 10.0.0.1       the first of several machines, by its own address
  voicepipe cluster join 10.0.0.1:6379                   each further one; it needs the token of the first
  voicepipe cluster status
  voicepipe serve --engine ray://auto                    a gateway, on any of the machines
  voicepipe cluster down

app.yaml names the stages:
  stages:
    stt: {replicas: 2, capacity: 4}
    tts: {capacity: 8}
    llm: {stage: /models/qwen.gguf, gpus: 1, capacity: 8}
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe cluster`."""
    parser = subparsers.add_parser(
        "cluster",
        help="stages on several machines, on a Ray cluster",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    up = actions.add_parser("up", help="bring the stages of a file up")
    up.add_argument("app", type=Path, metavar="app.yaml", help="the stages, and what each needs")
    up.add_argument("--address", default="127.0.0.1", help="this machine's, for a cluster that is started here")
    up.add_argument("--port", type=port, default=6379, help="the cluster's port (default: %(default)s)")
    join = actions.add_parser("join", help="make this machine one of a cluster, until it is stopped")
    join.add_argument("head", metavar="ADDRESS", help="the first machine's address and port: 10.0.0.1:6379")
    join.add_argument("--address", help="this machine's address in the cluster (default: that of its default route)")
    status = actions.add_parser("status", help="show the stages, and how many replicas run")
    down = actions.add_parser("down", help="stop the stages, and the cluster that was started here")
    for action in (up, status, down):
        action.add_argument(
            "--engine", metavar="ray://ADDRESS", help="a cluster that runs already (default: the one of this machine)"
        )


def run(args: argparse.Namespace) -> int:
    """Return 0 when it is done. Raises CommandError."""
    from voicepipe._yaml import YamlError
    from voicepipe.cluster.connection import ClusterError

    try:
        return {"up": _up, "join": _join, "status": _status, "down": _down}[args.action](args)
    except YamlError as error:
        raise CommandError(str(error)) from error
    except ClusterError as error:
        extra = "`cluster`" in str(error) and "extra" in str(error)
        raise CommandError(f"{error}: {install_command('cluster')}" if extra else str(error)) from error


def _up(args: argparse.Namespace) -> int:
    from voicepipe.cluster.app_file import read_app_file
    from voicepipe.cluster.deployment import deploy

    app = read_app_file(args.app)
    if args.engine is None:
        _start_head(args)
    with _connected(args.engine):
        try:
            deploy(app, lambda name: print(f"{name} is up", flush=True))
        except RuntimeError as error:
            raise CommandError(_failures() or f"a stage did not start: {error}") from error
    print("Use them on a machine of the cluster: voicepipe serve --engine ray://auto")
    return 0


def _failures() -> str:
    from voicepipe.cluster.deployment import stage_states

    failed = [f"{state.name} did not start: {state.message}" for state in stage_states() if state.message]
    return "\n".join(failed)


def _start_head(args: argparse.Namespace) -> None:
    from voicepipe.cluster.connection import make_token
    from voicepipe.cluster.local_head import LocalHead, start_head

    if LocalHead.find() is not None:
        return
    token = make_token()
    head = start_head(args.address, args.port)
    print(f"A cluster has started at {head.address}; its token is in {token}", flush=True)


def _join(args: argparse.Namespace) -> int:
    from voicepipe.cluster.connection import ray_environment
    from voicepipe.cluster.node import join_command

    command = join_command(args.head, args.address)
    os.execve(command[0], command, {**os.environ, **ray_environment()})


def _status(args: argparse.Namespace) -> int:
    from voicepipe.cluster.deployment import stage_states

    with _connected(args.engine):
        states = stage_states()
    if not states:
        print("no stages; bring some up with: voicepipe cluster up app.yaml")
    for state in states:
        starting = f", {state.starting} starting" if state.starting else ""
        print(f"{state.name:<16}{state.status.lower():<12}{state.running} running{starting}")
        if state.message:
            print(f"  {state.message}")
    return 0


def _down(args: argparse.Namespace) -> int:
    from voicepipe.cluster.deployment import remove_all
    from voicepipe.cluster.local_head import LocalHead

    with _connected(args.engine):
        remove_all()
    print("the stages are stopped")
    head = LocalHead.find() if args.engine is None else None
    if head is not None:
        head.stop()
        print(f"the cluster at {head.address} is stopped")
    return 0


@contextmanager
def _connected(engine: str | None) -> Generator[None]:
    from voicepipe.cluster.connection import ClusterError, connect, disconnect
    from voicepipe.cluster.local_head import LocalHead

    if engine is None:
        head = LocalHead.find()
        if head is None:
            raise ClusterError(
                "no cluster was started on this machine; name one: --engine ray://ADDRESS, or ray://auto"
            )
        engine = f"ray://{head.address}"
    connect(engine)
    try:
        yield
    finally:
        disconnect()
