"""Settings: which source wins, and what a mistake is told as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from voicepipe.settings import ALIASES, FLAGS, PREFIX, Settings, SettingsError, load_settings, read_settings


def load(tmp_path: Path, toml: str = "", flags: dict[str, Any] | None = None, **environment: str) -> Settings:
    if toml:
        (tmp_path / "voicepipe.toml").write_text(toml)
    return load_settings(flags, environment=environment, folder=tmp_path)


def mistake(tmp_path: Path, toml: str = "", flags: dict[str, Any] | None = None, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, toml, flags, **environment)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_defaults_are_an_embedded_server_for_this_machine(tmp_path: Path) -> None:
    """Nothing need be set."""
    settings = load(tmp_path)
    assert (settings.stt_url, settings.tts_url, settings.llm_url) == (None, None, None)
    assert (settings.host, settings.port, settings.max_sessions) == ("127.0.0.1", 8000, None)
    assert settings.kyutai_api_key.get_secret_value() == "public_token"


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    """Flags, then our variables, then the aliases, then the file, then the defaults."""
    toml = 'llm_url = "http://file"\nport = 1\nretry_after_s = 5\n'
    aliases = {"KYUTAI_LLM_URL": "http://alias"}
    ours = {"VOICEPIPE_LLM_URL": "http://ours", "VOICEPIPE_PORT": "2"}
    assert load(tmp_path, toml).llm_url == "http://file"
    assert load(tmp_path, toml, **aliases).llm_url == "http://alias"
    assert load(tmp_path, toml, **aliases, **ours).llm_url == "http://ours"
    settings = load(tmp_path, toml, {"--llm": "http://flag", "--port": None}, **aliases, **ours)
    assert (settings.llm_url, settings.port, settings.retry_after_s) == ("http://flag", 2, 5)


def test_variables_may_stand_in_a_file(tmp_path: Path) -> None:
    """`.env` wins over the TOML file, and the environment over `.env`."""
    (tmp_path / ".env").write_text("# ours\nexport VOICEPIPE_PORT=3\nKYUTAI_LLM_URL='http://dotenv'\nPATH=/elsewhere\n")
    loaded = read_settings(environment={"VOICEPIPE_HOST": "::1"}, folder=tmp_path)
    assert (loaded.settings.port, loaded.settings.llm_url) == (3, "http://dotenv")
    assert loaded.written["llm_url"] == f"{tmp_path}/.env: KYUTAI_LLM_URL"
    assert load(tmp_path, "port = 1", VOICEPIPE_PORT="2").port == 2
    assert load(tmp_path, "port = 1").port == 3


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    """Its name in small or in capital letters, a new line at its end."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "voicepipe_llm_api_key").write_text("sk-1\n")
    (folder / "NEWSAPI_API_KEY").write_text("sk-2")
    (folder / "other").write_bytes(b"\xff")
    loaded = read_settings(environment={"VOICEPIPE_SECRETS_DIR": str(folder)}, folder=tmp_path)
    assert loaded.settings.llm_api_key == SecretStr("sk-1")
    assert loaded.settings.newsapi_api_key == SecretStr("sk-2")
    assert loaded.written["llm_api_key"] == f"VOICEPIPE_LLM_API_KEY of {folder}"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (".env", b"VOICEPIPE_PORT=99999", ".env: VOICEPIPE_PORT = 99999: must be a whole number from 0 to 65535"),
        (".env", b"VOICEPIPE_LLM_MODLE=x", ".env: VOICEPIPE_LLM_MODLE: there is no such setting; did you mean VOICEP"),
        (".env", b"\xff", ".env cannot be read: "),
        ("voicepipe_port", b"web", "VOICEPIPE_PORT of . = web: must be a whole number"),
        ("voicepipe_port", b"\xff", ".: a secret cannot be read: "),
    ],
)
def test_a_wrong_line_of_such_a_file_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = mistake(tmp_path, VOICEPIPE_SECRETS_DIR=str(tmp_path))
    assert said.replace(str(tmp_path), ".").startswith(says)


@pytest.mark.parametrize("alias", ALIASES)
def test_an_unmute_deployment_is_understood(tmp_path: Path, alias: str) -> None:
    """Each variable of it."""
    scheme = "redis" if "REDIS" in alias else "http"
    given = f"{scheme}://there:1" if alias.endswith("URL") else "there"
    value = getattr(load(tmp_path, **{alias: given}), ALIASES[alias])
    assert (value.get_secret_value() if isinstance(value, SecretStr) else str(value)) == given


