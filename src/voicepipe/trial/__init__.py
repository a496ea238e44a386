"""Try a pipeline before it is served: build it, draw it, run it once for a silent client, and find what it uses."""

from __future__ import annotations

from voicepipe.trial.graph import check_output, graph_of, unshared
from voicepipe.trial.run import Trial, try_pipeline
from voicepipe.trial.uses import stages_used

__all__ = ["Trial", "check_output", "graph_of", "stages_used", "try_pipeline", "unshared"]
