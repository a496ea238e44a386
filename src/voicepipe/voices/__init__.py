"""Voices: the catalogue, the stores of cloned voices, and the cloning service."""
