"""Benchmarks of voicepipe's cost and speed: `python -m benchmarks --help`."""
