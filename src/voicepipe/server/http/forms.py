"""Forms with files that are sent to us: bounded before they are read, and while they are."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, TypeVar

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from voicepipe.server.http.errors import ErrorResponse, HttpError

__all__ = ["read_body", "read_form"]

# How aiohttp says that something is no form.
_BROKEN = (ValueError, AssertionError, RuntimeError, HttpProcessingError, web.RequestPayloadError)

# Boundaries and headers of a form, beside what its fields may hold.
_OVERHEAD_BYTES = 16_384

# Parts of a form that are skipped: each takes up to half a millisecond, and a form has room for thousands.
_MOST_SKIPPED = 32

# A client sends something of its form in this time: it holds a descriptor meanwhile, and up to the form's size.
_PROGRESS_S = 10.0

T = TypeVar("T")


async def read_body(request: web.Request, content_type: str, most: int) -> bytes:
    """Return a body of this type, of `most` bytes.

    Raises `HttpError`: 411 without a length, 413 when it is too long, 415 for another type, and 408 where nothing comes
    for 10 s.
    """
    _check(request, most, content_type)
    await _go_on(request)
    data = bytearray()
    while chunk := await _soon(request, request.content.readany()):
        data += chunk
    return bytes(data)


async def read_form(
    request: web.Request, fields: Mapping[str, int], *, optional: Collection[str] = ()
) -> dict[str, bytes]:
    """The fields of a multipart form, each of which may have so many bytes. All that are not `optional` are needed;
    others are skipped, up to 32.

    Raises `HttpError`: 411 without a length, 413 when the whole or a field is too long, 415 for what is no form, and
    400 that names the field for one that is missing or given twice, and 408 where nothing comes for 10 s.
    """
    _check(request, sum(fields.values()), "multipart/form-data")
    await _go_on(request)
    given: dict[str, bytes] = {}
    skipped = 0
    try:
        reader = await request.multipart()
        while (part := await _soon(request, reader.next())) is not None:
            name = part.name if isinstance(part, BodyPartReader) else None
            if isinstance(part, BodyPartReader) and name is not None and name in fields:
                given[name] = await _read(request, part, name, fields[name], again=name in given)
            elif (skipped := skipped + 1) > _MOST_SKIPPED:
                what = f"The form has too many parts beside {', '.join(fields)}."
                raise HttpError(ErrorResponse(400, "bad_request", what))
    except _BROKEN as error:
        what = "The form cannot be read: it breaks off, or its parts do not fit."
        raise HttpError(ErrorResponse(400, "bad_request", what)) from error
    for name in fields:
        if name not in optional and not given.get(name):
            raise _wrong(name, "is empty" if name in given else "is missing")
    return given


def _check(request: web.Request, most: int, content_type: str) -> None:
    """Check what can be checked before the body is read."""
    if request.content_length is None:
        raise HttpError(ErrorResponse(411, "length_required", "The request must say how long it is (Content-Length)."))
    if request.content_length > most + _OVERHEAD_BYTES:
        raise HttpError(ErrorResponse(413, "too_long", f"The request: is longer than {most} bytes"))
    if request.content_type != content_type:
        is_form = content_type == "multipart/form-data"
        what = f"Send a form: {content_type}." if is_form else f"Send it as {content_type}."
        raise HttpError(ErrorResponse(415, "unsupported_media_type", what))
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise HttpError(
            ErrorResponse(415, "unsupported_media_type", "Send it uncompressed: what it unpacks to has no bounds.")
        )


async def _go_on(request: web.Request) -> None:
    """A client that asks whether it may send its form has waited until now."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # that was no answer yet


async def _soon(request: web.Request, reading: Coroutine[Any, Any, T]) -> T:
    """Return what is read, while something of the request comes every few seconds. Raises HttpError."""
    task, come = asyncio.create_task(reading), -1
    try:
        while not task.done() and come != request.content.total_bytes:
            come = request.content.total_bytes
            await asyncio.wait([task], timeout=_PROGRESS_S)
        if task.done():
            return task.result()
    finally:
        task.cancel()
    what = f"Nothing more of the form has come for {_PROGRESS_S:g} s."
    raise HttpError(ErrorResponse(408, "timeout", what, headers={hdrs.CONNECTION: "close"}))


async def _read(request: web.Request, part: BodyPartReader, name: str, most: int, *, again: bool) -> bytes:
    if again:
        raise _wrong(name, "was sent twice")
    data = bytearray()
    while chunk := await _soon(request, part.read_chunk()):
        data += part.decode(chunk)
        if len(data) > most:
            raise HttpError(ErrorResponse(413, "too_long", f"{name}: is longer than {most} bytes", name))
    return bytes(data)


def _wrong(field: str, what: str) -> HttpError:
    return HttpError(ErrorResponse(400, "invalid_value", f"{field}: {what}", field))
