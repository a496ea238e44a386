"""What is counted and timed, for Prometheus, on a registry of its own.

Who feeds the series (`voicepipe.metrics.series`): `voicepipe.metrics.session` from a session's events,
`voicepipe.metrics.stages` and the network services as `ServiceObserver`s, and the server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from voicepipe.metrics.series import (
    ConversationMetrics,
    LlmMetrics,
    MetricFactory,
    ServerMetrics,
    ServiceMetrics,
    SessionMetrics,
)
from voicepipe.services.observer import ServiceObserver
from voicepipe.session import Service

__all__ = ["Metrics"]

_SERVICES: tuple[Service, ...] = ("stt", "tts", "llm")


class Metrics:
    """Every series of one server. Nothing is global: another one counts anew.

    `services` are those that the pipeline uses: the series of the others are not shown.
    """

    def __init__(self, services: Collection[Service] = _SERVICES) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        make = MetricFactory(self._registry)
        self.session, self.talk, self.server = SessionMetrics(make), ConversationMetrics(make), ServerMetrics(make)
        self.stt = ServiceMetrics(make, "stt", "frames", "words")
        self.tts = ServiceMetrics(make, "tts", "words", "frames")
        self.llm = LlmMetrics(make)
        self._observed: set[Service] = set()
        self._hidden = tuple(f"voicepipe_{service}_" for service in _SERVICES if service not in services)

    def observer(self, service: Service) -> ServiceObserver:
        """For a service on the network that tells by itself what happens with it; its stage is then not metered."""
        self._observed.add(service)
        series: dict[Service, ServiceMetrics] = {"stt": self.stt, "tts": self.tts, "llm": self.llm}
        return series[service]

    def metered(self, service: Service) -> bool:
        """Whether nobody but the stage can tell what happens with this service."""
        return service not in self._observed

    def collect(self) -> Iterable[Metric]:
        """Every series of what is used, without the times at which each was made: nobody asks for them."""
        for metric in self._registry.collect():
            if metric.name.startswith(self._hidden):
                continue
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """What a scraper reads, in the format that its `Accept` header prefers; and the content type."""
        encode, content_type = choose_encoder(accept)
        return encode(_Registry(self)), content_type


class _Registry(CollectorRegistry):
    """What an encoder wants to be given."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.collect()
