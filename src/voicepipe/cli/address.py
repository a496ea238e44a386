"""The address that `voicepipe serve` listens at."""

from __future__ import annotations

import errno
import socket
import sys

from voicepipe.cli.errors import CommandError

__all__ = ["check_address", "no_address"]


def check_address(host: str, port: int) -> None:
    """Check an address before the models are loaded. Raises CommandError."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                if sys.platform != "win32":  # where it means another thing: to share the port
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        raise no_address(host, port, error) from error


def no_address(host: str, port: int, error: OSError) -> CommandError:
    """Return in a sentence why a server cannot listen at an address."""

    if error.errno == errno.EADDRINUSE:
        return CommandError(
            f"port {port} is in use; stop the program that uses it, or take another port: --port {port + 1}"
        )
    if error.errno == errno.EACCES:
        return CommandError(f"port {port} is reserved for the administrator; take one from 1024 on: --port 8000")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return CommandError(
            f"{host!r} is not an address of this machine; 127.0.0.1 is, and 0.0.0.0 stands for all that it has"
        )
    return CommandError(f"cannot listen at {host}:{port}: {error.strerror or error}")
