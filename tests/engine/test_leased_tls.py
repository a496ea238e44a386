"""Replicas with TLS: a gateway accepts the certificate that the lease names, and no other."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import ormsgpack
import pytest
from hosted import EchoLlm, ToneTts, no_pauses
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation, Message
from voicepipe.engine.leased import LeasedLlm
from voicepipe.engine.network import llm_options
from voicepipe.engine.settings import EngineSettings
from voicepipe.host.app import StageHost
from voicepipe.host.own import own_stage
from voicepipe.host.serve import HostAddress, Tls, listening_host
from voicepipe.host.slots import Slots
from voicepipe.llm.errors import LlmUnavailable
from voicepipe.rx import LoopScheduler
from voicepipe.services import Address, ConnectionLost, Instance, Lease
from voicepipe.services.socket import WebSocketEndpoint
from voicepipe.tts.kyutai.protocol import PATH


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for a name that no replica has."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=cluster"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    return Tls(str(certificate), str(key))


class OneReplica:
    """A control plane of one replica, whose leases name a certificate."""

    def __init__(self, slots: Slots, port: int, certificate: str) -> None:
        self._slots, self._port, self.certificate = slots, port, certificate

    async def lease(self, stage: str) -> Lease:
        place = self._slots.lease()
        return Lease(Instance("127.0.0.1", self._port, place.token, self.certificate), place.release)

    async def health(self, stage: str) -> str:
        return "1 replica"


@asynccontextmanager
async def replica(stage: type[Any], tls: Tls) -> AsyncIterator[OneReplica]:
    slots = Slots(4)
    host = StageHost(own_stage(stage, no_pauses), slots, key=None)
    async with listening_host(host, HostAddress("127.0.0.1", 0, tls)) as port:
        yield OneReplica(slots, port, tls.fingerprint())


def test_a_socket_is_open_to_the_replica_that_the_lease_names(tls: Tls) -> None:
    """With another certificate its token is not sent."""
    endpoint = WebSocketEndpoint("synthesiser", Address("tts.cluster", 80, secure=False), PATH, {}, {})

    async def main() -> None:
        async with replica(ToneTts, tls) as plane:
            lease = await plane.lease("tts")
            with pytest.raises(ConnectionLost):
                await endpoint.open(replace(lease.instance, certificate="00" * 32))
            socket = await endpoint.open(lease.instance)  # the token is worth one connection, and is not used
            assert ormsgpack.unpackb(await socket.receive())["type"] == "Ready"
            await socket.close()

    asyncio.run(main())


def test_a_model_answers_from_the_replica_that_the_lease_names(tls: Tls) -> None:
    options = llm_options("http://cluster", EngineSettings())
    asked = Conversation("", (Message("user", "one two"),))

    async def main() -> None:
        async with replica(EchoLlm, tls) as plane, aiohttp.ClientSession() as http:
            llm = LeasedLlm("llm", plane, options, lambda: http, lease_s=1)
            scheduler = LoopScheduler(asyncio.get_running_loop())
            answer = llm(asked).pipe(rx_ops.filter(lambda piece: isinstance(piece, str)), rx_ops.to_list())
            assert "".join(await _first(answer, scheduler)).split() == ["one", "two"]
            plane.certificate = "00" * 32
            with pytest.raises(Exception, match="LLM") as failed:
                await _first(answer, scheduler)
            assert isinstance(getattr(failed.value, "cause", failed.value), LlmUnavailable)

    asyncio.run(main())


async def _first(source: Any, scheduler: LoopScheduler) -> Any:
    future = asyncio.get_running_loop().create_future()
    source.subscribe(future.set_result, future.set_exception, scheduler=scheduler)
    return await asyncio.wait_for(future, 10)


def test_the_fingerprint_is_that_of_the_first_certificate(tls: Tls, tmp_path: Path) -> None:
    """As openssl says it; the authorities behind it do not count."""
    chain = tmp_path / "chain.pem"
    text = Path(tls.certificate).read_text()
    chain.write_text(f"a remark\n{text}{text}")
    command = ["openssl", "x509", "-in", tls.certificate, "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert Tls(str(chain), tls.key).fingerprint() == said.partition("=")[2].strip().replace(":", "").lower()
