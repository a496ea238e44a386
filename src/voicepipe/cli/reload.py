"""`voicepipe serve --reload`: new workers when a file of the pipelines or of the settings has changed."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from voicepipe.cli.errors import CommandError
from voicepipe.installation.installation import install_command

if TYPE_CHECKING:
    from voicepipe.settings import Settings

__all__ = ["check_reload", "reloading", "tell_not_reloaded", "watched_folders"]

_SUFFIXES = {".py", ".toml", ".yaml", ".yml"}
_NAMES = {".env"}

log = structlog.get_logger()


def check_reload() -> None:
    """Raise CommandError where `--reload` cannot work."""
    if sys.platform != "linux":
        raise CommandError("--reload needs Linux: it replaces worker processes that share a port")
    if find_spec("watchfiles") is None:
        raise CommandError(f"--reload needs one more package: {install_command('reload')}")


def watched_folders(args: argparse.Namespace, settings: Settings) -> list[Path]:
    """Return the folders with files that count: those of the pipelines, of the settings' file and of the characters.

    Args:
        args: The arguments of `voicepipe serve`.
        settings: The settings, with the pipelines that the command line does not name.
    """
    from voicepipe.loader import folder_of

    folders = {folder_of(ref) for ref in (args.pipelines or settings.pipelines.values())} or {Path()}
    files = [path for path in (args.config, settings.characters_file) if path is not None]
    return sorted({folder.resolve() for folder in (*folders, *(path.parent for path in files))})


@asynccontextmanager
async def reloading(folders: Iterable[Path], *, after: asyncio.Event) -> AsyncGenerator[None]:
    """Send this process SIGHUP when a file in `folders` has changed, until the block ends: its supervisor then starts
    new workers, and the present ones go on until the new ones are ready.

    Args:
        folders: Watched with all that is in them.
        after: Set when the supervisor takes the signal, which would end the process before.
    """
    task = asyncio.create_task(_watch([*folders], after), name="reload")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(folders: list[Path], after: asyncio.Event) -> None:
    from watchfiles import Change, DefaultFilter, awatch  # pyright: ignore[reportUnknownVariableType]

    await after.wait()

    class Sources(DefaultFilter):
        """No folders of tools, such as `.venv` and `.git`; of the files those that a server reads at its start."""

        def __call__(self, change: Change, path: str) -> bool:
            file = Path(path)
            return super().__call__(change, path) and (file.suffix in _SUFFIXES or file.name in _NAMES)

    async for changes in awatch(*folders, watch_filter=Sources()):
        log.info("server.changed", files=sorted({path for _, path in changes}))
        os.kill(os.getpid(), signal.SIGHUP)


def tell_not_reloaded() -> None:
    """Log that SIGHUP has changed nothing, and what does."""
    log.warning(
        "server.not_reloaded",
        reason="one process serves, and would have to stop",
        consequence="it goes on as it is: restart it, or serve with --workers 2, which SIGHUP replaces one by one",
    )
