"""`/v1/voice-donation`: the sentences to read out, and the recording of them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import structlog
from aiohttp import hdrs, web

from voicepipe.metrics.registry import Metrics
from voicepipe.server.http.consents import (
    Consent,
    Consents,
    ConsentsDown,
    DonationRefused,
    Submission,
    save_donation,
    submission_from,
)
from voicepipe.server.http.errors import ErrorResponse, HttpError
from voicepipe.server.http.forms import read_form

__all__ = ["DonationRoutes"]

log = structlog.get_logger()

_MAX_METADATA_BYTES = 32_768


class DonationRoutes:
    """Takes voices into `folder`. None: this server takes none, and says so with 501."""

    def __init__(
        self,
        folder: Path | None,
        consents: Consents,
        *,
        min_bytes: int,
        max_bytes: int,
        retry_after_s: int,
        metrics: Metrics,
    ) -> None:
        self._later = {hdrs.RETRY_AFTER: str(retry_after_s)}
        self._folder, self._consents = folder, consents
        self._min_bytes, self._max_bytes, self._count = min_bytes, max_bytes, metrics.server.donations

    async def ask(self, _: web.Request) -> web.Response:
        """A consent to read out, its id, and until when it is good."""
        _needed(self._folder)
        try:
            consent = await self._consents.ask()
        except ConsentsDown as error:
            raise self._down(error) from error
        return web.json_response(
            {
                "id": consent.id,
                "text": consent.text,
                "created_at_timestamp": consent.created_s,
                "expires_at_timestamp": consent.expires_s,
            }
        )

    async def give(self, request: web.Request) -> web.Response:
        """`{"id": …}` for a form of `file` and `metadata` (JSON), once both are on the disk. 400 names the field."""
        folder = _needed(self._folder)
        form = await read_form(request, {"file": self._max_bytes, "metadata": _MAX_METADATA_BYTES})
        try:
            submission, consent = await self._check(form["file"], form["metadata"])
        except DonationRefused as error:
            raise HttpError(ErrorResponse(400, "invalid_value", str(error), error.field)) from error
        except ConsentsDown as error:
            raise self._down(error) from error
        try:
            await asyncio.to_thread(save_donation, folder, consent, submission, form["file"], now_s=time.time())
        except OSError as error:
            log.exception("donation.not_kept", donation=consent.id)
            with suppress(ConsentsDown):
                await self._consents.give_back(consent)
            detail = "The donation cannot be kept: the disk does not take it. Please send it again."
            raise web.HTTPInsufficientStorage(text=detail) from error
        log.info("donation.kept", donation=consent.id, bytes=len(form["file"]))
        self._count.inc()
        return web.json_response({"id": consent.id})

    async def _check(self, recording: bytes, metadata: bytes) -> tuple[Submission, Consent]:
        """Raises DonationRefused. The consent is taken."""
        if len(recording) < self._min_bytes:
            raise DonationRefused("file", "is too short to hold the sentences")
        submission = submission_from(metadata)
        return submission, await self._consents.take(str(submission.verification_id))

    def _down(self, error: ConsentsDown) -> web.HTTPException:
        log.warning("donation.no_consents", reason=str(error))
        what = "Voices cannot be donated now: the store of consents is down."
        return web.HTTPServiceUnavailable(text=what, headers=self._later)


def _needed(folder: Path | None) -> Path:
    if folder is None:
        raise web.HTTPNotImplemented(text="This server takes no voice donations.")
    return folder
