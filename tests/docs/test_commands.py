"""Every command and every file of every page, as a newcomer types them.

The installed wheel, the programs in `.venv/bin`, a copy of the repository's root (or an empty folder, where a page
needs nothing of it), and each page's blocks from top to bottom. A command that serves runs until the next one that
serves, or to the page's end; the commands between are typed in a second terminal. Ports are free ones instead of 8000.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from newcomer import Environment, make_environment
from pages import ROOT, Block, Command, all_pages, blocks, commands, inline_commands

from voicepipe import cli
from voicepipe.settings import load_settings
from voicepipe.weights.registry import cache_folder

SHELL = {"sh", "console"}

ELSEWHERE = {
    "python": "tests/docs/test_pages.py runs it",
    "text": "what a program prints, a drawing, or another program's configuration",
    "js": "tests/e2e/realtime runs OpenAI's JavaScript clients, which need Node.js",
    "nginx": "needs nginx",
}
"""Blocks that are no commands, by language, and why they do not run here."""

NOT_RUN = {
    r"python3 -m venv \.venv": "the environment is made once for all pages, with the wheel in it",
    r"(\.venv/bin/)?pip (install|wheel) .*": "downloads packages; what it names is checked instead",
    r"\.venv/bin/tox": "runs these tests",
    r"(\.venv/bin/)?voicepipe talk": "needs a microphone",
    r"cd unmute/frontend|pnpm (install|dev|build|start)": "needs Unmute's sources, Node.js and pnpm",
    r"python -m benchmarks\b.*": "takes minutes; runs with --help instead",
    r"(UNMUTE=\S+ )?docker compose .*": "needs Docker; tests/docs/test_deploy.py checks the files",
    r"curl http://127\.0\.0\.1:8000/v1/health": "asks the container of the command before it",
    r"RELAY_(KEY|URL)=.* voicepipe serve pipelines/relay\.py.*": "needs another server of the Realtime API",
    r"curl -s localhost:8000/.*": "asks the server of the command before it; tests/e2e/test_workers.py does so",
    r"voicepipe serve my_bot\.py --reload": "needs a pipeline of one's own; tests/e2e/test_workers.py runs such a one",
    r"voicepipe bench .*": "takes minutes, and its status depends on the machine; tests/e2e/test_bench.py runs it",
    r"voicepipe doctor --public .*": "needs a server with a name; tests/e2e/test_doctor.py runs it",
    r"kubectl .*": "needs a cluster; tests/docs/test_deploy.py checks the manifests",
    r"(.*/opt/voicepipe|cp docs/deploy/voicepipe\.service|systemctl ).*": "changes the machine; the unit is checked",
    r"(install -d|\(umask 077|systemd-analyze|nginx -t|promtool).*": "needs what root has installed before",
    r"(VOICEPIPE_HOST_KEY=\S+ )?voicepipe host .*": "loads a model and serves; tests/cli/test_host.py runs a host",
    r"voicepipe cluster .*|voicepipe serve --engine .*": "needs Ray; tests/e2e/test_cluster.py runs a cluster",
    r"voicepipe serve --log-json .*\| jq .*": "never ends, and needs jq; tests/cli/test_serve.py reads each line",
}
"""Commands that cannot run here, as patterns for the whole command, and why. All `voicepipe` commands are parsed."""

SERVICES = {
    "STT": ("ws://localhost:8090",),
    "TTS": ("ws://localhost:8089",),
    "LLM": ("http://localhost:8091", "http://localhost:11434"),
}
"""Addresses in the pages for which `voicepipe fake-services` stands in."""

PAGES = [page for page in all_pages() if any(block.language in SHELL for block in blocks(page))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def reason_not_to_run(command: Command) -> str | None:
    return next((reason for pattern, reason in NOT_RUN.items() if re.fullmatch(pattern, command.text)), None)


# ---- nothing escapes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_every_block_is_checked_somewhere(page: Path) -> None:
    """Each is a command, a file, a directive, data that is read, or is named in the lists above."""
    for block in blocks(page):
        match block.language:
            case language if language in SHELL:
                assert list(commands(block)), f"{block} has no command"
            case "toml":
                tomllib.loads(block.text)
            case "json":
                json.loads(block.text)
            case "yaml":
                yaml.safe_load(block.text)
            case language:
                assert language in ELSEWHERE or language.startswith("{"), f"{block}: who checks it?"


def test_the_lists_hold_nothing_else() -> None:
    """Each excused command is on some page."""
    every = [block for page in all_pages() for block in blocks(page)]
    written = {command.text for block in every if block.language in SHELL for command in commands(block)}
    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, text) for text in written), pattern
    assert set(ELSEWHERE) <= {block.language for block in every}


def commands_of(page: Path) -> Iterator[Command]:
    """Return the commands in blocks, those in sentences, and the one of a deployment."""
    for block in blocks(page):
        if block.language in SHELL:
            yield from commands(block)
        elif block.language == "yaml":
            yield from (Command(found) for found in re.findall(r"command: (voicepipe .+)", block.text))
    yield from inline_commands(page)


@pytest.mark.usefixtures("one_parser")
@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_every_command_line_can_be_parsed(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the parser of `voicepipe` itself: each command and each flag exists."""
    for command in commands_of(page):
        arguments = command.arguments
        if arguments is None or "COMMAND" in arguments:
            continue
        refused = None
        try:
            cli.parsed(arguments)
        except SystemExit as ended:  # --help ends with 0
            refused = ended.code
        assert not refused, f"{name_of(page)}: {command.text}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_says_where_the_programs_are(page: Path) -> None:
    """Each program of the environment is named by its path, until the page has activated the environment."""
    for block in blocks(page):
        for command in commands(block) if block.language in SHELL else ():
            if command.text == "source .venv/bin/activate":
                return
            assert (command.words or [""])[0] not in ("voicepipe", "pip", "python", "pytest", "tox"), (
                f"{block}: {command.text}"
            )


