"""The files of `docs/deploy`, judged by the tools of their field."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from needs import require

from voicepipe.settings import ALIASES, PREFIX, Settings, field_of

DEPLOY = Path(__file__).parents[2] / "docs/deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
COMPOSE = ["compose.yaml", "compose.kyutai.yaml"]


def passes(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> Path:
    """Return the path of a program of the test environment."""
    return Path(sys.executable).with_name(name)


def test_the_image_is_linted() -> None:
    passes(tool("hadolint"), "Dockerfile")


def test_the_image_copies_files_that_exist() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    files = {name for line in copied for name in line.split()}
    assert files == sent
    assert all((DEPLOY.parents[1] / name).exists() for name in files)


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_files_have_the_published_schema(name: str) -> None:
    passes(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", name)


def test_manifests_have_kubernetes_schema() -> None:
    passes(tool("kubernetes-validate"), "--strict", "kubernetes.yaml")


def test_prometheus_takes_its_configuration_and_the_alerts() -> None:
    require("prometheus")  # promtool comes with it
    passes("promtool", "check", "config", "prometheus.yml")


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Its program is at another place here."""
    require("systemd-analyze")
    unit = tmp_path / "voicepipe.service"
    unit.write_text((DEPLOY / "voicepipe.service").read_text().replace("/opt/voicepipe/bin/voicepipe", sys.executable))
    passes("systemd-analyze", "verify", "--man=no", unit)


@pytest.mark.parametrize(
    "name", [path.relative_to(DEPLOY).as_posix() for path in FILES if path.suffix in {".yml", ".yaml"}]
)
def test_mounted_files_exist(name: str) -> None:
    """Compose makes an empty folder of a file that is absent."""
    for document in yaml.safe_load_all((DEPLOY / name).read_text()):
        services = cast("dict[str, Any]", document.get("services", {}))
        for volume in [volume for service in services.values() for volume in service.get("volumes", ())]:
            source = str(volume).split(":", 1)[0]
            assert not source.startswith("./") or (DEPLOY / source).exists(), source


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(file: Path) -> None:
    """Each that begins as ours or as Unmute's do."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | set(ALIASES)
    known |= {"VOICEPIPE_MODELS_DIR", "VOICEPIPE_SECRETS_DIR"}
    assert set(re.findall(rf"\b(?:{PREFIX}|KYUTAI_)[A-Z_]+\b", file.read_text())) <= known


def test_every_flag_exists() -> None:
    texts = [(DEPLOY / name).read_text() for name in ("Dockerfile", "voicepipe.service")]
    flags = {
        flag
        for text in texts
        for line in re.findall(r"voicepipe serve.*", text)
        for flag in re.findall(r"--[\w-]+", line)
    }
    assert {field_of(flag) for flag in flags} <= set(Settings.model_fields)


def test_grafana_takes_its_files() -> None:
    """The datasource and the folder of the boards are those that the compose file mounts."""
    ini = configparser.ConfigParser()
    ini.read(DEPLOY / "grafana/grafana.ini")
    compose = (DEPLOY / "compose.kyutai.yaml").read_text()
    assert f":{ini['dashboards']['default_home_dashboard_path']}:ro" in compose
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/voicepipe.yaml").read_text())["providers"][0]
    assert ini["dashboards"]["default_home_dashboard_path"].startswith(provider["options"]["path"])


def test_every_alert_has_a_runbook() -> None:
    """A heading of the page, below which stands what to do."""
    page = (DEPLOY.parent / "howto/deploy.md").read_text()
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    rules = [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/howto/deploy.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in headings
    assert headings == {rule["alert"].lower() for rule in rules}
