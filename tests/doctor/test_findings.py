"""Findings of `voicepipe doctor` on a machine, in folders, and at an address: on real files and sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr, ValidationError

from voicepipe.doctor.cluster import cluster_findings
from voicepipe.doctor.files import file_findings, folder_findings, secret_findings
from voicepipe.doctor.findings import Finding
from voicepipe.doctor.machine import Machine, _memory_mb, _throttled, machine_findings
from voicepipe.doctor.public import public_findings
from voicepipe.doctor.serving import key_finding, package_findings, port_finding, proxy_findings, reached
from voicepipe.server import ServerSettings
from voicepipe.testing import VirtualLoop

MACHINE = Machine(cores=4, installed=8, throttled=0, memory_mb=8_000, files=65_536, clock_is_kept=True)


def states(findings: Any) -> dict[str, str]:
    return {one.what: one.state for one in findings}


# ---- the machine -----------------------------------------------------------------------------------------------------


def test_a_machine_that_has_enough_needs_nothing() -> None:
    found = list(machine_findings(MACHINE, sessions=64, workers=4, models_mb=0))
    assert set(states(found).values()) == {"ok"}
    assert [one.remedy for one in found] == [""] * 5


@pytest.mark.parametrize(
    ("machine", "what", "state", "remedy"),
    [
        (replace(MACHINE, cores=2), "cores", "warning", "set workers to 2"),
        (replace(MACHINE, throttled=7), "CPU quota", "warning", "raise the quota"),
        (replace(MACHINE, memory_mb=500), "memory", "fault", "give it more memory"),
        (replace(MACHINE, files=256), "open files", "fault", "ulimit -n 448"),
        (replace(MACHINE, clock_is_kept=False), "clock", "warning", "start a time service"),
    ],
)
def test_what_a_machine_lacks_is_named_with_its_remedy(machine: Machine, what: str, state: str, remedy: str) -> None:
    """And nothing else."""
    (odd,) = (one for one in machine_findings(machine, sessions=64, workers=4, models_mb=0) if one.state != "ok")
    assert (odd.what, odd.state) == (what, state)
    assert remedy in odd.remedy


def test_what_a_system_does_not_tell_is_no_fault() -> None:
    silent = replace(MACHINE, memory_mb=None, files=None, clock_is_kept=None)
    assert set(states(machine_findings(silent, sessions=1, workers=1, models_mb=0)).values()) == {"ok"}


def test_this_machine_is_read() -> None:
    """Whatever it is like: its cores, and what the kernel tells."""
    this = Machine.this()
    assert this.cores >= 1
    assert this.memory_mb is None or this.memory_mb > 0


def test_a_containers_own_limits_count(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("500000000\n")
    assert _memory_mb(tmp_path / "meminfo", tmp_path) == 1_500
    (tmp_path / "memory.max").write_text("max\n")
    assert _memory_mb(tmp_path / "meminfo", tmp_path) == 8_000
    (tmp_path / "cpu.stat").write_text("usage_usec 12\nnr_periods 40\nnr_throttled 3\n")
    assert _throttled(tmp_path / "cpu.stat") == 3
    assert _throttled(tmp_path / "absent") == 0


# ---- folders and files -----------------------------------------------------------------------------------------------


def test_a_folder_of_recordings_is_private_and_can_be_written(tmp_path: Path) -> None:
    """One that is not there yet is made by the server, where the folder above it permits that."""
    private, public, file = tmp_path / "private", tmp_path / "public", tmp_path / "file"
    private.mkdir(mode=0o700)
    public.mkdir(mode=0o755)
    file.write_text("")
    folders = {"a": private, "b": private / "later", "c": public, "d": file / "under"}
    found = {one.what: one for one in folder_findings(folders)}
    assert states(found.values()) == {"a": "ok", "b": "ok", "c": "warning", "d": "fault"}
    assert found["c"].remedy == f"chmod o= {public}: it holds speech"


def test_files_of_settings_exist_and_files_of_secrets_are_private(tmp_path: Path) -> None:
    file = tmp_path / "voicepipe.toml"
    file.write_text('api_keys = ["secret"]')
    file.chmod(0o644)
    found = file_findings({"characters_file": file, "voices_file": tmp_path / "absent.yaml"})
    assert states(found) == {"characters_file": "ok", "voices_file": "fault"}
    written = {"api_keys": f"{file}: api_keys", "llm_api_key": "VOICEPIPE_LLM_API_KEY"}
    (open_to_all,) = secret_findings(written)
    assert open_to_all.state == "fault"
    assert open_to_all.remedy == f"chmod o= {file}"
    file.chmod(0o600)
    assert states(secret_findings(written)) == {"secrets": "ok"}


# ---- the server ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o644, "fault"), (None, "fault")])
def test_the_token_of_a_cluster_is_there_and_private(tmp_path: Path, mode: int | None, state: str) -> None:
    """Without a cluster nothing is said of it."""
    token = tmp_path / "token"
    if mode is not None:
        token.write_text("secret")
        token.chmod(mode)
    found = list(cluster_findings("ray://auto", {"RAY_AUTH_TOKEN_PATH": str(token)}))
    assert states(found)["cluster token"] == state
    assert "secret" not in str(found)
    assert not list(cluster_findings(None, {}))


def test_a_port_is_free_or_taken_by_voicepipe_or_by_another() -> None:
    assert port_finding("127.0.0.1", 8000, "").state == "ok"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.close()
        assert port_finding("127.0.0.1", port, f"port {port} is in use").state == "fault"


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        (ServerSettings(), "ok"),
        (ServerSettings(host="0.0.0.0"), "warning"),
        (ServerSettings(host="0.0.0.0", api_keys=(SecretStr("secret"),)), "ok"),
    ],
)
def test_a_server_that_others_reach_asks_for_a_key(settings: ServerSettings, state: str) -> None:
    found = key_finding(settings)
    assert found.state == state
    assert "secret" not in str(found)


def test_an_address_that_users_open_needs_a_key() -> None:
    """Also where the server itself listens to this machine alone: the proxy is on it."""
    assert "https://voice.example" in key_finding(ServerSettings(), "https://voice.example").said
    assert key_finding(ServerSettings(), "https://voice.example").state == "warning"
    assert key_finding(ServerSettings(api_keys=(SecretStr("secret"),)), "https://voice.example").state == "ok"


def test_packages_that_a_setting_needs_are_named_with_their_command() -> None:
    needed = {"redis_url": ("asyncio", "redis"), "otel_url": ("absent_package.inside", "otel")}
    (found,) = package_findings(needed)
    assert (found.what, found.state) == ("otel_url", "fault")
    assert "otel" in found.remedy


def test_proxies_are_named_without_their_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine is asked without one."""
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    urls = {"llm_url": "https://api.example/v1", "stt_url": "wss://stt.example", "tts_url": "ws://localhost:8089"}
    found = list(proxy_findings(urls))
    assert [one.said.split(" ")[0] for one in found] == ["llm_url", "stt_url"]
    assert all("http://proxy.example:3128" in one.said and "hunter2" not in one.said for one in found)


