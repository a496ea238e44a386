"""`voicepipe` as a process: help that teaches and is quick, exit codes, mistakes in a sentence."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from voicepipe import cli
from voicepipe._installation import install_command
from voicepipe.cli import CommandError, main

HEAVY = {"numpy", "reactivex", "aiohttp", "sphn", "structlog", "pydantic", "soxr", "onnxruntime"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """In a fresh interpreter, as the installed command does it."""
    code = "import sys; from voicepipe.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("words", "examples"),
    [
        ((), ["voicepipe serve my/pipeline.py", "voicepipe talk --sample", install_command("embedded")]),
        (("serve",), ["voicepipe serve pipelines/echo.py", "--host 0.0.0.0", install_command("embedded")]),
        (("talk",), ["--save talk.wav", "--instructions", "--at-once", install_command("mic")]),
        (("check",), ["voicepipe check --json", "--config production.toml"]),
        (("models",), ["voicepipe models fetch"]),
    ],
)
def test_help_teaches_by_example(words: tuple[str, ...], examples: list[str]):
    """Exit code 0, on stdout, with commands that one can copy."""
    result = run(*words, "--help")
    assert result.returncode == 0
    assert result.stderr == ""
    assert "examples:" in result.stdout
    for example in examples:
        assert example in result.stdout


def test_help_imports_nothing_heavy():
    """What takes its time is imported by the command that needs it; so does the package itself."""
    code = f"""
import sys
import voicepipe
from voicepipe.cli import main
try:
    main(["serve", "--help"])
except SystemExit as ended:
    assert ended.code == 0
print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr == "[]\n"
    assert "usage: voicepipe serve" in result.stdout


def test_the_package_gives_its_names_when_they_are_asked_for():
    """Lazy, and complete: `from voicepipe import *` has all of them, and no other name."""
    code = """
from voicepipe import *
import voicepipe
assert all(name in globals() for name in voicepipe.__all__)
assert set(voicepipe.__all__) <= set(dir(voicepipe))
assert Session.__module__ == "voicepipe.session"
try:
    voicepipe.nothing
except AttributeError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "module 'voicepipe' has no attribute 'nothing'\n", result.stderr


def test_the_version_is_printed():
    """That of the installed package."""
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("voicepipe 0.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "COMMAND"),
        (("sing",), "invalid choice: 'sing'"),
        (("serve", "--port", "70000"), "70000 is no port; they go from 0 to 65535"),
        (("serve", "--port", "http"), "http is no port"),
        (("serve", "--max-sessions", "0"), "0 conversations cannot be had"),
        (("talk", "--wait", "-1"), "-1 is no number of seconds"),
        (("talk", "absent.wav"), "cannot read absent.wav: No such file or directory"),
        (("serve", "absent.py"), "absent.py does not exist"),
    ],
)
def test_what_the_user_can_mend_is_a_sentence_and_exit_code_2(words: tuple[str, ...], says: str):
    """On stderr, without a traceback."""
    result = run(*words)
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def failing(error: BaseException):
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandError("no such thing"), 2, "voicepipe models: no such thing\n"),
        (CommandError("it broke", 1), 1, "voicepipe models: it broke\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_how_a_command_ends_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
):
    """Ctrl-C is not worth a word."""
    monkeypatch.setattr(cli.models, "run", failing(error))
    assert main(["models"]) == code
    assert capsys.readouterr().err == said


def test_a_reader_that_has_gone_ends_the_command_quietly():
    """`voicepipe … | head -1`: no traceback, neither then nor when Python flushes at its end."""
    code = (
        "from voicepipe import cli; cli.models.run = lambda args: print('x' * 200000); import sys; sys.exit(cli.main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