def test_the_readme_activates_nothing() -> None:
    """So that its sentences name the programs by their path, too."""
    prose = (ROOT / "README.md").read_text("utf-8")
    assert "activate" not in prose
    assert re.findall(r"`(?:voicepipe|pip|tox|pytest) [^`]*`", prose) == []


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_what_pip_is_told_to_install_exists(page: Path) -> None:
    """Extras of the project have their names, and no command installs the package `voicepipe` of the index."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for command in commands_of(page):
        words = command.words
        if words and Path(words[0]).name == "pip":
            assert not [word for word in words if re.match(r"voicepipe(\[|$)", word)], command.text
            for word in words:
                if found := re.match(r"(?:\.|voicepipe-rx)\[(\w+)\]$", word):
                    assert found[1] in extras, command.text


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_settings_files_are_accepted(page: Path, tmp_path: Path) -> None:
    """As `voicepipe.toml`."""
    for block in blocks(page):
        if block.language == "toml":
            file = tmp_path / "voicepipe.toml"
            file.write_text(block.text, "utf-8")
            load_settings({}, file=file)


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_latencies_sum(page: Path) -> None:
    """The parts of what an answer took in the server, to the whole."""
    for told in re.finditer(r"in the server (\d+) ms: (.+)", page.read_text("utf-8")):
        assert sum(map(int, re.findall(r"\d+", told[2]))) == int(told[1]), told[0]


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_what_is_shown_as_a_file_is_that_file(page: Path) -> None:
    """The README cannot include files, so it repeats them."""
    for block in blocks(page):
        if block.note == "shows":
            assert block.text == (ROOT / block.named).read_text("utf-8"), f"{block} differs from {block.named}"


# ---- everything runs -------------------------------------------------------------------------------------------------


class Newcomer:
    """Types one page's blocks in a folder, in one terminal and a second one."""

    def __init__(self, folder: Path, environment: Environment, stack: ExitStack, served: set[str]) -> None:
        self._folder, self._environment, self._stack, self._served = folder, environment, stack, served
        self._server: ExitStack = stack.enter_context(ExitStack())
        self._url: str | None = None
        self._services: dict[str, str] = {}
        self._typed: list[str] = []
        """What holds for the rest of the terminal: variables, the activated environment."""

    def follow(self, page: Path) -> None:
        """Type everything."""
        todo = list(blocks(page))
        for number, block in enumerate(todo):
            if block.note == "file":
                (self._folder / block.named).write_text(block.content(), "utf-8")
            elif block.language in SHELL:
                talks = any("voicepipe talk" in later.text for later in todo[number + 1 :])
                for command in commands(block):
                    self._type(block, command, talks=talks)

    def _type(self, block: Block, command: Command, *, talks: bool) -> None:
        text, arguments = self._elsewhere(command.text), command.arguments or [""]
        if re.match(r"export |source ", text):
            self._typed.append(text)
        elif re.match(r"python -m benchmarks", text):
            self._run(block, Command(f"{text.split(' --')[0]} --help"))
        elif reason_not_to_run(command) is not None:
            return
        elif arguments[0] in ("serve", "fake-services"):
            if talks or text not in self._served:
                self._serve(block, text, arguments[0])
                self._served.add(text)
        elif arguments[0] == "talk":
            assert self._url is not None, f"{block}: no server runs"
            self._run(block, Command(f"{text} --url {self._url}", command.output))
        else:
            self._run(block, Command(text, command.output))

    def _run(self, block: Block, command: Command) -> None:
        shell: dict[str, Any] = {"args": self._shell(command.text), "cwd": self._folder, "env": self._variables()}
        done = subprocess.run(**shell, capture_output=True, text=True, check=False, timeout=150)
        assert done.returncode == 0, f"{block}: $ {command.text}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"{block}: $ {command.text}\n{done.stderr}"
        if command.output:
            assert _without_figures(done.stdout) == _without_figures("\n".join(command.output)), block

    def _serve(self, block: Block, text: str, what: str) -> None:
        """Start it, and stop what ran before it."""
        self._server.close()
        if what == "fake-services":
            text += " --stt-port 0 --tts-port 0 --llm-port 0"
        self._url = self._server.enter_context(self._process(block, text))

    @contextmanager
    def _process(self, block: Block, text: str) -> Iterator[str]:
        """Run a program that is ready when it prints an address, and must end in peace."""
        command = re.sub(r"(\S*voicepipe )", r"exec \1", text, count=1)  # so that it gets the signal
        shell: dict[str, Any] = {"args": self._shell(command), "cwd": self._folder, "env": self._variables()}
        with subprocess.Popen(**shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            printed = ""
            try:
                for line in process.stdout:
                    printed += line
                    if found := re.search(r"(?:Listening on |LLM_URL=)(\S+)", printed):
                        yield found[1]
                        break
                else:
                    pytest.fail(f"{block}: $ {text}\n{printed}")
            finally:
                process.send_signal(signal.SIGTERM)
                rest = process.stdout.read()
        assert process.returncode in (0, 130), f"{block}: $ {text}\n{printed}{rest}"
        assert "Traceback" not in rest, f"{block}: $ {text}\n{rest}"

    def _elsewhere(self, text: str) -> str:
        """Name stand-ins instead of the services of the page."""
        for kind, addresses in SERVICES.items():
            for address in addresses:
                if address in text:
                    text = text.replace(address, self._stand_in(kind))
        return text

    def _stand_in(self, kind: str) -> str:
        if not self._services:
            self._services = self._stack.enter_context(_fake_services(self._environment, self._folder))
        return self._services[kind]

    def _shell(self, text: str) -> list[str]:
        return ["bash", "-euc", "\n".join([*self._typed, text])]

    def _variables(self) -> dict[str, str]:
        """The user's own, without what runs the tests; `voicepipe` is in no folder of PATH."""
        ours = ("PYTHON", "VOICEPIPE_", "TOX")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        folders = [folder for folder in kept["PATH"].split(os.pathsep) if not Path(folder, "voicepipe").exists()]
        models = {"VOICEPIPE_MODELS_DIR": str(cache_folder())}
        return kept | models | {"PATH": os.pathsep.join(folders), "VOICEPIPE_PORT": "0"}


def _without_figures(text: str) -> list[str]:
    """Return the lines, without what differs by machine and terminal: figures, and how wide a gap is."""
    return [re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)?", "0", line.rstrip())) for line in text.strip().splitlines()]


@contextmanager
def _fake_services(environment: Environment, folder: Path) -> Iterator[dict[str, str]]:
    ports = [word for kind in SERVICES for word in (f"--{kind.lower()}-port", "0")]
    command = [str(environment.programs / "voicepipe"), "fake-services", *ports]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        urls = dict(zip(SERVICES, (process.stdout.readline().strip().partition("=")[2] for _ in SERVICES), strict=True))
        try:
            yield urls
        finally:
            process.terminate()  # not SIGINT, which a shell that runs this in the background has made children ignore


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    made = make_environment(tmp_path_factory.mktemp("newcomer") / "env", programs=("pytest",))
    made.install(wheel)
    return made


@pytest.fixture(scope="session")
def served() -> set[str]:
    """Commands that have served on an earlier page: they need not do it twice, since nothing talks to them."""
    return set()


def needs_the_source(page: Path) -> bool:
    return bool(re.search(r"pipelines/\w+\.py|-m benchmarks|'\.\[|\.venv", page.read_text("utf-8")))


def prepare(folder: Path, page: Path, environment: Environment) -> None:
    """A copy of the root, or an empty folder; with `.venv`, and with the model files where the pages put them."""
    if needs_the_source(page):
        ignored = shutil.ignore_patterns(".*", "__pycache__", "_build", "build", "dist", "*.egg-info", "node_modules")
        shutil.copytree(ROOT, folder, ignore=ignored)
    else:
        folder.mkdir()
    (folder / ".venv").symlink_to(environment.folder)
    (folder / "weights").symlink_to(cache_folder())


@pytest.mark.e2e
@pytest.mark.models
@pytest.mark.xdist_group("wheel")
@pytest.mark.skipif(os.name == "nt", reason="the pages' commands are for a POSIX shell")
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_newcomer_can_follow_the_page(page: Path, environment: Environment, served: set[str], tmp_path: Path) -> None:
    """Word for word, from top to bottom; nothing is activated that the page does not say."""
    prepare(tmp_path / "voicepipe", page, environment)
    with ExitStack() as stack:
        newcomer = Newcomer(tmp_path / "voicepipe", environment, stack, served)
        newcomer.follow(page)