def test_what_is_shared_with_others_can_be_reached(virtual_loop: VirtualLoop) -> None:
    async def main() -> list[Finding]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        urls = {"redis_url": (f"redis://127.0.0.1:{port}", 6379), "otel_url": ("http://127.0.0.1:1", 4318)}
        found = [one async for one in reached(urls)]
        server.close()
        await server.wait_closed()
        return found

    assert states(virtual_loop.run(main())) == {"redis_url": "ok", "otel_url": "fault"}


# ---- the address -----------------------------------------------------------------------------------------------------


async def looked_at(app: web.Application) -> dict[str, str]:
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return states([one async for one in public_findings(url, None)])
    finally:
        await runner.cleanup()


def test_a_proxy_that_passes_no_websocket_is_named(virtual_loop: VirtualLoop) -> None:
    app = web.Application()

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def realtime(_: web.Request) -> web.Response:
        return web.Response(status=426)

    app.router.add_get("/v1/health/live", live)
    app.router.add_get("/v1/realtime", realtime)
    found = virtual_loop.run(looked_at(app))
    assert {name: found[name] for name in ("TLS", "address", "WebSocket")} == {
        "TLS": "ok", "address": "ok", "WebSocket": "fault",
    }  # fmt: skip


@pytest.mark.parametrize(("status", "state"), [(401, "ok"), (403, "fault"), (503, "warning")])
def test_a_refusal_has_passed_the_proxy(virtual_loop: VirtualLoop, status: int, state: str) -> None:
    app = web.Application()

    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({}, status=200 if "health" in request.path else status)

    app.router.add_get("/v1/health/live", refuse)
    app.router.add_get("/v1/realtime", refuse)
    assert virtual_loop.run(looked_at(app))["WebSocket"] == state


