"""Reaching a service on the network: which instance takes us, what to do when none does, and the boundary to it."""

from voicepipe.services.address import Address, BadAddress, Instance
from voicepipe.services.discovery import Finder, Pauses, Resolve, Resolver, resolve_with_dns
from voicepipe.services.errors import (
    Full,
    Lost,
    Miss,
    Missed,
    ServiceError,
    ServiceUnavailable,
    Silent,
    TalksNonsense,
)
from voicepipe.services.observer import NOBODY, ServiceObserver
from voicepipe.services.protocol import Connect, Emit, Exchange
from voicepipe.services.socket import Closed, Door, HandshakeRefused, ServiceSocket
from voicepipe.services.socket_stage import through_socket

__all__ = [
    "NOBODY",
    "Address",
    "BadAddress",
    "Closed",
    "Connect",
    "Door",
    "Emit",
    "Exchange",
    "Finder",
    "Full",
    "HandshakeRefused",
    "Instance",
    "Lost",
    "Miss",
    "Missed",
    "Pauses",
    "Resolve",
    "Resolver",
    "ServiceError",
    "ServiceObserver",
    "ServiceSocket",
    "ServiceUnavailable",
    "Silent",
    "TalksNonsense",
    "resolve_with_dns",
    "through_socket",
]
