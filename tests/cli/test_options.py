"""Flags of settings: what the reference page promises, the settings have, and the command line takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from voicepipe import cli
from voicepipe.cli.options import settings_of
from voicepipe.engine.settings import EngineSettings
from voicepipe.settings import FLAGS, Settings, flags_of, is_secret

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"

OTHERS: dict[str, str] = {
    "llm_warm": "false",
    "stt_url": "ws://stt:1",
    "tts_url": "ws://tts:1",
    "llm_url": "http://llm:1",
    "redis_url": "redis://there",
    "otel_url": "http://collector:1",
    "engine": "ray://head:1",
    "cluster_stages": "tts",
    "mcp_allowed_urls": "https://mcp.example,http://10.0.0.7:9000/town",
    "news_url": "http://news:1",
    "voice_cloning_url": "http://cloning:1",
    "stt_delay_s": "2.5",
    "log_level": "debug",
    "trusted_proxies": "203.0.113.0/24,198.51.100.7",
    "cors_origins": "https://one.example,https://two.example",
    "pipelines": '{"sales": "sales.py"}',
    "llm_extra": '{"seed": 1}',
    "stt_extra": '{"prompt": "voicepipe"}',
    "tts_extra": '{"speed": 1.1}',
    "tts_rate_hz": "22050",
    "news_query": '{"country": "de"}',
    "long_prompts": "true",
    "stt_speech_below": "0.25",
    "stt_silence_above": "0.75",
    "llm_temperature": "1.5",
    "llm_opening_temperature": "1.5",
    "call_host": "0.0.0.0",
    "ice_servers": "stun:stun.example:3478",
}
"""Values that are right and not the default, where a number or a text is not."""


def value_of(field: str) -> str:
    annotation = str(Settings.model_fields[field].annotation)
    if field in OTHERS:
        return OTHERS[field]
    if "str" in annotation or "Path" in annotation:
        return "some-text"
    default = Settings.model_fields[field].default
    if isinstance(default, bool):
        return str(not default).lower()
    return str(int(default or 0) + 7)


def settings(command: str, *words: str) -> Settings:
    return settings_of(cli.parsed([command, *words]))


pytestmark = pytest.mark.usefixtures("one_parser")


@cache
def unset(command: str) -> Settings:
    """The settings of a command without flags."""
    return settings(command)


@pytest.fixture(autouse=True, scope="module")
def _nothing_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        yield


PLAIN = [field for field in Settings.model_fields if not is_secret(field)]


@pytest.mark.parametrize("field", [field for field in PLAIN if field != "log_json"])
def test_every_setting_is_a_flag_of_serve(field: str) -> None:
    """Each under its whole name, and a service under its short one."""
    for flag in flags_of(field):
        before, after = unset("serve"), settings("serve", flag, value_of(field))
        changed = {name for name in Settings.model_fields if getattr(after, name) != getattr(before, name)}
        assert changed == {field}


def test_one_that_is_on_or_off_needs_no_value() -> None:
    """JSON logs."""
    assert settings("serve", "--log-json").log_json
    assert not settings("serve").log_json


@pytest.mark.parametrize("field", [field for field in EngineSettings.model_fields if not is_secret(field)])
def test_what_check_asks_can_be_set_there(field: str) -> None:
    """The engine's settings; those of the server are none of its options."""
    (flag, *_) = flags_of(field)
    assert getattr(settings("check", flag, value_of(field)), field) != getattr(unset("check"), field)


@pytest.mark.parametrize("field", sorted(set(Settings.model_fields) - set(EngineSettings.model_fields)))
def test_what_check_does_not_need_is_no_option_of_it(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so."""
    (flag, *_) = flags_of(field)
    with pytest.raises(SystemExit):
        settings("check", flag, "1")
    assert f"there is no option {flag}" in capsys.readouterr().err


@pytest.mark.parametrize("field", [field for field in Settings.model_fields if is_secret(field)])
def test_a_secret_is_no_flag(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command line can be read by others; where to put it is told, and it is not repeated."""
    (flag, *_) = flags_of(field)
    with pytest.raises(SystemExit):
        settings("serve", flag, "hunter2")
    said = capsys.readouterr().err
    assert f"set VOICEPIPE_{field.upper()} in the environment" in said
    assert "hunter2" not in said


def test_secrets_are_known_by_their_type() -> None:
    """Also within a list."""
    for field, info in Settings.model_fields.items():
        default: Any = info.default
        assert is_secret(field) or not isinstance(default, SecretStr)
    assert {field for field in Settings.model_fields if is_secret(field)} == {
        "api_keys",
        "ice_credential",
        "kyutai_api_key",
        "llm_api_key",
        "named_api_keys",
        "newsapi_api_key",
        "stt_api_key",
        "tts_api_key",
    }


def test_the_page_promises_what_there_is() -> None:
    """Each flag that it names is one, and it names the short ones."""
    promised = set(re.findall(r"`(--[a-z-]+)", PAGE.read_text("utf-8"))) - {"--help"}
    assert promised >= set(FLAGS)
    assert promised <= {flag for field in PLAIN for flag in flags_of(field)}


def test_a_flag_may_stand_before_the_pipeline() -> None:
    """One that `--help` does not list, too; with `=` or without."""
    for words in (["--llm-max-tokens", "7", "mine.py"], ["--llm-max-tokens=7", "mine.py"]):
        args = cli.parsed(["serve", *words])
        assert (args.pipelines, settings_of(args).llm_max_tokens) == (["mine.py"], 7)


def test_json_and_commas_in_a_flag() -> None:
    """As in a variable."""
    given = settings("serve", "--llm-extra", json.dumps({"seed": 2}), "--cors-origins", "http://a, http://b")
    assert (given.llm_extra, given.cors_origins) == ({"seed": 2}, ("http://a", "http://b"))
