"""`voicepipe serve`: what is checked before it serves, what it prints, and (with models) that it serves."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import sphn

import voicepipe.engine.build
import voicepipe.server
from voicepipe.cli import main, serving
from voicepipe.client.samples import has_samples
from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program
from voicepipe.weights import registry

ECHO = Path(__file__).parents[2] / "pipelines" / "echo.py"


class Engine:
    """Loads in no time, and remembers what became of it."""

    max_sessions = 3

    def __init__(self) -> None:
        self.settings: Any = None
        self.sessions: int | None = None
        self.built = self.warmed = self.disconnected = self.closed = False

    def build(
        self, settings: Any, *, max_sessions: int | None, progress: Callable[[str], None], **shared: Any
    ) -> Engine:
        self.shared = shared
        self.built, self.settings, self.sessions = True, settings, max_sessions
        self.closed = False
        self.uses = set(shared.pop("uses"))
        progress("smollm2 (0.4 s)")
        return self

    def warm(self) -> None:
        self.warmed = True

    async def disconnect(self) -> None:
        assert not self.closed
        self.disconnected = True

    def close(self) -> None:
        self.closed = True


class Served:
    """Stands for the server: is ready at once, and told to stop as soon."""

    def __init__(self) -> None:
        self.pipelines: Any = None
        self.settings: Any = None
        self.fault: OSError | None = None

    async def run(
        self, pipelines: Any, engine: Any, settings: Any, *, ready: Callable[[str], object], **shared: Any
    ) -> None:
        self.pipelines, self.settings, self.shared = pipelines, settings, shared
        if self.fault is not None:
            raise self.fault
        ready(f"http://{settings.host}:{settings.port or 4321}")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """In the place of the models, all of which are here."""
    engine = Engine()
    monkeypatch.setattr(voicepipe.engine.build, "build_engine", engine.build)
    monkeypatch.setattr(registry, "missing", list)
    monkeypatch.setattr(serving, "find_spec", lambda name: name)
    monkeypatch.setattr("voicepipe.cli.logs.configure_logs", lambda *args, **options: None)
    return engine


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    served = Served()
    monkeypatch.setattr(voicepipe.server, "run_server", served.run)
    return served


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_it_prints_where_it_listens_and_how_to_talk_to_it(
    engine: Engine, served: Served, capsys: pytest.CaptureFixture[str]
):
    """The address is the first line of stdout; what was loaded is on stderr. The command runs as it is printed."""
    assert main(["serve", str(ECHO), "--port", "0", "--max-sessions", "2"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "Listening on http://127.0.0.1:4321"
    what = "--sample" if has_samples() else "FILE.wav"
    assert (
        lines[1]
        == f"Talk to it:  open it in a browser, or run {this_program()} talk {what} --url http://127.0.0.1:4321"
    )
    assert lines[2].startswith("2 conversations at once")
    assert said.err == "loaded smollm2 (0.4 s)\n"
    assert (served.pipelines["echo"].__module__, served.settings.max_sessions) == ("_pipeline_echo", 2)
    assert engine.sessions == 2
    assert engine.disconnected
    assert engine.shared["voices"] is served.shared["voices"]
    assert engine.shared["observe"] == served.shared["metrics"].observer
    assert engine.closed


def test_an_address_for_all_networks_is_talked_to_at_this_machine(
    engine: Engine, served: Served, capsys: pytest.CaptureFixture[str]
):
    """Nobody can connect to 0.0.0.0 everywhere."""
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Listening on http://0.0.0.0:4321"
    assert lines[1].endswith("--url http://127.0.0.1:4321")


def test_a_taken_port_is_told_before_the_models_are_loaded(
    engine: Engine, served: Served, taken: int, capsys: pytest.CaptureFixture[str]
):
    """With a port that may be free."""
    assert main(["serve", "--port", str(taken)]) == 2
    assert f"port {taken} is in use" in capsys.readouterr().err
    assert not engine.built
    assert not engine.closed


def test_a_port_that_was_taken_meanwhile_is_told_and_the_models_are_freed(
    engine: Engine, served: Served, capsys: pytest.CaptureFixture[str]
):
    """Between the check and the server there are the seconds in which the models load."""
    served.fault = OSError(98, "Address already in use")
    assert main(["serve", "--port", "0"]) == 2
    assert "in use" in capsys.readouterr().err
    assert engine.closed


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_a_foreign_address_is_told(engine: Engine, host: str, capsys: pytest.CaptureFixture[str]):
    """One that is another machine's, and a name that is none."""
    assert main(["serve", "--host", host, "--port", "0"]) == 2
    assert f"{host!r} is not an address of this machine" in capsys.readouterr().err


