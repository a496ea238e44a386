"""`app.yaml`: what it says, what is wrong with it, and what Ray Serve is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicepipe._yaml import YamlError
from voicepipe.cluster.app_file import StageOptions, read_app_file
from voicepipe.cluster.deployment import serve_options


def written(folder: Path, text: str) -> Path:
    file = folder / "app.yaml"
    file.write_text(text)
    return file


def test_a_stage_is_the_one_of_its_name_and_a_file_lies_beside(tmp_path: Path) -> None:
    app = read_app_file(
        written(
            tmp_path,
            "stages:\n  stt: {capacity: 8}\n  mine: {stage: my_stages.py:MyVoice, gpus: 0.5}\n"
            "  llm: {stage: /models/qwen.gguf}\n  own: {stage: my_package.stages:MyStt}",
        )
    )
    assert {name: options.stage for name, options in app.stages.items()} == {
        "stt": "stt",
        "mine": f"{tmp_path}/my_stages.py:MyVoice",
        "llm": "/models/qwen.gguf",
        "own": "my_package.stages:MyStt",
    }
    assert (app.stages["stt"].capacity, app.stages["mine"].gpus) == (8, 0.5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("stages: {}", "stages: "),
        ("stages: {stt: {capacity: 0}}", r"stages\.stt\.capacity"),
        ("stages: {stt: {sessions: 3}}", r"stages\.stt\.sessions"),
        ("stages: {My Stage: {}}", "is not the name of a stage"),
        ("stages: {stt: {replicas: 3, most_replicas: 2}}", "most_replicas is 2, and less than replicas, 3"),
        ("stages: {stt: {tls_key: key.pem}}", "tls_certificate and tls_key belong together"),
        ("stages: [", "is no YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(YamlError, match=why):
        read_app_file(written(tmp_path, text))


def test_serve_lets_more_requests_through_than_there_are_places() -> None:
    """It would queue them: the replica tells that it is full."""
    options = serve_options(StageOptions(capacity=4, replicas=2, gpus=1))
    assert options["num_replicas"] == 2
    assert options["max_ongoing_requests"] > 4
    assert options["ray_actor_options"] == {"num_cpus": 1, "num_gpus": 1}
    scaled = serve_options(StageOptions(capacity=4, most_replicas=5))["autoscaling_config"]
    assert (scaled["min_replicas"], scaled["max_replicas"], scaled["target_ongoing_requests"]) == (1, 5, 3)
    assert scaled["downscale_delay_s"] == 60


def test_replicas_are_kept_on_different_machines() -> None:
    assert serve_options(StageOptions(most_per_machine=1))["max_replicas_per_node"] == 1
    assert serve_options(StageOptions())["max_replicas_per_node"] is None


def test_a_certificate_is_looked_up_beside_the_file(tmp_path: Path) -> None:
    app = read_app_file(written(tmp_path, "stages: {tts: {tls_certificate: cert.pem, tls_key: /keys/key.pem}}"))
    assert (app.stages["tts"].tls_certificate, app.stages["tts"].tls_key) == (f"{tmp_path}/cert.pem", "/keys/key.pem")
