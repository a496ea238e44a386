"""What voicepipe costs and how fast it is: `python -m benchmarks --help`."""
