"""Invariants: what holds in every conversation."""
