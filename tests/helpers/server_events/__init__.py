"""Strict models of the server's events: one union per dialect, distinguished by `type`.

The server itself writes plain objects; tests and the published schema hold them against these models.
"""

from server_events.beta import BETA_SERVER_EVENTS
from server_events.ga import GA_SERVER_EVENTS
from server_events.unmute import UNMUTE_SERVER_EVENTS

__all__ = ["BETA_SERVER_EVENTS", "GA_SERVER_EVENTS", "UNMUTE_SERVER_EVENTS"]
