"""The connection of a process to a Ray cluster, with Ray's token authentication on."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "NAMESPACE",
    "ClusterError",
    "connect",
    "disconnect",
    "make_token",
    "ray_environment",
    "ray_module",
    "token_file",
]

NAMESPACE = "voicepipe"

_REACH_S = 3.0

_MODE, _PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"

_WITHOUT_HEAD = "RAY_gcs_rpc_server_reconnect_timeout_s"
_WITHOUT_HEAD_S = 24 * 3600
"""The time that processes of Ray live on without the cluster's head, in seconds. By Ray's default of 60 s, raylets,
replicas and gateways all end a minute after the head's machine; sessions, and new leases, do not need it."""


_ROUTING = {"RAY_SERVE_QUEUE_LENGTH_CACHE_TIMEOUT_S": "300", "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "0.2"}
"""How Serve chooses a replica: by the number of its leases, as the last answer told it, for 300 s instead of 10.
Without that it asks two replicas first, and waits for both, 0.1 s by default, which a busy machine misses again and
again. The number may be wrong, since a replica itself tells that it is full."""


class ClusterError(Exception):
    """The cluster cannot be used; the message says why, and what to do."""


def token_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file of the cluster's token: Ray's own place, unless `RAY_AUTH_TOKEN_PATH` names another."""
    return Path(environment.get(_PATH) or Path.home() / ".ray" / "auth_token").expanduser()


def make_token(file: Path | None = None) -> Path:
    """Make a token if there is none, in a file that only this user may read; return the file.

    Args:
        file: The file; None: `token_file()`.
    """
    file = file or token_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_hex(32))
    return file


def ray_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables of each process of the cluster: the token authentication is on, and a head may be away.

    Raises:
        ClusterError: The authentication was turned off, or there is no token.
    """
    mode = environment.get(_MODE, "token")
    if mode != "token":
        raise ClusterError(
            f"{_MODE} is {mode!r}: without a token every machine that reaches a port may run code; unset it"
        )
    file = token_file(environment)
    if not file.is_file():
        raise ClusterError(
            f"there is no token at {file}; `voicepipe cluster up` makes one on the first machine: copy it from there"
        )
    without_head_s = environment.get(_WITHOUT_HEAD, str(_WITHOUT_HEAD_S))
    return {_MODE: "token", _PATH: str(file), _WITHOUT_HEAD: without_head_s, "RAY_USAGE_STATS_ENABLED": "0"}


def connect(url: str) -> None:
    """Connect this process to the cluster of `ray://ADDRESS`. The machine has to be one of the cluster. Blocks.

    Raises:
        ClusterError: Ray is not installed, there is no token, or the cluster does not answer.
    """
    variables, address = ray_environment(), url.removeprefix("ray://")
    _check_reach(address)
    os.environ.update(variables)
    for name, value in _ROUTING.items():
        os.environ.setdefault(name, value)
    hook = sys.excepthook
    ray = ray_module("ray")
    sys.excepthook = (
        hook  # Ray's reports an error to the head before the process ends, and waits for a head that is gone
    )
    ray_module("ray.serve")  # takes 2 s, which the first session does not wait for
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level="error")
    except Exception as error:
        detail = str(error).strip().partition("\n")[0]
        raise ClusterError(
            f"the cluster at {url} does not answer ({type(error).__name__}: {detail}); is it up, and has this machine "
            "joined it? (`voicepipe cluster join ADDRESS`)"
        ) from error
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def _check_reach(address: str) -> None:
    """Raise ClusterError where nothing listens at an address: Ray itself looks for two minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return  # `auto`, which Ray finds in the processes of this machine
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"nothing listens at {address} ({error}); is the cluster up? On its first machine: `voicepipe cluster up`"
        ) from error


def disconnect() -> None:
    """End the connection. Blocks."""
    ray_module("ray").shutdown()


def ray_module(name: str) -> Any:
    """Return a module of Ray, which has no types that a type checker sees without it. Raises ClusterError."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ClusterError(f"a cluster needs the extra `cluster` ({error})") from error
