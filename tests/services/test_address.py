"""The address of a service in each way of writing it."""

import doctest

import pytest

from voicepipe.services import Address, BadAddress, Instance, address, discovery


@pytest.mark.parametrize(
    ("url", "websocket"),
    [
        ("ws://localhost:8090", "ws://localhost:8090/api"),
        ("http://localhost:8090/", "ws://localhost:8090/api"),
        ("http://tts", "ws://tts:80/api"),
        ("https://tts.example", "wss://tts.example:443/api"),
        ("wss://example.org:444/tts-server/", "wss://example.org:444/tts-server/api"),
        (" ws://[::1]:8090 ", "ws://[::1]:8090/api"),
    ],
)
def test_every_way_to_write_an_address(url: str, websocket: str) -> None:
    """http and ws, with or without a port, a path or brackets."""
    assert Address.parse(url).websocket("/api") == websocket


@pytest.mark.parametrize("url", ["", "localhost:8090", "ftp://host", "ws://", "ws://host:port", "ws://host:99999"])
def test_what_is_no_address_says_what_one_looks_like(url: str) -> None:
    """The message shows what was written."""
    with pytest.raises(BadAddress, match=r"is not (an|the) address"):
        Address.parse(url)


def test_an_instance_is_reached_by_its_ip_under_the_services_name() -> None:
    """The Host header names the service, with a port only where it is not the usual one."""
    service = Address.parse("https://tts.example/v1")
    assert service.websocket("/x", at=Instance("10.0.0.7", 443)) == "wss://10.0.0.7:443/v1/x"
    assert service.http("/x", {"q": "a b"}, at=Instance("::1", 443)) == "https://[::1]:443/v1/x?q=a+b"
    assert service.authority == "tts.example"
    assert Address.parse("ws://tts:8089").authority == "tts:8089"


def test_the_examples_are_true() -> None:
    """The docstrings' examples run."""
    for module in (address, discovery):
        failed, tried = doctest.testmod(module)
        assert tried
        assert not failed
