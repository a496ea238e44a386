"""Connections to network services: discovery of an instance, errors, and the boundary between socket and graph."""

from voicepipe.services.address import Address, BadAddress, Instance
from voicepipe.services.discovery import Backoff, Finder, Resolve, Resolver, resolve_with_dns
from voicepipe.services.errors import (
    AtCapacity,
    AttemptFailed,
    ConnectionLost,
    FailureReason,
    ProtocolViolation,
    ServiceError,
    ServiceStalled,
    ServiceUnavailable,
)
from voicepipe.services.lease import ControlPlane, Lease, LeasedFinder
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.services.protocol import Connect, Emit, ServiceProtocol
from voicepipe.services.socket import Closed, HandshakeRefused, ServiceSocket, WebSocketEndpoint
from voicepipe.services.socket_stage import socket_stage

__all__ = [
    "NULL_OBSERVER",
    "Address",
    "AtCapacity",
    "AttemptFailed",
    "Backoff",
    "BadAddress",
    "Closed",
    "Connect",
    "ConnectionLost",
    "ControlPlane",
    "Emit",
    "FailureReason",
    "Finder",
    "HandshakeRefused",
    "Instance",
    "Lease",
    "LeasedFinder",
    "ProtocolViolation",
    "Resolve",
    "Resolver",
    "ServiceError",
    "ServiceObserver",
    "ServiceProtocol",
    "ServiceSocket",
    "ServiceStalled",
    "ServiceUnavailable",
    "WebSocketEndpoint",
    "resolve_with_dns",
    "socket_stage",
]