def test_a_faulty_pipeline_is_told_before_anything_else(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """File and line, no traceback."""
    path = tmp_path / "mine.py"
    path.write_text("x = 1\n1 / 0\n")
    assert main(["serve", str(path)]) == 2
    assert capsys.readouterr().err == f"voicepipe serve: {path}:2: ZeroDivisionError: division by zero\n"
    assert not engine.built


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("lambda message: message.nothing", "{file}:3: AttributeError: 'AudioReceived' object has no attribute"),
        ("lambda message: 5", "pipeline ({file}:2) gives a value of type int; a pipeline gives events"),
    ],
)
def test_a_pipeline_that_fails_when_it_is_tried_is_told_before_the_models_are_loaded(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: str, says: str
):
    """In a sentence with file and line; nothing listens."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from reactivex.operators import map as each\ndef pipeline(session):\n"
        f"    return session.received.pipe(each({stage}))\n"
    )
    assert main(["serve", str(path), "--port", "0"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"voicepipe serve: {says.format(file=path)}")
    assert said.out == ""
    assert not engine.built


def test_what_a_pipeline_does_not_use_is_not_needed(
    engine: Engine, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """An echo: no package and no model is looked for, none of them is loaded, and no series of theirs is shown."""
    monkeypatch.setattr(serving, "find_spec", lambda name: pytest.fail(f"{name} was looked for"))
    monkeypatch.setattr(registry, "missing", lambda: pytest.fail("models were looked for"))
    assert main(["serve", str(ECHO), "--port", "0"]) == 0
    assert engine.uses == set()
    shown = {metric.name for metric in served.shared["metrics"].collect()}
    assert not [name for name in shown if re.match("voicepipe_(stt|llm|tts)_", name)]
    assert "voicepipe_sessions" in shown


def test_what_a_pipeline_uses_is_needed(
    engine: Engine, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A parrot has no use for a language model."""
    looked_for: list[str] = []
    monkeypatch.setattr(serving, "find_spec", lambda name: looked_for.append(name) or name)
    assert main(["serve", str(ECHO.with_name("parrot.py")), "--port", "0"]) == 0
    assert engine.uses == {"vad", "end_of_turn", "stt", "tts"}
    assert set(looked_for) == {"onnxruntime"}


def test_a_pipeline_and_its_trial_have_one_loop(engine: Engine, served: Served, tmp_path: Path):
    """An object that a pipeline makes once, and keeps, belongs to the loop that serves it."""
    path = tmp_path / "mine.py"
    path.write_text(
        "import asyncio\nloops = []\n"
        "def pipeline(session):\n"
        "    if session.id: loops.append(asyncio.get_running_loop())\n"
        "    return session.received\n"
    )
    loops: list[Any] = []
    run = served.run

    async def running(pipeline: Any, *args: Any, **options: Any) -> None:
        loops.extend([*pipeline["mine"].__globals__["loops"], asyncio.get_running_loop()])
        await run(pipeline, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voicepipe.server, "run_server", running)
        assert main(["serve", str(path), "--port", "0"]) == 0
    assert len(loops) >= 2
    assert len(set(map(id, loops))) == 1


def test_several_pipelines_are_served_under_their_names(engine: Engine, served: Served, tmp_path: Path):
    """Pipelines of the command line win over those of the settings; the engine has the parts that one of them uses."""
    for name, stage in (("sales", "llm"), ("support", "tts")):
        (tmp_path / f"{name}.py").write_text(
            f"def pipeline(session):\n    session.{stage}\n    return session.received\ntwin = pipeline\n"
        )
    sales, support = str(tmp_path / "sales.py"), str(tmp_path / "support.py")
    assert main(["serve", sales, support, f"{sales}:twin", "--port", "0"]) == 0
    assert list(served.pipelines) == ["sales", "support", "twin"]
    assert engine.uses == {"llm", "tts"}
    named = json.dumps({"one": support, "two": sales})
    assert main(["serve", "--pipelines", named, "--port", "0"]) == 0
    assert {name: pipeline.__module__ for name, pipeline in served.pipelines.items()} == {
        "one": "_pipeline_support", "two": "_pipeline_sales"
    }  # fmt: skip
    assert main(["serve", sales, "--pipelines", named, "--port", "0"]) == 0
    assert list(served.pipelines) == ["sales"]


