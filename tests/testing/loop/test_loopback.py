"""The account of what is on its way between sockets of this process."""

import socket

import pytest

from voicepipe.testing.loop.loopback import Loopback

everything = lambda _: True


@pytest.fixture
def pair():
    """A TCP connection: both ends, and the account that has adopted them."""
    account = Loopback()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        account.listen(listener)
        client = socket.create_connection(listener.getsockname())
        account.connected(client)
        assert account.awaited(everything) == {listener.fileno()}, "the listener is about to accept"
        server, _ = listener.accept()
    ends = account.adopt(client), account.adopt(server)
    yield account, *ends
    for end in ends:
        end.close()


def test_what_is_sent_is_owed_until_it_is_read(pair):
    """The receiver's descriptor is awaited while there is a byte that it has not read."""
    account, client, server = pair
    assert account.awaited(everything) == set()
    client.send(b"hello")
    assert account.awaited(everything) == {server.fileno()}
    server.recv(3)
    assert account.awaited(everything) == {server.fileno()}
    server.recv(3)
    assert account.awaited(everything) == set()


def test_both_ways_and_every_way_of_sending(pair):
    """`sendmsg` and `recv_into` count as `send` and `recv` do."""
    account, client, server = pair
    server.sendmsg([b"a", b"bc"])
    assert account.awaited(everything) == {client.fileno()}
    client.recv_into(bytearray(10))
    assert account.awaited(everything) == set()


def test_an_end_that_does_not_read_is_not_awaited(pair):
    """A reader that has paused holds nobody up."""
    account, client, _ = pair
    client.send(b"hello")
    assert account.awaited(lambda _: False) == set()


def test_a_writer_that_waits_for_room_is_awaited_once_the_other_end_has_read_all(pair):
    """Not before: as long as that does not read, there need never be room. Nor who does not wait."""
    account, client, server = pair
    client.send(b"hello")
    assert account.acknowledged(everything) == {server.fileno()}, "nothing is on its way from there"
    server.recv(3)
    assert account.acknowledged(everything) == {server.fileno()}
    server.recv(3)
    assert account.acknowledged(everything) == {client.fileno(), server.fileno()}
    assert account.acknowledged(lambda number: number == client.fileno()) == {client.fileno()}
    assert account.acknowledged(lambda _: False) == set()


def test_the_end_of_a_stream_is_on_its_way_too(pair):
    """After `close` or `shutdown` the other end is owed an end."""
    account, client, server = pair
    client.shutdown(socket.SHUT_WR)
    assert account.awaited(everything) == {server.fileno()}
    assert server.recv(10) == b""
    assert account.awaited(everything) == set()
    server.close()
    assert account.awaited(everything) == {client.fileno()}


def test_what_never_comes_is_forgotten(pair):
    """An item that another reader has read is no longer waited for."""
    account, client, server = pair
    client.send(b"hello")
    account.forget([server.fileno()])
    assert account.awaited(everything) == set()


def test_unix_sockets_need_no_account():
    """They deliver before `send` returns; they are left as they are."""
    one, other = socket.socketpair()
    with one, other:
        assert Loopback().adopt(one) is one