@pytest.mark.parametrize("url", ["http://stt", "ws://stt:8090", "https://stt.example/path/", "wss://[::1]:8090"])
def test_services_are_found_by_http_and_ws_with_a_port_or_without(tmp_path: Path, url: str) -> None:
    """It is the same service."""
    assert load(tmp_path, VOICEPIPE_STT_URL=url).stt_url == url


@pytest.mark.parametrize("field", FLAGS.values())
@pytest.mark.parametrize("url", ["localhost:8090", "ftp://there", "http://", "http://there:99999", "there"])
def test_what_is_no_address_says_what_one_looks_like(tmp_path: Path, field: str, url: str) -> None:
    """By the name under which it was written."""
    name = f"{PREFIX}{field.upper()}"
    said = mistake(tmp_path, **{name: url})
    assert said.startswith(f"{name} = {url}: {url!r} is not ")
    assert "such as http://localhost:8091 or ws://localhost:8090" in said or "Port out of range 0-65535" in said


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"VOICEPIPE_PORT": "99999"}, "VOICEPIPE_PORT = 99999: must be a whole number from 0 to 65535"),
        ({"VOICEPIPE_PORT": "web"}, "VOICEPIPE_PORT = web: must be a whole number from 0 to 65535"),
        ({"VOICEPIPE_STT_DELAY_S": "1"}, "VOICEPIPE_STT_DELAY_S = 1: 0.5 (stt-1b-en_fr) or 2.5 (stt-2.6b-en)"),
        ({"VOICEPIPE_LLM_TEMPERATURE": "3"}, "VOICEPIPE_LLM_TEMPERATURE = 3: must be a number from 0 to 2"),
        ({"VOICEPIPE_LOG_LEVEL": "loud"}, "VOICEPIPE_LOG_LEVEL = loud: must be debug, info, warning or error"),
        ({"VOICEPIPE_LLM_EXTRA": "{"}, "VOICEPIPE_LLM_EXTRA = {: this is not JSON"),
        ({"VOICEPIPE_LLM_EXTRA": "7"}, "VOICEPIPE_LLM_EXTRA = 7: must be a table, which is written as JSON"),
        ({"KYUTAI_LLM_URL": "there"}, "KYUTAI_LLM_URL = there: 'there' is not the address of a service"),
        ({"VOICEPIPE_LLM_MODLE": "x"}, "VOICEPIPE_LLM_MODLE: there is no such setting; did you mean VOICEPIPE_LLM_M"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named_with_what_is_allowed(tmp_path: Path, environment: dict[str, str], says: str) -> None:
    """So that nobody has to look it up."""
    assert mistake(tmp_path, **environment).startswith(says)


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--redis-url", "there", "an address of Redis looks like redis://localhost:6379"),
        ("--news-url", "there", "must be a URL that begins with http:// or https://"),
        ("--host", "", "name an address; 0.0.0.0 stands for all that this machine has"),
        ("--recordings-dir", __file__, "this is a file, and must be a folder"),
        ("--donations-dir", __file__, "this is a file, and must be a folder"),
        ("--cors-origins", "https://a.example/page", "an origin is a scheme and a host, such as https://voice.example"),
        ("--long-prompts", "maybe", "must be true or false"),
        ("--stt-speech-below", "1", "must be a number above 0 and below 1"),
        ("--idle-timeout-s", "0", "must be a number above 0"),
    ],
)
def test_what_a_setting_takes_is_said(tmp_path: Path, flag: str, value: str, says: str) -> None:
    """Before the server listens, and not when a client comes."""
    assert mistake(tmp_path, flags={flag: value}).startswith(f"{flag} = {value}: {says}")


