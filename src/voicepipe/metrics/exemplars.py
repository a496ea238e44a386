"""Exemplars: beside a figure in a histogram, the session in which it was seen."""

from __future__ import annotations

from prometheus_client import Histogram
from structlog.contextvars import get_contextvars

__all__ = ["observe_in_session"]

# OpenMetrics allows 128 characters of labels and values.
_MOST_CHARS = 100


def observe_in_session(series: Histogram, value: float) -> None:
    """Observe a value, with the session of the running task or timer as its exemplar where there is one.

    A scraper that reads OpenMetrics shows it beside the bucket; the text format of Prometheus has no exemplars.

    Args:
        series: A histogram, with its labels.
        value: In the unit of the series.
    """
    session = get_contextvars().get("session")
    if isinstance(session, str) and len(session) <= _MOST_CHARS:
        series.observe(value, {"session_id": session})
    else:
        series.observe(value)
