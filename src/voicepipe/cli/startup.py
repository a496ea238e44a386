"""A server's start: what keeps it short and the process small, before anything large is imported."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

__all__ = ["end_start", "starting"]


@contextmanager
def starting() -> Generator[None]:
    """Prepare the process for the imports of a server, which begin in this block, before any import of structlog.

    The garbage collector stays off until `end_start`: imports make 80,000 objects that stay, and looking through them
    again and again takes 80 ms of CPU. When the block is left, it is on in any case.

    structlog gets no rich: it would import it for tracebacks in colour, which a server's log never has, and that takes
    40 ms and 5 MB. What prints with rich imports it later.
    """
    gc.disable()
    try:
        if "rich" not in sys.modules and "structlog" not in sys.modules:
            _import_structlog_without_rich()
        yield
    finally:
        gc.enable()


def _import_structlog_without_rich() -> None:
    sys.modules["rich"] = None  # pyright: ignore[reportArgumentType] — an import of it now fails, as if it were absent
    try:
        import_module("structlog")
    finally:
        del sys.modules["rich"]


def end_start() -> None:
    """Exempt what is loaded now, which stays, from garbage collection, and turn the collector on.

    A full collection of it would stop every conversation for 60 ms; after this it takes 0.01 ms. The start's own
    garbage is not looked for: that would take those 60 ms before the server is ready.
    """
    gc.freeze()
    gc.enable()
