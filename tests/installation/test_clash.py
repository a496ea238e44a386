"""Another package that has files in our folder is found, and named with the command that repairs it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from voicepipe.cli import main
from voicepipe.installation import clash as _clash
from voicepipe.installation import installation
from voicepipe.installation.clash import Clash, all_clashes, clash_at_start
from voicepipe.installation.installation import reinstall_command, uninstall_command


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, in which ours is said to run, and which Python looks through."""
    (tmp_path / "voicepipe").mkdir()
    monkeypatch.setattr(_clash, "PACKAGE", tmp_path / "voicepipe")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, name: str, version: str, file: str) -> None:
    record = site / f"{name}-{version}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (record / "RECORD").write_text(f"other.py,,\n{file},sha256=x,1\n")


def other_init(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the other package was installed last, and its `__init__.py` is in place of ours."""
    monkeypatch.setitem(sys.modules, "voicepipe", ModuleType("voicepipe"))


def test_alone_there_is_none(site: Path) -> None:
    """Our own record is none of another package; nor is another environment's."""
    install(site, "voicepipe_rx", "0.1.0", "voicepipe/__init__.py")
    (site / "voicepipe_rx-0.1.0.dist-info" / "METADATA").write_text("Name: voicepipe-rx\nVersion: 0.1.0\n")
    assert clash_at_start() is None
    assert all_clashes() == []


def test_the_other_package_is_named_with_the_command_that_repairs_it(site: Path) -> None:
    """Ours was installed last: it works, and uninstalling the other one would break it."""
    install(site, "voicepipe", "1.0.0", "voicepipe/__init__.py")
    clash = clash_at_start()
    assert clash is not None
    assert not clash.broken
    assert f"the package voicepipe 1.0.0 has files in the folder of voicepipe-rx, {site / 'voicepipe'}" in str(clash)
    assert clash.remedy == f"{uninstall_command('voicepipe')} && {reinstall_command()}"
    assert all_clashes() == [clash]


def test_any_package_with_files_in_the_folder_is_found_by_the_check(site: Path) -> None:
    """Whatever it is called; the start of a command does not look that far."""
    install(site, "pipes", "2", "voicepipe/pipes.py")
    install(site, "voicepipes", "2", "voicepipes/__init__.py")
    assert clash_at_start() is None
    (clash,) = all_clashes()
    assert "the package pipes 2 has files" in clash.what


@pytest.mark.parametrize("listed", [True, False])
def test_overwritten_files_are_noticed(site: Path, monkeypatch: pytest.MonkeyPatch, listed: bool) -> None:
    """With the other package still there, or uninstalled, which removed our `__init__.py`."""
    other_init(monkeypatch)
    if listed:
        install(site, "voicepipe", "1.0.0", "voicepipe/__init__.py")
    clash = clash_at_start()
    assert clash is not None
    assert clash.broken
    assert clash.remedy.endswith(reinstall_command())
    assert all_clashes() == [clash]


def test_a_command_tells_it_and_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr; what the command prints stays as it is."""
    monkeypatch.setattr("voicepipe.cli.clash_at_start", lambda: Clash("two packages", "pip it", broken=False))
    assert main(["draw"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "voicepipe: two packages. To repair it: pip it\n"
    assert printed.out.startswith("<svg")


def test_a_command_does_not_run_on_files_of_another_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2."""
    monkeypatch.setattr("voicepipe.cli.clash_at_start", lambda: Clash("overwritten", "pip it", broken=True))
    assert main(["draw"]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "voicepipe: overwritten. To repair it: pip it\n")


def test_the_remedies_name_this_interpreter() -> None:
    """Not any pip that happens to be first in the path."""
    assert str(Path(sys.executable).parent) in uninstall_command("voicepipe")
    assert installation.DISTRIBUTION not in uninstall_command("voicepipe")
