"""Marble diagrams: notation, harness, comparison, pictures, scripted services."""