def test_a_proxy_that_reaches_no_server_is_named(virtual_loop: VirtualLoop) -> None:
    """And what it passes on is not judged then."""
    app = web.Application()

    async def bad_gateway(_: web.Request) -> web.Response:
        return web.Response(status=502)

    app.router.add_get("/v1/health/live", bad_gateway)
    found = virtual_loop.run(looked_at(app))
    assert (found["address"], "WebSocket" in found) == ("fault", False)


def test_an_address_at_which_nothing_answers_is_a_fault(virtual_loop: VirtualLoop) -> None:
    async def main() -> list[Finding]:
        return [one async for one in public_findings("http://127.0.0.1:1", None)]

    assert states(virtual_loop.run(main())) == {"TLS": "ok", "address": "fault"}


# ---- what cannot be --------------------------------------------------------------------------------------------------


def talking(banner: bytes) -> socket.socket:
    """A program that says something of its own to each that connects."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(banner)

    Thread(target=answer, daemon=True).start()
    return listener


def test_a_port_of_a_program_that_speaks_no_http_is_named() -> None:
    """Such as that of SSH."""
    with closing(talking(b"SSH-2.0-OpenSSH\r\n")) as listener:
        found = port_finding("127.0.0.1", listener.getsockname()[1], "the port is used by another program")
    assert (found.state, found.said) == ("fault", "the port is used by another program")


async def _public(url: str) -> dict[str, str]:
    return states([one async for one in public_findings(url, None)])


def test_a_server_that_lies_about_its_time_is_no_exception() -> None:
    answer = b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 99999999999 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
    with closing(talking(answer)) as listener:
        found = asyncio.run(_public(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    assert (found["address"], found["time there"], found["WebSocket"]) == ("ok", "ok", "fault")


def test_a_host_that_cannot_be_is_a_fault(virtual_loop: VirtualLoop) -> None:
    found = virtual_loop.run(_public(f"https://{'a' * 70}.example"))
    assert (found["TLS"], found["address"]) == ("fault", "fault")


def test_names_that_no_file_can_have_are_faults(tmp_path: Path) -> None:
    """And a file on the way is named; its owner is not to be changed."""
    (tmp_path / "file").touch()
    long = tmp_path / ("x" * 300)
    assert states(file_findings({"voices_file": long})) == {"voices_file": "fault"}
    assert states(folder_findings({"recordings_dir": long})) == {"recordings_dir": "ok"}
    (found,) = folder_findings({"recordings_dir": tmp_path / "file" / "folder"})
    assert found.said == f"{tmp_path / 'file'} is a file, and must be a folder"
    assert "chown" not in found.remedy


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("redis_url", "redis://host:99999"),
        ("redis_url", f"redis://{'a' * 70}.example"),
        ("otel_url", "http://[::"),
        ("news_url", "https://news.example:port"),
        ("recordings_dir", f"/tmp/{'x' * 300}"),
    ],
)
def test_settings_that_cannot_be_are_refused(setting: str, value: str) -> None:
    with pytest.raises(ValidationError, match=setting):
        ServerSettings.model_validate({setting: value})
