"""`voicepipe doctor` on a deployment in other processes: services, a server, and an address with TLS."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from aiohttp import web
from needs import require
from served import Engine

from voicepipe.server import ServerSettings, make_app
from voicepipe.testing.servers import ByTime, LlmServer, SttServer, TtsServer

pytestmark = pytest.mark.e2e


def certificate(folder: Path) -> Path:
    """A certificate that ends tomorrow, and its key."""
    require("openssl")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


class Deployment(Thread):
    """Services, and a server behind TLS, on the loop of another thread."""

    def __init__(self, cert: Path) -> None:
        super().__init__()
        self.cert, self.up, self.over = cert, Event(), Event()
        self.url, self.services = "", list[str]()

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.cert, self.cert.with_name("key.pem"))
        runner = web.AppRunner(make_app(lambda session: session.received, Engine(), ServerSettings()), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = f"https://localhost:{runner.addresses[0][1]}"
        async with SttServer(ByTime([])) as stt, TtsServer() as tts, LlmServer() as llm:
            self.services = ["--stt", stt.url, "--tts", tts.url, "--llm", llm.url]
            self.up.set()
            await asyncio.get_running_loop().run_in_executor(None, self.over.wait)
        await runner.cleanup()


def doctor(folder: Path, *words: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Return the status, the findings by what they are about, and all that was printed."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("VOICEPIPE_", "KYUTAI_"))}
    done = subprocess.run(
        [sys.executable, "-m", "voicepipe", "doctor", "--json", *words],
        cwd=folder, env=kept | environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    told = json.loads(done.stdout or "{}")
    return done.returncode, {one["what"]: one for one in told["findings"]}, done.stdout + done.stderr


def test_a_deployment_is_looked_at_from_its_services_to_its_certificate(tmp_path: Path) -> None:
    """An authority of one's own is trusted where the environment names it; a fault is status 1; no key is printed."""
    deployment = Deployment(certificate(tmp_path))
    deployment.start()
    assert deployment.up.wait(20)
    secret = {"VOICEPIPE_API_KEYS": "sk-hidden", "VOICEPIPE_PORT": "0"}
    try:
        words = [*deployment.services, "--public", deployment.url]
        status, found, printed = doctor(tmp_path, *words, SSL_CERT_FILE=str(deployment.cert), **secret)
        untrusted, odd, _ = doctor(tmp_path, *deployment.services, "--public", deployment.url, **secret)
    finally:
        deployment.over.set()
        deployment.join()
    assert status == 0, printed
    assert {found[what]["state"] for what in ("settings", "stt", "tts", "llm", "port", "keys", "address")} == {"ok"}
    assert found["TLS"]["state"] == "warning"
    assert "ends on 20" in found["TLS"]["said"]
    assert found["WebSocket"]["state"] == "ok"
    assert "sk-hidden" not in printed
    assert untrusted == 1
    assert odd["TLS"]["state"] == "fault"
    assert "does not hold" in odd["TLS"]["said"]


def test_what_is_wrong_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A service that is down, and a file that is not there."""
    (tmp_path / "voicepipe.toml").write_text('voices_file = "absent.yaml"\nport = 0\nredis_url = "redis://127.0.0.1:1"')
    status, found, _ = doctor(tmp_path, "--llm", "http://127.0.0.1:1")
    assert status == 1
    assert {what for what, one in found.items() if one["state"] == "fault"} >= {"llm", "voices_file", "redis_url"}
    assert all(one["remedy"] for one in found.values() if one["state"] != "ok")


def test_a_wrong_setting_is_the_only_finding(tmp_path: Path) -> None:
    status, found, _ = doctor(tmp_path, VOICEPIPE_PORT="http")
    assert status == 1
    assert found["settings"]["said"].startswith("VOICEPIPE_PORT = http: must be a whole number")
