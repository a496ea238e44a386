"""Stages on replicas of a cluster as parts of an engine: each connection, or answer, has a lease of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

import aiohttp
import structlog
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.engine.health_checks import Probe, ServiceKind
from voicepipe.engine.network import llm_options
from voicepipe.engine.parts import SessionPart
from voicepipe.engine.settings import CLUSTER, EngineSettings
from voicepipe.events import Event, StageFailed
from voicepipe.llm.errors import LlmUnavailable
from voicepipe.llm.openai.client import OpenAi, OpenAiLlm
from voicepipe.rx import from_async
from voicepipe.services import NULL_OBSERVER, AtCapacity, ControlPlane, Lease, LeasedFinder, ServiceObserver
from voicepipe.services.errors import FailureReason
from voicepipe.session import Llm
from voicepipe.stage import naming

__all__ = ["LeasedLlm", "NoControlPlane", "leased_finder", "leased_llm", "leased_probe", "stage_of"]

log = structlog.get_logger()

Session = Callable[[], aiohttp.ClientSession]


class NoControlPlane(Exception):
    """A stage of a cluster is named, and no cluster is."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} is a stage of a cluster, and none is named: set engine, as in --engine ray://auto")


def stage_of(place: str) -> str:
    """Return the name of the stage of a place such as `cluster:stt`."""
    return place.removeprefix(CLUSTER)


def leased_finder(
    service: str, place: str, plane: ControlPlane | None, settings: EngineSettings, observer: ServiceObserver
) -> LeasedFinder:
    """Return what finds a replica for each connection. Raises NoControlPlane."""
    if plane is None:
        raise NoControlPlane(place)
    return LeasedFinder(
        service,
        stage_of(place),
        plane,
        tries=settings.find_tries,
        try_s=settings.find_try_s,
        observer=observer,
    )


def leased_probe(kind: ServiceKind, place: str, plane: ControlPlane | None) -> Probe:
    """Return the check whether a stage of the cluster has replicas."""

    async def ask() -> str:
        if plane is None:
            raise NoControlPlane(place)
        return await plane.health(stage_of(place))

    return Probe(kind, "cluster", place, "start the stage with `voicepipe cluster up`, or see its log", ask)


class LeasedLlm:
    """A language model on leased replicas, one for each answer.

    An answer that has not begun is requested from another replica when its own breaks, as often as a service's would
    be; one that has begun ends its turn. No place in the cluster is an error at once.

    Args:
        stage: The name of the stage in the cluster.
        plane: The control plane.
        options: How the model answers; the address, the key and the name are those of the lease.
        http: Returns the process's one client session, on the running loop.
        lease_s: The time, in seconds, that a lease may take.
        observer: Receives what happens.
    """

    def __init__(
        self,
        stage: str,
        plane: ControlPlane,
        options: OpenAi,
        http: Session,
        *,
        lease_s: float,
        observer: ServiceObserver = NULL_OBSERVER,
    ) -> None:
        self._stage, self._plane, self._options, self._http = stage, plane, options, http
        self._lease_s, self._observer = lease_s, observer

    def __call__(self, conversation: Conversation) -> Observable[str | Event | StageFailed]:
        return from_async(lambda: self._answer(conversation), "LLM").pipe(naming("LLM"))

    async def _answer(self, conversation: Conversation) -> AsyncGenerator[str | Event, None]:
        left = self._options.retries.times
        while True:
            begun = False
            lease = await self._lease()
            try:
                async with aclosing(self._pieces(lease, conversation)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except LlmUnavailable as error:
                if begun or not left:
                    raise
                left -= 1
                log.warning("llm.asked_another_replica", reason=str(error))
            else:
                return
            finally:
                lease.release()

    async def _lease(self) -> Lease:
        try:
            async with asyncio.timeout(self._lease_s):
                return await self._plane.lease(self._stage)
        except AtCapacity as full:
            raise LlmUnavailable(self._where, "is full", str(full), why=FailureReason.FULL) from full
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            raise LlmUnavailable(self._where, "has no replica that answers", detail) from error

    async def _pieces(self, lease: Lease, conversation: Conversation) -> AsyncGenerator[str | Event, None]:
        """Yield what a replica answers. Raises LlmUnavailable when it has died, even where nothing breaks."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lease.when_lost(lambda: None if lost.done() else lost.set_result(None))
        async with aclosing(self._leased(lease).answer(conversation)) as answer:
            while True:
                step = asyncio.ensure_future(anext(answer))
                try:
                    await asyncio.wait({step, lost}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not step.done():
                        step.cancel()
                        await asyncio.wait({step})
                if step.cancelled():
                    raise LlmUnavailable(self._where, "broke off", f"the replica at {lease.instance} has died")
                try:
                    yield step.result()
                except StopAsyncIteration:
                    return

    @property
    def _where(self) -> str:
        return f"{CLUSTER}{self._stage}"

    def _leased(self, lease: Lease) -> OpenAiLlm:
        once = replace(self._options.retries, times=0, longest_wait_s=0)  # another replica is asked instead
        at = lease.instance
        url = f"http{'s' if at.certificate else ''}://{at}"
        options = replace(self._options, url=url, api_key=at.lease, certificate=at.certificate, retries=once)
        options = replace(options, model=options.model or self._stage)
        return OpenAiLlm(options, self._http, self._observer)


@dataclass(frozen=True, slots=True)
class _LeasedLlms:
    llm: Llm
    place: str
    plane: ControlPlane

    def open(self) -> SessionPart[Llm]:
        return SessionPart(self.llm)

    def probe(self) -> Probe:
        return leased_probe("llm", self.place, self.plane)


def leased_llm(
    place: str, plane: ControlPlane | None, settings: EngineSettings, http: Session, observer: ServiceObserver
) -> _LeasedLlms:
    """Return a language model of the cluster. Raises NoControlPlane."""
    if plane is None:
        raise NoControlPlane(place)
    options = llm_options("http://cluster", settings)
    llm = LeasedLlm(stage_of(place), plane, options, http, lease_s=settings.find_try_s, observer=observer)
    return _LeasedLlms(llm, place, plane)
