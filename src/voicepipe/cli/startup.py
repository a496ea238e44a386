"""A server's start: what keeps it short and the process small, before anything large is imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

__all__ = ["end_start", "starting"]

_NOT_FOR_STRUCTLOG = ("rich", "greenlet")
# The variable that turns pydantic's plugins off.
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Between asyncio's read buffers (262,144 bytes, for each read), for which a mapping would take longer than the read,
# and the buffer of sphn's decoder (480,000 bytes, of which 16 kB are used).
_MAPPED_FROM_BYTES = 400_000
# Of free memory at the heap's end: less would go back to the system, and be asked for again, with each read.
_KEPT_BYTES = 2_000_000


@contextmanager
def starting() -> Generator[None]:
    """Prepare the process for the imports of a server, which begin in this block, before any import of structlog.

    The garbage collector stays off until `end_start`: imports make 80,000 objects that stay, and looking through them
    again and again takes 80 ms of CPU. When the block is left, it is on in any case.

    structlog gets no rich and no greenlet: it would import rich for tracebacks in colour, which a server's log never
    has, and that takes 40 ms and 5 MB; and greenlet for contexts of gevent's, which takes 1.2 MB. What needs them
    imports them later.

    pydantic looks for no plugins while the settings and the protocol are imported: it would read the metadata of all
    packages of the environment, which takes 45 ms with 200 of them. It looks for them at a pipeline's first model.
    """
    gc.disable()
    try:
        if "structlog" not in sys.modules:
            _import_structlog_alone()
        _import_settings_without_plugins()
        yield
    finally:
        gc.enable()


def _import_structlog_alone() -> None:
    absent = [name for name in _NOT_FOR_STRUCTLOG if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType] — an import now fails, as if it were not there
    try:
        import_module("structlog")
    finally:
        for name in absent:
            del sys.modules[name]


def _import_settings_without_plugins() -> None:
    if _PLUGINS in os.environ:
        return
    os.environ[_PLUGINS] = "__all__"
    try:
        import_module("voicepipe.settings")
    finally:
        del os.environ[_PLUGINS]


def end_start() -> None:
    """Exempt what is loaded now, which stays, from garbage collection, and turn the collector on.

    A full collection of it would stop every conversation for 60 ms; after this it takes 0.01 ms. The start's own
    garbage is not looked for: that would take those 60 ms before the server is ready.

    Large blocks of memory get mappings of their own from now on (`_map_large_blocks`).
    """
    gc.freeze()
    gc.enable()
    _map_large_blocks()


def _map_large_blocks() -> None:
    """Let glibc map each large block by itself, of which only the touched pages take memory.

    By itself glibc ends that when the first one is freed. From then on the Ogg-Opus decoder of each conversation, which
    zeroes its buffer in the heap, takes 488 kB instead of 19. Where `MALLOC_MMAP_THRESHOLD_` is set, that counts; other
    C libraries than glibc have no such setting.
    """
    if sys.platform != "linux" or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    import ctypes  # `--help` needs none

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
