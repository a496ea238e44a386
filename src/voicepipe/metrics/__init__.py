"""Metrics for Prometheus: the registry, the series, and what feeds them."""
