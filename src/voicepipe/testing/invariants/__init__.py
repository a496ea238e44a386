"""Invariants: statements that hold in every conversation."""
