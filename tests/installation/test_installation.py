"""Which command installs the rest: of a folder, a wheel, a repository, an index."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from voicepipe.installation import installation as _installation
from voicepipe.installation.installation import DISTRIBUTION, Installation, install_command, read, reinstall_command

ROOT = Path(__file__).resolve().parents[2]
REQUIRES = ("numpy>=1.26", 'redis>=6; extra == "redis"', "onnxruntime>=1.20; extra == 'embedded'")


def installed(site: Path, direct_url: object = None) -> Distribution:
    """A distribution as pip records it, in a folder of packages."""
    record = site / "voicepipe_rx-0.1.0.dist-info"
    record.mkdir(parents=True)
    requires = "".join(f"Requires-Dist: {each}\n" for each in REQUIRES)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: voicepipe-rx\nVersion: 0.1.0\n{requires}")
    if direct_url is not None:
        (record / "direct_url.json").write_text(json.dumps(direct_url))
    return PathDistribution(record)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site-packages"


@pytest.fixture
def package(site: Path) -> Path:
    return site / "voicepipe"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source folder whose name has to be quoted."""
    folder = tmp_path / "my voicepipe"
    folder.mkdir()
    return folder


def arguments(found: Installation | None, extra: str = "embedded") -> list[str]:
    assert found is not None
    return found.arguments(extra)


def test_a_source_folder(site: Path, package: Path, source: Path) -> None:
    """`pip install FOLDER`."""
    found = read(installed(site, {"url": source.as_uri(), "dir_info": {}}), package)
    assert arguments(found) == [f"{source}[embedded]"]
    assert found is not None
    assert found.arguments() == [str(source)]
    assert found.version == "0.1.0"


def test_an_editable_folder(site: Path, source: Path) -> None:
    """`pip install -e FOLDER`: the package that runs is in the folder."""
    made = installed(site, {"url": source.as_uri(), "dir_info": {"editable": True}})
    assert arguments(read(made, source / "src" / "voicepipe")) == ["-e", f"{source}[embedded]"]


def test_a_wheel(site: Path, package: Path, tmp_path: Path) -> None:
    """`pip install FILE.whl`."""
    wheel = tmp_path / "voicepipe_rx-0.1.0-py3-none-any.whl"
    wheel.touch()
    found = read(installed(site, {"url": wheel.as_uri(), "archive_info": {}}), package)
    assert arguments(found) == [f"{wheel}[embedded]"]


@pytest.mark.parametrize("extra", ["embedded", "redis"])
def test_a_wheel_that_is_gone(site: Path, package: Path, tmp_path: Path, extra: str) -> None:
    """The extra's packages, as the metadata lists them, whichever quotes it has."""
    url = {"url": (tmp_path / "gone.whl").as_uri(), "archive_info": {}}
    packages = {"embedded": ["onnxruntime>=1.20"], "redis": ["redis>=6"]}
    assert arguments(read(installed(site, url), package), extra) == packages[extra]


def test_an_index(site: Path, package: Path) -> None:
    """No record tells the origin; the name is the distribution's, not the other package's."""
    assert arguments(read(installed(site), package)) == ["voicepipe-rx[embedded]"]


def test_a_repository_and_an_address(site: Path, tmp_path: Path) -> None:
    """A requirement with its URL (PEP 508)."""
    vcs = {"url": "https://example.com/v.git", "vcs_info": {"vcs": "git", "commit_id": "a1"}}
    found = read(installed(site, vcs), site / "voicepipe")
    assert arguments(found) == ["voicepipe-rx[embedded] @ git+https://example.com/v.git@a1"]
    other = tmp_path / "other"
    found = read(installed(other, {"url": "https://example.com/v.whl", "archive_info": {}}), other / "voicepipe")
    assert arguments(found) == ["voicepipe-rx[embedded] @ https://example.com/v.whl"]


def test_a_record_of_another_copy_does_not_count(site: Path, source: Path) -> None:
    """The running code is another folder than the one that pip installed: `PYTHONPATH=src`."""
    assert read(installed(site), source / "src" / "voicepipe") is None
    elsewhere = {"url": (site / "x").as_uri(), "dir_info": {"editable": True}}
    assert read(installed(site / "2", elsewhere), source / "src" / "voicepipe") is None


def test_a_bare_source_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder, and the version in its pyproject.toml."""
    monkeypatch.setattr("importlib.metadata.distributions", lambda **_: [])
    monkeypatch.setattr(_installation, "PACKAGE", ROOT / "src" / "voicepipe")
    found = _installation.installation.__wrapped__()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (found.target, found.version) == (str(ROOT), project["version"])


# ---- the line for the shell ------------------------------------------------------------------------------------------


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Path) -> Path:
    """An environment with its own pip, and a folder that was installed."""
    programs = tmp_path / "env" / "bin"
    programs.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setattr(sys, "prefix", str(programs.parent))
    monkeypatch.setattr(_installation, "installation", lambda: Installation("0.1.0", str(source)))
    return programs


@pytest.mark.skipif(os.name == "nt", reason="POSIX quoting")
def test_the_running_interpreters_pip(in_environment: Path, source: Path) -> None:
    """By its path; without a script of its own through the interpreter."""
    assert install_command("mic") == f"{in_environment / 'python'} -m pip install '{source}[mic]'"
    (in_environment / "pip").touch()
    assert install_command("mic") == f"{in_environment / 'pip'} install '{source}[mic]'"
    assert reinstall_command() == f"{in_environment / 'pip'} install --force-reinstall --no-deps '{source}'"


@pytest.mark.skipif(os.name == "nt", reason="POSIX quoting")
def test_uv_where_there_is_no_pip(in_environment: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments that uv makes have no pip."""
    monkeypatch.setattr(_installation, "find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    python = in_environment / "python"
    assert install_command("mic") == f"uv pip install --python {python} '{source}[mic]'"


def test_quotes_for_windows() -> None:
    """A comparison would redirect the output; a plain path needs nothing."""
    assert _installation.quoted_for_windows("onnxruntime>=1.20") == '"onnxruntime>=1.20"'
    assert _installation.quoted_for_windows(r"C:\My Code\voicepipe[mic]") == r'"C:\My Code\voicepipe[mic]"'
    assert _installation.quoted_for_windows(r"C:\env\Scripts\pip.exe") == r"C:\env\Scripts\pip.exe"


# ---- nothing else advises an installation ----------------------------------------------------------------------------


def test_nothing_advises_the_other_package() -> None:
    """`pip install voicepipe` appears in no source and on no page, save where the clash is explained."""
    places = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.*")]
    files = [path for path in [*places, *(ROOT / "src").rglob("*.py")] if path.suffix in (".md", ".py")]
    advised = re.compile(r"""pip3? (install|download|wheel) ([^&|;]* )?["']?voicepipe(\[|["'`\s]|$)""")
    lines = [(path.name, line) for path in files for line in path.read_text("utf-8").splitlines()]
    assert [each for each in lines if advised.search(each[1]) and each[0] != "installation.py"] == []


def test_the_distribution_has_the_name_that_the_hints_say() -> None:
    """And every extra that a hint names exists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == DISTRIBUTION
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r"""install_command\(["'](\w+)|\{install (\w+)\}""", sources))
    assert {one or other for one, other in named} == set(project["optional-dependencies"])
