"""Forms with files that are sent to us: bounded before they are read, and while they are."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import BodyPartReader, web

__all__ = ["read_form"]

_OVERHEAD_BYTES = 16_384
"""Boundaries and headers of a form, beside what its fields may hold."""


async def read_form(request: web.Request, fields: Mapping[str, int]) -> dict[str, bytes]:
    """The fields of a multipart form, each of which may have so many bytes. All are needed; others are skipped.

    Raises 411 without a length, 413 when the whole or a field is too long, 415 for what is no form, and 400 that names
    the field for one that is missing or given twice.
    """
    _check(request, sum(fields.values()))
    given: dict[str, bytes] = {}
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            name = part.name if isinstance(part, BodyPartReader) else None
            if not isinstance(part, BodyPartReader) or name is None or name not in fields:
                continue
            given[name] = await _read(part, name, fields[name], again=name in given)
    except (ValueError, AssertionError) as error:  # as aiohttp says it
        raise web.HTTPBadRequest(text="The form cannot be read: it breaks off, or its parts do not fit.") from error
    for name in fields:
        if not given.get(name):
            raise web.HTTPBadRequest(text=f"{name}: {'is empty' if name in given else 'is missing'}")
    return given


def _check(request: web.Request, most: int) -> None:
    """What can be said before anything is read."""
    if request.content_length is None:
        raise web.HTTPLengthRequired(text="The request must say how long it is (Content-Length).")
    if request.content_length > most + _OVERHEAD_BYTES:
        raise _too_long("The request", most)
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(text="Send a form: multipart/form-data.")


async def _read(part: BodyPartReader, name: str, most: int, *, again: bool) -> bytes:
    if again:
        raise web.HTTPBadRequest(text=f"{name}: was sent twice")
    data = bytearray()
    while chunk := await part.read_chunk():
        data += part.decode(chunk)
        if len(data) > most:
            raise _too_long(name, most)
    return bytes(data)


def _too_long(what: str, most: int) -> web.HTTPException:
    return web.HTTPRequestEntityTooLarge(most, text=f"{what}: is longer than {most} bytes")
