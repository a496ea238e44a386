"""`voicepipe` as a process: help that teaches and is quick, exit codes, mistakes in a sentence."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

import pytest

from voicepipe import cli
from voicepipe.cli import CommandError, main
from voicepipe.installation.installation import install_command

HEAVY = {"numpy", "reactivex", "aiohttp", "sphn", "structlog", "pydantic", "soxr", "onnxruntime"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """In a fresh interpreter, as the installed command does it."""
    code = "import sys; from voicepipe.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, encoding="utf-8"
    )


@pytest.mark.programs
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
    assert not re.findall(r"^  voicepipe |`voicepipe ", result.stdout, re.MULTILINE), "a command without its path"


@pytest.mark.programs
def test_help_imports_nothing_heavy():
    """A command imports its slow modules itself; so does the package."""
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


@pytest.mark.programs
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


@pytest.mark.programs
def test_the_version_is_printed():
    """That of the installed package."""
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("voicepipe 0.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "voicepipe: name a command: init, serve, talk, test, bench, check, doctor, settings, draw, recordings, "),
        (
            "whistle",
            "there is no command 'whistle'; there are init, serve, talk, test, bench, check, doctor, settings, draw, ",
        ),
        ("serv", "voicepipe: there is no command 'serv' (did you mean serve?)"),
        ("--loud", "voicepipe: there is no option --loud; see voicepipe --help"),
        ("models fetsh", "voicepipe models: there is no command 'fetsh' (did you mean fetch?); there is fetch"),
        ("serve --prot 80", "voicepipe serve: there is no option --prot (did you mean --port?)"),
        ("serve --port 70000", "voicepipe serve: --port = 70000: must be a whole number from 0 to 65535"),
        ("serve --port http", "voicepipe serve: --port = http: must be a whole number from 0 to 65535"),
        ("serve --port", "voicepipe serve: --port needs a value; see voicepipe serve --help"),
        ("serve --max-sessions 0", "voicepipe serve: --max-sessions = 0: must be a whole number, at least 1"),
        ("serve --max-sessions two", "voicepipe serve: --max-sessions = two: must be a whole number, at least 1"),
        ("serve --log-level loud", "voicepipe serve: --log-level = loud: must be debug, info, warning or error"),
        ("serve --log-json=yes", "voicepipe serve: --log-json takes no value"),
        ("serve --llm-temperature 3", "voicepipe serve: --llm-temperature = 3: must be a number from 0 to 2"),
        ("serve --llm-extra {", "voicepipe serve: --llm-extra = {: this is not JSON"),
        ("serve --cors-origins talk", "voicepipe serve: --cors-origins = talk: an origin is a scheme and a host"),
        ("serve --llm-api-key sk-1", "voicepipe serve: --llm-api-key: set VOICEPIPE_LLM_API_KEY in the environment"),
        ("draw a.py b.py", "voicepipe draw: 'b.py' is one argument too many"),
        ("serve absent.py", "voicepipe serve: absent.py does not exist"),
        ("serve absent.txt", "voicepipe serve: there is no file absent.txt, and no module 'absent'"),
        (f"serve {__file__[:-3]}.txt", "test_main.txt does not exist"),
        ("serve --config absent.toml", "voicepipe serve: absent.toml does not exist"),
        ("check --port 80", "voicepipe check: there is no option --port"),
        ("check absent.py", "voicepipe check: absent.py does not exist"),
        ("talk --wait -1", "voicepipe talk: --wait: '-1' is not a number of seconds, 0 or more"),
        ("talk absent.wav", "voicepipe talk: cannot read absent.wav: No such file or directory"),
        ("talk absent.wav --save x.mp3", "voicepipe talk: cannot write x.mp3: a conversation is saved as WAV; name a"),
        ("models fetch nosuch", "voicepipe models: there is no model 'nosuch'; there are silero, "),
        ("fake-services --tts-port 70000", "voicepipe fake-services: --tts-port: '70000' is not a port, which is a"),
        ("fake-services --tts-delay x", "voicepipe fake-services: --tts-delay: 'x' is not a number of seconds"),
        ("fake-services --llm-fails x", "voicepipe fake-services: --llm-fails: there is no value 'x'; there are down"),
    ],
)
def test_what_the_user_can_repair_is_a_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], words: str, says: str
):
    """One line on stderr, which names what is wrong and what is allowed."""
    try:
        code = main(words.split())
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    assert code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert "sk-1" not in said.err
    assert said.out == ""


@pytest.mark.programs
def test_a_mistake_needs_no_traceback():
    """Seen from outside."""
    result = run("serve", "absent.py")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "voicepipe serve: absent.py does not exist\n"


def test_an_option_cannot_be_abbreviated(capsys: pytest.CaptureFixture[str]):
    """A new option would change what the abbreviation means."""
    with pytest.raises(SystemExit):
        main(["serve", "--max-sess", "2"])
    assert "there is no option --max-sess (did you mean --max-sessions?)" in capsys.readouterr().err


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


@pytest.mark.programs
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
