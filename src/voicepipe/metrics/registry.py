"""Metrics for Prometheus, on a registry of their own.

The series (`voicepipe.metrics.series`) are fed by `voicepipe.metrics.session` from a session's events, by
`voicepipe.metrics.stages` and the network services as `ServiceObserver`s, and by the server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from voicepipe.metrics.series import (
    AllMisses,
    ConversationMetrics,
    LlmMetrics,
    MetricFactory,
    ProcessMetrics,
    ServerMetrics,
    ServiceMetrics,
    SessionMetrics,
)
from voicepipe.services.observer import ServiceObserver
from voicepipe.session import Service

__all__ = ["Metrics"]

_SERVICES: tuple[Service, ...] = ("stt", "tts", "llm")


class Metrics:
    """All series of one server. Nothing is global: each object counts on its own.

    `services` are those that the pipeline uses: only their series are exported. Other names have none.
    """

    def __init__(self, services: Collection[str] = _SERVICES) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        make = MetricFactory(self._registry)
        used: list[Service] = [service for service in _SERVICES if service in services]
        self.session, self.talk = SessionMetrics(make, used), ConversationMetrics(make, used)
        self.server = ServerMetrics(make)
        self.process = ProcessMetrics(make)
        misses = AllMisses(make)
        self.stt = ServiceMetrics(make, "stt", "frames", "words", misses)
        self.tts = ServiceMetrics(make, "tts", "words", "frames", misses)
        self.llm = LlmMetrics(make, misses)
        self._observed: set[Service] = set()
        self._hidden = tuple(f"voicepipe_{service}_" for service in _SERVICES if service not in services)

    def observer(self, service: Service) -> ServiceObserver:
        """Return the observer for a network service that reports by itself; its stage is then not metered.

        A language model reports how long it takes to be found and to begin, and its stage the rest.
        """
        if service != "llm":
            self._observed.add(service)
        series: dict[Service, ServiceMetrics] = {"stt": self.stt, "tts": self.tts, "llm": self.llm}
        return series[service]

    def metered(self, service: Service) -> bool:
        """Return whether the service does not report by itself, so that its stage has to be metered."""
        return service not in self._observed

    def collect(self) -> Iterable[Metric]:
        """Return the series in use, without the times of their creation, which are of no use."""
        for metric in self._registry.collect():
            if metric.name.startswith(self._hidden):
                continue
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition in the format that the `Accept` header prefers, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    @property
    def registry(self) -> CollectorRegistry:
        """Return the series as an encoder takes them."""
        return _Registry(self)


class _Registry(CollectorRegistry):
    """A registry as an encoder takes it."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.collect()
