"""`TurnPauses`: the silence within a turn, and whether the turn may end there. Pure."""

from __future__ import annotations

from voicepipe.events import Pause, SpeechStarted, SpeechStopped, TranscriptDrafted, TurnTaking

__all__ = ["TurnPauses"]

_SAMPLE_S = 1e-3  # a recogniser counts in samples of its own rate


class TurnPauses:
    """Track the present silence: the words before it, and the verdict of an end-of-turn model.

    The turn may end there when both are known. Where the model is sure at once, there is nothing to win: it takes as
    long as the recogniser, and both need the processor. Without a model, which is known from the first verdict on, the
    words are enough.
    """

    def __init__(self) -> None:
        self.told = False
        """`TurnPaused` has been emitted for it."""
        self._silent_since_s: float | None = None
        self._drafted: TranscriptDrafted | None = None
        self._has_model = self._judged = False

    @property
    def draft(self) -> TranscriptDrafted | None:
        """The words with which the turn may end; None: they are not known yet, or were told, or are not judged."""
        return None if self.told or (self._has_model and not self._judged) else self._drafted

    def voice_changed(self, event: SpeechStarted | SpeechStopped) -> None:
        """Note where a silence begins, or ends."""
        self._silent_since_s = event.at_s if isinstance(event, SpeechStopped) else None
        self._drafted, self._judged, self.told = None, False, False

    def drafted(self, draft: TranscriptDrafted) -> None:
        """Note the words before the silence; those before an earlier one do not count."""
        if self._silent_since_s is not None and abs(draft.until_s - self._silent_since_s) <= _SAMPLE_S:
            self._drafted = draft

    def judged(self, pause: Pause) -> None:
        """Note a verdict of the model's."""
        self._judged = pause.bounded
        self._has_model = self._has_model or pause.bounded

    def taken(self, turns: TurnTaking) -> None:
        """Note whether the model is asked from now on."""
        self._has_model = self._has_model and turns.by == "meaning"
