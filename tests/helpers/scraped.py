"""The metrics that Prometheus would read, as a dict."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from voicepipe.metrics.registry import Metrics

__all__ = ["Scraped"]


class Scraped(dict[str, float]):
    """Every sample by its name without "voicepipe_", with its labels: `name{label="value"}`. What is not there is 0."""

    @classmethod
    def of(cls, metrics: Metrics) -> Scraped:
        return cls.read(metrics.render()[0].decode())

    @classmethod
    def read(cls, text: str) -> Scraped:
        scraped = cls()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                name = sample.name.removeprefix("voicepipe_")
                scraped[f"{name}{{{labels}}}" if labels else name] = sample.value
        return scraped

    def __missing__(self, key: str) -> float:
        return 0.0

    def seen(self, prefix: str) -> dict[str, float]:
        """Samples that are not 0, without the prefix; buckets are left out."""
        return {
            name.removeprefix(prefix): value
            for name, value in self.items()
            if value and name.startswith(prefix) and "_bucket" not in name
        }
