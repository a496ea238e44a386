"""Weights of the embedded models: the registry, and how files are fetched."""