def test_pipelines_of_one_name_are_told(engine: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """The settings can name them."""
    files = [tmp_path / folder / "bot.py" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text("def pipeline(session): return session.received\n")
    assert main(["serve", *map(str, files), "--port", "0"]) == 2
    assert "are both called 'bot'; name them in the settings" in capsys.readouterr().err
    assert not engine.built
    named = json.dumps({"sales": str(files[0]), "support": str(files[1])})
    with pytest.MonkeyPatch.context() as patch:
        served = Served()
        patch.setattr(voicepipe.server, "run_server", served.run)
        assert main(["serve", "--pipelines", named, "--port", "0"]) == 0
    assert len({pipeline.__code__.co_filename for pipeline in served.pipelines.values()}) == 2


def test_what_sessions_share_is_a_function_of_the_pipelines_module(engine: Engine, served: Served, tmp_path: Path):
    """Two pipelines of one module have one `lifespan`."""
    path = tmp_path / "shop.py"
    path.write_text(
        "from contextlib import asynccontextmanager\n"
        "@asynccontextmanager\nasync def lifespan():\n    yield\n"
        "def pipeline(session): return session.received\ndef other(session): return session.received\n"
    )
    assert main(["serve", str(path), "--port", "0"]) == 0
    assert [one.__name__ for one in served.shared["lifespans"]] == ["lifespan"]
    assert main(["serve", str(ECHO), "--port", "0"]) == 0
    assert served.shared["lifespans"] == []


def test_a_lifespan_that_is_none_is_told(engine: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """With its line."""
    path = tmp_path / "shop.py"
    path.write_text("async def lifespan():\n    yield\ndef pipeline(session): return session.received\n")
    assert main(["serve", str(path), "--port", "0"]) == 2
    assert f"{path}:1: lifespan should be an asynchronous context manager" in capsys.readouterr().err


def test_a_missing_extra_says_what_to_install(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Or which services would do instead: those of the models that cannot run."""
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "xllamacpp" else name)
    assert main(["serve", "--port", "0"]) == 2
    err = capsys.readouterr().err
    assert f"the models need more packages: {install_command('embedded')}" in err
    assert err.endswith("or name services instead: --llm URL\n")
    assert not engine.built


@pytest.mark.parametrize(
    "fault", [registry.ModelMissing("the model 'hibari' is not here"), ImportError("No module named 'hibari'")]
)
def test_models_that_cannot_be_loaded_are_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Exception
):
    """The message is the engine's, as a sentence."""

    def load(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(voicepipe.engine.build, "build_engine", load)
    assert main(["serve", "--port", "0"]) == 2
    assert f"the models cannot be loaded: {fault}" in capsys.readouterr().err


def test_services_need_neither_packages_nor_models(
    engine: Engine, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Nothing is looked for, and nothing fetched."""
    monkeypatch.setattr(serving, "find_spec", lambda name: pytest.fail(f"{name} was looked for"))
    monkeypatch.setattr(registry, "missing", lambda: pytest.fail("models were looked for"))
    urls = ["--stt", "ws://there:1", "--tts", "http://there:2", "--llm", "http://there:3", "--llm-model", "tiny"]
    assert main(["serve", "--port", "0", "--workers", "1", *urls]) == 0
    assert engine.settings.llm_model == "tiny"
    assert (engine.settings.stt_url, engine.settings.tts_url) == ("ws://there:1", "http://there:2")


def test_settings_come_from_the_environment_and_a_file(
    engine: Engine, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """And the command line is nearer than both."""
    config = tmp_path / "mine.toml"
    config.write_text('host = "127.0.0.2"\nidle_timeout_s = 7\n')
    monkeypatch.setenv("KYUTAI_LLM_URL", "http://there")
    monkeypatch.setenv("VOICEPIPE_PORT", "1")
    assert main(["serve", "--config", str(config), "--port", "0"]) == 0
    assert (served.settings.host, served.settings.port, served.settings.idle_timeout_s) == ("127.0.0.2", 0, 7)
    assert engine.settings.llm_url == "http://there"


def test_a_wrong_setting_is_told_before_anything_else(engine: Engine, capsys: pytest.CaptureFixture[str]):
    """By the name under which it was written."""
    assert main(["serve", "--llm", "there"]) == 2
    assert capsys.readouterr().err.startswith("voicepipe serve: --llm = there: 'there' is not the address of a service")


@pytest.mark.parametrize(
    ("host", "keys", "is_told"), [("0.0.0.0", "", True), ("127.0.0.1", "", False), ("0.0.0.0", "sk-first", False)]
)
def test_an_open_address_without_keys_is_warned_of(
    engine: Engine,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    host: str,
    keys: str,
    is_told: bool,
):
    """On stdout, which no log level silences; not with keys, and not for this machine."""
    monkeypatch.setenv("VOICEPIPE_API_KEYS", keys)
    assert main(["serve", "--host", host, "--port", "0", "--log-level", "error"]) == 0
    told = "It accepts every client that can reach it; set VOICEPIPE_API_KEYS to require a key."
    assert (told in capsys.readouterr().out.splitlines()) == is_told


@pytest.mark.parametrize("written", [",", '["sk-first", ""]', "sk first", '["sk-first"', "[1]"])
def test_keys_that_are_none_end_the_program(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], written: str
):
    """An open server in the place of a closed one would be found out too late; keys are not repeated."""
    monkeypatch.setenv("VOICEPIPE_API_KEYS", written)
    assert main(["serve", "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("voicepipe serve: VOICEPIPE_API_KEYS")
    assert "first" not in said


def model(name: str, *, fetched: bool) -> Any:
    return SimpleNamespace(name=name, purpose="a test", size_mb=12.3, fetched=fetched)


def test_missing_models_are_fetched_first(
    engine: Engine, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Models that are needed and can be fetched are asked for, and none that an earlier download has brought along."""
    here: set[str] = set()

    def fetch(name: str, *_: object) -> None:
        here.update({name, "smart-turn"})

    absent = [model("silero", fetched=True), model("smart-turn", fetched=True), model("hibari", fetched=False)]
    absent.append(model("elsewhere", fetched=True))
    monkeypatch.setattr(registry, "missing", lambda: absent)
    monkeypatch.setattr(registry, "find", lambda name: name if name in here else None)
    monkeypatch.setattr(registry, "fetch", fetch)
    assert main(["serve", "--port", "0"]) == 0
    err = capsys.readouterr().err
    assert err.splitlines() == ["fetching silero, a test (12 MB)", "loaded smollm2 (0.4 s)"]
    assert here == {"silero", "smart-turn"}


def test_a_model_that_cannot_be_fetched_is_told_and_left_to_the_engine(
    engine: Engine, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Without Smart Turn there is a conversation, too."""

    def fetch(name: str, *_: object) -> None:
        raise registry.FetchFailed("no network")

    monkeypatch.setattr(registry, "missing", lambda: [model("smart-turn", fetched=True)])
    monkeypatch.setattr(registry, "find", lambda name: None)
    monkeypatch.setattr(registry, "fetch", fetch)
    assert main(["serve", "--port", "0"]) == 0
    assert "smart-turn cannot be fetched: no network" in capsys.readouterr().err


def test_with_json_logs_a_mistake_is_a_line_of_the_log(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """A program that reads the log reads why the server has not started."""
    assert main(["serve", str(tmp_path / "nosuch.py"), "--log-json"]) == 2
    printed = capsys.readouterr()
    assert "nosuch.py" in json.loads(printed.err)["event"]
    assert printed.out == ""


@pytest.mark.e2e
def test_a_server_process_answers_a_recording(tmp_path: Path):
    """Serve the echo on any free port, talk to it with a tone, get the tone back, stop the server. It has no model."""
    sphn.write_wav(str(tmp_path / "tone.wav"), (0.3 * np.sin(np.arange(24_000) * 0.1)).astype(np.float32), 24_000)
    python = [sys.executable, "-c", "import sys; from voicepipe.cli import main; sys.exit(main())"]
    environment = {**os.environ, "NO_COLOR": "1"}
    with subprocess.Popen(
        [*python, "serve", str(ECHO), "--port", "0", "--log-json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            first = server.stdout.readline()
            found = re.fullmatch(r"Listening on (http://127\.0\.0\.1:\d+)\n", first)
            assert found, first
            with urlopen(f"{found[1]}/v1/health", timeout=10) as health:
                assert json.load(health) == {"ok": True}
            talk = [*python, "talk", str(tmp_path / "tone.wav"), "--url", found[1], "--at-once", "--wait", "1"]
            talked = subprocess.run(
                [*talk, "--save", str(tmp_path / "out.wav")], capture_output=True, text=True, check=False, timeout=120
            )
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            server.kill()
        assert server.stderr is not None
        logged = [json.loads(line)["event"] for line in server.stderr]
        assert not any(event.startswith("loaded") for event in logged), logged
    assert talked.returncode == 0, talked.stderr
    tracks, rate_hz = sphn.read(str(tmp_path / "out.wav"))
    assert rate_hz == 24_000
    assert tracks.shape[0] == 2
    assert np.abs(tracks).max(axis=1) == pytest.approx([0.3, 0.3], abs=0.1)
