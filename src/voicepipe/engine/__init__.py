"""Where a stage runs: in this process (`voicepipe.engine.local`), or elsewhere."""

from __future__ import annotations

from typing import Protocol

from voicepipe.session import Stages

__all__ = ["Engine"]


class Engine(Protocol):
    """What makes the stages of each session, on models or services that all sessions share."""

    @property
    def max_sessions(self) -> int:
        """How many conversations this machine carries at once."""
        ...

    def stages(self) -> Stages:
        """A new session's own stages."""
        ...

    def health(self) -> dict[str, bool]:
        """Whether each kind of stage can work now: `stt_up`, `tts_up`, `llm_up`, `voice_cloning_up`."""
        ...

    def close(self) -> None:
        """Free threads and models; blocks until the work under way is done."""
        ...
