"""The engines: embedded models in this process, or services of the network.

`voicepipe.engine.build` puts an engine together by its settings; the two can be mixed freely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from voicepipe.engine.health_checks import ServiceKind
from voicepipe.session import Stages

__all__ = ["Engine"]


class Engine(Protocol):
    """An engine makes the stages of each session, on models or services that all sessions share."""

    @property
    def max_sessions(self) -> int:
        """Return how many conversations this machine carries at once."""
        ...

    @property
    def kinds(self) -> Sequence[ServiceKind]:
        """The services that the pipeline uses. `health` reports these; the stages of the others cannot be used."""
        ...

    @property
    def calls_functions(self) -> bool:
        """Return whether the language model can call functions."""
        ...

    @property
    def gives_logprobs(self) -> bool:
        """Return whether the recogniser reports the log probabilities of its tokens."""
        ...

    @property
    def loading(self) -> bool:
        """Return whether its models are still being loaded: no session can begin yet."""
        ...

    def stages(self) -> Stages:
        """A new session's own stages. Called on the event loop."""
        ...

    async def health(self) -> dict[str, bool]:
        """Return whether each of its `kinds` can work now: `stt_up`, `tts_up`, `llm_up`, `voice_cloning_up`.

        Services are asked side by side, each for a bounded time.
        """
        ...

    async def disconnect(self) -> None:
        """Close the connections to services, on the loop that used them. Its owner's last call on that loop."""
        ...

    def close(self) -> None:
        """Free threads and models; blocks until the work under way is done."""
        ...