def test_a_wrong_flag_is_named_as_it_was_written(tmp_path: Path) -> None:
    """Even where its setting has another name."""
    assert mistake(tmp_path, flags={"--llm": "there"}).startswith("--llm = there: ")
    assert mistake(tmp_path, flags={"--max-sessions": "0"}).startswith(
        "--max-sessions = 0: must be a whole number, at least 1"
    )


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("port = 99999", "voicepipe.toml: port = 99999: must be a whole number from 0"),
        ("prot = 80", "voicepipe.toml: there is no setting 'prot'; did you mean port?"),
        ("[elsewhere]", "voicepipe.toml: there is no setting 'elsewhere'"),
        ("port = ", "voicepipe.toml cannot be read: Invalid value (at end of document)"),
    ],
)
def test_a_wrong_line_of_the_file_is_named(tmp_path: Path, toml: str, says: str) -> None:
    """With its file."""
    assert mistake(tmp_path, toml).startswith(says)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One report for all faults."""
    said = mistake(tmp_path, "llm_retries = -1", VOICEPIPE_PORT="x")
    assert "voicepipe.toml: llm_retries = -1: " in said
    assert "; VOICEPIPE_PORT = x: " in said or said.startswith("VOICEPIPE_PORT = x: ")


def test_secrets_stay_secret(tmp_path: Path) -> None:
    """In messages, and in what is printed of the settings."""
    toml = "llm_api_key = 12345\nredis_url = 7\n"
    said = mistake(tmp_path, toml)
    assert "llm_api_key = ***" in said
    assert "12345" not in said
    assert "hunter2" not in mistake(tmp_path, "port = 1", VOICEPIPE_TTS_URL="ftp://me:hunter2@there")
    for written in ('["sk-12345"', '["sk-12345", ""]', "sk-12345 sk-12345"):
        assert "12345" not in mistake(tmp_path, "port = 1", VOICEPIPE_API_KEYS=written)
    assert "12345" not in repr(load_settings(environment={"VOICEPIPE_LLM_API_KEY": "12345"}, folder=tmp_path / "none"))


def test_another_file_may_be_named_and_must_then_be_there(tmp_path: Path) -> None:
    """The one in the current folder need not."""
    (tmp_path / "mine.toml").write_text("port = 7")
    assert load_settings(environment={}, file=tmp_path / "mine.toml").port == 7
    with pytest.raises(SettingsError, match=r"none\.toml does not exist"):
        load_settings(environment={}, file=tmp_path / "none.toml")


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    """Compose files pass on what is not set as nothing."""
    assert load(tmp_path, VOICEPIPE_LLM_URL="", KYUTAI_STT_URL="").llm_url is None


def test_lists_and_tables_from_a_variable_and_from_the_file(tmp_path: Path) -> None:
    """Commas, and JSON, which a list may be, too."""
    settings = load(tmp_path, VOICEPIPE_CORS_ORIGINS="http://a, http://b", VOICEPIPE_LLM_EXTRA='{"seed": 1}')
    assert settings.cors_origins == ("http://a", "http://b")
    assert settings.llm_extra == {"seed": 1}
    for written in ("sk-a,sk-b", " sk-a , sk-b ,", '["sk-a", "sk-b"]'):
        keys = load(tmp_path, VOICEPIPE_API_KEYS=written).api_keys
        assert [key.get_secret_value() for key in keys] == ["sk-a", "sk-b"]
    settings = load(tmp_path, 'cors_origins = ["http://c"]\n[llm_extra]\nseed = 2\n')
    assert (settings.cors_origins, settings.llm_extra) == (("http://c",), {"seed": 2})


def test_what_kubernetes_tells_of_a_service_of_our_name_is_not_ours(tmp_path: Path) -> None:
    """It fills every container with variables that begin like ours."""
    told = {
        "VOICEPIPE_PORT": "tcp://10.0.0.1:80",
        "VOICEPIPE_SERVICE_HOST": "10.0.0.1",
        "VOICEPIPE_SERVICE_PORT": "80",
        "VOICEPIPE_PORT_80_TCP": "tcp://10.0.0.1:80",
        "VOICEPIPE_PORT_80_TCP_PROTO": "tcp",
        "VOICEPIPE_PORT_80_TCP_PORT": "80",
        "VOICEPIPE_PORT_80_TCP_ADDR": "10.0.0.1",
        "VOICEPIPE_MODELS_DIR": "/models",
    }
    assert load(tmp_path, **told) == load(tmp_path)


def test_each_setting_has_one_home() -> None:
    """A setting that both the server and the engine read is one field, with one default."""
    from voicepipe.engine.settings import EngineSettings
    from voicepipe.server import ServerSettings

    for name in set(EngineSettings.model_fields) & set(ServerSettings.model_fields):
        assert name in ("stt_url", "tts_url", "llm_url", "llm_model", "llm_history_tokens", "voice_cloning_url")
        assert EngineSettings.model_fields[name].default == ServerSettings.model_fields[name].default
        assert EngineSettings.model_fields[name].default is None or name == "llm_history_tokens"
    assert set(ALIASES.values()) | set(FLAGS.values()) <= set(Settings.model_fields)
