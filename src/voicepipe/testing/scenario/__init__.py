"""Scenarios: what happens when, and what must come of it."""
