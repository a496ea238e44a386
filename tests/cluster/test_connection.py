"""The token of a cluster, and the head that was started on this machine."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from voicepipe.cluster.connection import ClusterError, connect, make_token, ray_environment
from voicepipe.cluster.local_head import LocalHead
from voicepipe.cluster.node import head_command, join_command


def test_a_token_is_made_once_and_only_this_user_may_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "ray" / "token"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    file = make_token()
    first = file.read_text()
    assert len(first) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    assert make_token().read_text() == first
    assert ray_environment()["RAY_AUTH_MODE"] == "token"
    assert ray_environment()["RAY_AUTH_TOKEN_PATH"] == str(file)


def test_a_process_of_the_cluster_lives_on_while_the_head_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Ray's default it ends after a minute, gateways included; a setting of the user's own counts."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    make_token()
    name = "RAY_gcs_rpc_server_reconnect_timeout_s"
    assert int(ray_environment()[name]) > 3600
    assert ray_environment({**os.environ, name: "90"})[name] == "90"


def test_a_cluster_without_a_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"there is no token at .*absent"):
        ray_environment({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "absent")})
    with pytest.raises(ClusterError, match="RAY_AUTH_MODE is 'disabled'"):
        ray_environment({"RAY_AUTH_MODE": "disabled"})


def test_a_cluster_at_which_nothing_listens_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself looks for two minutes."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    make_token()
    with socket.socket() as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"nothing listens at {address} .*voicepipe cluster up"):
            connect(f"ray://{address}")


def test_the_nodes_have_no_dashboard_that_others_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ray"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    command = head_command("10.0.0.1", 6379)
    assert command[:3] == [str(program), "start", "--head"]
    assert {"--include-dashboard=false", "--dashboard-host=127.0.0.1", "--node-ip-address=10.0.0.1"} <= set(command)
    assert join_command("10.0.0.1:6379")[2:4] == ["--address=10.0.0.1:6379", "--block"]


def test_a_head_that_has_ended_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be that of another process by now."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "voicepipe"
    assert LocalHead.find() is None
    folder.mkdir()
    for pid, born in ((os.getpid(), "1"), (2**22 + 1, "1")):
        (folder / "cluster.json").write_text(json.dumps({"pid": pid, "born": born, "address": "127.0.0.1:6379"}))
        assert LocalHead.find() is None
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    here = {"pid": os.getpid(), "born": fields[19], "address": "127.0.0.1:6379"}
    (folder / "cluster.json").write_text(json.dumps(here))
    assert LocalHead.find() == LocalHead(**here)
    (folder / "cluster.json").write_text("{")
    assert LocalHead.find() is None
