"""`tee`: look at what flows by, without being in its way."""

from __future__ import annotations

from typing import Any, TypeVar

import structlog

from voicepipe.rx import beside
from voicepipe.stage import Stage, StageError, stage_factory, stage_name

__all__ = ["tee"]

A = TypeVar("A")

log = structlog.get_logger()


@stage_factory(passes=True)
def tee(stage: Stage[A, Any]) -> Stage[A, A]:
    """Everything passes; `stage` sees it, too: a transcript, a recorder, a meter. What it gives goes nowhere.

    Its failure touches nothing else: it is logged as an error, with its traceback, and the side branch is over until
    the next subscription. It is no `StageFailed`, which says that a turn has ended. The side branch is
    disposed when the main stream is, and has seen its completion by then. One that blocks does hold up the main
    stream, as every stage would: let it write through `async_stage` or `in_worker`.

    .. marbles::

        source   a-b-c|
        stage    --#           fails at b, and c does not reach it
        tee      a-b-c|
    """

    def failed(error: Exception) -> None:
        name, cause = (error.stage, error.cause) if isinstance(error, StageError) else (stage_name(stage), error)
        log.error("tee.failed", stage=name, exc_info=cause)

    return beside(stage, failed)
