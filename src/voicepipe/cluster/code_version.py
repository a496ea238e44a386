"""`code_version`: what decides whether the replicas of a stage have to be replaced, as one short text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from voicepipe.cluster.app_file import StageOptions

__all__ = ["code_version"]


def code_version(options: StageOptions) -> str:
    """Return a text that differs where a replica would run other code, or serve otherwise.

    It is made of voicepipe's version, what the stage's replicas are given, and the contents of its Python file and
    certificate; of a GGUF file the size and the time of its last change. The numbers of replicas, of cores and of
    seconds are not in it: Serve itself sees when these change, and replaces replicas only where that is needed.
    """
    known = sha256()
    for part in _parts(options):
        known.update(len(part).to_bytes(8, "big") + part)
    return known.hexdigest()[:16]


def _parts(options: StageOptions) -> Iterator[bytes]:
    with suppress(PackageNotFoundError):
        yield version("voicepipe-rx").encode()
    yield f"{options.stage}\n{options.capacity}\n{options.tls_certificate}\n{options.tls_key}".encode()
    for file in (_stage_file(options.stage), options.tls_certificate, options.tls_key):
        with suppress(OSError):
            path = Path(file)
            state = path.stat()
            yield f"{state.st_size} {state.st_mtime_ns}".encode() if file.endswith(".gguf") else path.read_bytes()


def _stage_file(stage: str) -> str:
    """Return the file of a stage; empty for one of voicepipe's own, or one that is not installed here."""
    if stage.endswith(".gguf"):
        return stage
    module = stage.rpartition(":")[0]
    if module.endswith(".py"):
        return module
    with suppress(ImportError, ValueError, AttributeError):
        found = find_spec(module) if module else None
        return (found.origin or "") if found is not None else ""
    return ""
