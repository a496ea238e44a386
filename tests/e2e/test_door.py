"""The door of a real server process: keys from the environment, and what its terminal says of them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

PIPELINE = Path(__file__).parents[2] / "pipelines" / "parrot.py"
"""It uses services, so that a client that may talk is told that they are down."""
NOBODY = "127.0.0.1:1"
"""Services at which nobody listens: who is let in by the door is told so, and no model is loaded."""
SERVICES = ["--stt", f"ws://{NOBODY}", "--tts", f"ws://{NOBODY}", "--llm", f"http://{NOBODY}"]
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


class Process:
    """`voicepipe serve` until the block ends; then `said` is what it printed, to stdout and to stderr."""

    def __init__(self, *options: str, **environment: str) -> None:
        python = [sys.executable, "-m", "voicepipe", "serve", str(PIPELINE), "--port", "0", *SERVICES, *options]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VOICEPIPE_")}
        self._process = subprocess.Popen(
            python, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**inherited, **environment}
        )
        self.said = ""

    def __enter__(self) -> Process:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line
            if found := re.match(r"Listening on http://[^:]+:(\d+)\n", line):
                self.port = int(found[1])
                return self
        pytest.fail(f"the server did not start:\n{self.said}")

    def __exit__(self, *_: object) -> None:
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGTERM)
        with self._process.stdout as rest:
            self.said += rest.read()
        assert self._process.wait(timeout=20) == 0, self.said

    def ask(self, path: str, **headers: str) -> tuple[int, str]:
        """Status, and the code of the refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()).get("error", {}).get("code", "")
        finally:
            connection.close()

    def talk(self, key: str | None) -> tuple[int, str]:
        bearer = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self.ask("/v1/realtime", **UPGRADE, **bearer)


@pytest.mark.parametrize(
    ("written", "log"), [("sk-first, sk-second", []), ('["sk-first", "sk-second"]', ["--log-json"])]
)
def test_keys_from_the_environment(written: str, log: list[str]) -> None:
    """Separated by commas or as JSON; none of them is ever printed, at the most talkative level."""
    with Process("--log-level", "debug", *log, VOICEPIPE_API_KEYS=written) as server:
        assert server.talk(None) == server.talk("sk-third") == (401, "invalid_api_key")
        for key in ("sk-first", "sk-second"):
            assert server.talk(key) == (503, "service_down")
        browser = {"Sec-WebSocket-Protocol": "openai-insecure-api-key.sk-first"}
        assert server.ask("/v1/realtime", **UPGRADE, **browser) == (503, "service_down")
        assert server.ask("/v1/voices") == (401, "invalid_api_key")
        assert server.ask("/v1/voices?key=sk-first") == (401, "invalid_api_key")
        assert server.ask("/v1/health/live") == (200, "")
        assert server.ask("/v1/health", Authorization="Bearer sk-first" + "x" * 10_000)[0] == 431
    assert server.said.count("session.refused") == 5
    assert "sk-" not in server.said
    assert "accepts every client" not in server.said
    assert "Traceback" not in server.said


def test_an_open_server_says_so_in_its_terminal() -> None:
    """In the log, and, whatever is logged, to the one who starts it."""
    with Process("--host", "0.0.0.0") as server:
        assert server.talk(None) == (503, "service_down")
    assert re.search(r"\[warning\s*\] server.open .*set VOICEPIPE_API_KEYS", server.said)
    assert "It accepts every client that can reach it; set VOICEPIPE_API_KEYS to require a key.\n" in server.said


def test_this_machine_is_no_matter_for_a_warning() -> None:
    """It is open, as it should be."""
    with Process() as server:
        assert server.talk(None) == (503, "service_down")
    assert "accepts every client" not in server.said
