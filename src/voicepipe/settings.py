"""All that can be set, in one model, and where it may be set: command line, environment, files.

What a server and an engine want to know stands with them; here the two are one, with one name for each thing: the field
`llm_url` is `llm_url` in `voicepipe.toml`, `VOICEPIPE_LLM_URL` in the environment, and in a message about it what the
user wrote.
"""

# Without `from __future__ import annotations`, as pydantic would compile the text of each annotation in each subclass.

import json
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast, get_args

from dotenv import dotenv_values
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from voicepipe.engine.settings import EngineSettings
from voicepipe.server.settings import AppSettings

__all__ = [
    "ALIASES",
    "DOTENV",
    "FILE",
    "FLAGS",
    "PREFIX",
    "SECRETS",
    "Loaded",
    "Settings",
    "SettingsError",
    "field_of",
    "flags_of",
    "is_secret",
    "load_settings",
    "names_of_settings",
    "read_settings",
    "variable_of",
]

PREFIX = "VOICEPIPE_"

FILE = "voicepipe.toml"
"""Read when it lies in the current folder."""

DOTENV = ".env"
"""Variables in a file of the current folder, as Docker Compose reads one; those of the environment win."""

SECRETS = Path("/run/secrets")
"""Docker's and Kubernetes' place for secrets: a file `voicepipe_llm_api_key` holds the value of a variable of its name.
`VOICEPIPE_SECRETS_DIR` names another folder."""

ALIASES = {
    "KYUTAI_STT_URL": "stt_url",
    "KYUTAI_TTS_URL": "tts_url",
    "KYUTAI_LLM_URL": "llm_url",
    "KYUTAI_LLM_MODEL": "llm_model",
    "KYUTAI_LLM_API_KEY": "llm_api_key",
    "KYUTAI_VOICE_CLONING_URL": "voice_cloning_url",
    "KYUTAI_REDIS_URL": "redis_url",
    "KYUTAI_RECORDINGS_DIR": "recordings_dir",
    "KYUTAI_VOICE_DONATION_DIR": "donations_dir",
    "NEWSAPI_API_KEY": "newsapi_api_key",
}
"""The settings by the environment variables of an existing deployment of Unmute."""

FLAGS = {"--stt": "stt_url", "--tts": "tts_url", "--llm": "llm_url", "--voice-cloning": "voice_cloning_url"}
"""Flags that are shorter than their field; the others are called like it."""

_SHORT = {field: flag for flag, field in FLAGS.items()}

# How alike an unknown name and a known one are (`difflib`) to be a slip of the pen.
_ALMOST = 0.75


class SettingsError(Exception):
    """A setting is wrong: the message says which one, as the user wrote it, what it is and what is allowed. Secrets do
    not appear in it."""


class Settings(AppSettings, BaseSettings):
    """The server's, the engine's, the log's, and the pipelines that are served."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read no source besides the arguments: `read_settings` reads the others, and remembers which one it was."""
        return (init_settings,)

    pipelines: dict[str, str] = Field(default={})
    """Pipelines by name, each written as for `voicepipe serve`; the first is the default. Those that the command line
    names take their place."""

    workers: int | None = Field(default=None, ge=1)
    """The number of processes that serve the port together, on Linux. None: one for each core that the process may use
    (CPU affinity and cgroup quotas) where stt_url, tts_url and llm_url are all set, else one: embedded models use all
    cores by themselves, and each process would load its own."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are logged."""
    log_json: bool = False
    """Log lines as JSON objects, one per line."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A value, and what it is called where it was written."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and where each was written that is not at its default.

    Args:
        settings: The settings.
        written: By a setting's name the flag, the variable, or the file and key that set it.
    """

    settings: Settings
    written: Mapping[str, str]

    def shown(self, field: str) -> str:
        """Return a value for a reader: without a secret, and without the password of an address."""
        value = getattr(self.settings, field)
        if value is None or value == () or value == {}:
            return "none"
        if isinstance(value, bool):
            return str(value).lower()
        return _shown(field, list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value)


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    file: Path | None = None,
    folder: Path | None = None,
) -> Settings:
    """Return the settings as `read_settings` reads them."""
    return read_settings(flags, environment=environment, file=file, folder=folder).settings


def read_settings(
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    file: Path | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Read each setting from the first place that has it: a flag, a variable, `.env`, a secret's file, the TOML file.

    In each of the places a variable `VOICEPIPE_…` wins over one of Unmute.

    Args:
        flags: Those of the command line by their text, None where one was not given.
        environment: The variables. An empty one counts as none.
        file: A TOML file, which must exist; without one it is `voicepipe.toml` in `folder`, if there is any.
        folder: The folder with `voicepipe.toml` and `.env`; the current one, unless given.

    Raises:
        SettingsError: A value is wrong, or there is no setting of a name.
    """
    home = folder or Path()
    given: dict[str, _Given] = {}
    if file is not None or (home / FILE).is_file():
        given |= _of_file(file or home / FILE)
    given |= _of_secrets(Path(environment.get(f"{PREFIX}SECRETS_DIR") or SECRETS))
    given |= _of_dotenv(home / DOTENV)
    given |= _of_variables(environment)
    given |= _of_flags(flags or {})
    try:
        settings = Settings(**{field: one.value for field, one in given.items()})
    except ValidationError as error:
        raise SettingsError("; ".join(_wrong(error, given))) from None
    return Loaded(settings, {field: one.name for field, one in given.items()})


# ---- flags -----------------------------------------------------------------------------------------------------------


def names_of_settings(*, server: bool) -> list[str]:
    """The settings that have a flag: of `voicepipe serve` (`server`) all, of other commands those of the engine."""
    return list(Settings.model_fields if server else EngineSettings.model_fields)


def flags_of(field: str) -> list[str]:
    """The flags of a setting, the shortest first: `--llm`, `--llm-url`."""
    whole = f"--{field.replace('_', '-')}"
    return [_SHORT[field], whole] if field in _SHORT else [whole]


def field_of(flag: str) -> str:
    """The setting of a flag."""
    return FLAGS.get(flag, flag.removeprefix("--").replace("-", "_"))


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def is_secret(field: str) -> bool:
    """Return whether a setting's value must not be shown, nor stand on a command line."""
    return "SecretStr" in str(Settings.model_fields[field].annotation)


# ---- where values come from ------------------------------------------------------------------------------------------


def _of_file(path: Path) -> dict[str, _Given]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    if unknown := [key for key in table if key not in Settings.model_fields]:
        raise SettingsError(f"{path}: there is no setting {unknown[0]!r}{_meant(unknown[0])}")
    return {key: _Given(f"{path}: {key}", value) for key, value in table.items()}


def _of_secrets(folder: Path) -> dict[str, _Given]:
    names = (PREFIX, *ALIASES)
    try:
        files = [path for path in folder.iterdir() if path.name.upper().startswith(names) and path.is_file()]
        texts = {path.name.upper(): path.read_text("utf-8").strip() for path in files}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{folder}: a secret cannot be read: {error}") from None
    return _of_variables(texts, "{} of " + str(folder))


def _of_dotenv(path: Path) -> dict[str, _Given]:
    try:
        variables = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    return _of_variables({name: text for name, text in variables.items() if text}, f"{path}: {{}}")


def _of_variables(variables: Mapping[str, str], place: str = "{}") -> dict[str, _Given]:
    """Return the settings of Unmute's variables and of ours; `place` says where a variable stands."""
    ours = {
        name: text for name, text in variables.items() if name.startswith(PREFIX) and not _is_kubernetes(name, text)
    }
    unmutes = {name: variables[name] for name in ALIASES if variables.get(name)}
    _check_names((name for name, text in ours.items() if text), place)
    names = {field: name for name, field in ALIASES.items() if name in unmutes}
    names |= {field: variable_of(field) for field in Settings.model_fields if ours.get(variable_of(field))}
    if not names:
        return {}  # pydantic's source looks at each of the 170 fields, for 4 ms, and finds nothing
    texts = {variable_of(field): variables[name] for field, name in names.items()}
    shown = {field: place.format(name) for field, name in names.items()}
    return {field: _Given(shown[field], value) for field, value in _Variables(texts, shown)().items()}


def _check_names(variables: Iterable[str], place: str) -> None:
    for name in variables:
        field = name.removeprefix(PREFIX).lower()
        if field not in Settings.model_fields and (meant := _meant(field, variable_of)):
            raise SettingsError(f"{place.format(name)}: there is no such setting{meant}")


class _Variables(EnvSettingsSource):
    """Texts by variable. Lists are separated by commas, or JSON; tables are JSON."""

    def __init__(self, texts: Mapping[str, str], shown: Mapping[str, str]) -> None:
        self._texts, self._names = texts, shown
        super().__init__(Settings, env_prefix=PREFIX)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): text for name, text in self._texts.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return _from_text(self._names[field_name], field_name, value)


def _of_flags(flags: Mapping[str, object]) -> dict[str, _Given]:
    return {
        field_of(flag): _Given(flag, _from_text(flag, field_of(flag), value) if isinstance(value, str) else value)
        for flag, value in flags.items()
        if value is not None
    }


def _is_kubernetes(name: str, text: str) -> bool:
    """Kubernetes tells every container of a service called "voicepipe" where that is, in VOICEPIPE_PORT."""
    return name == f"{PREFIX}PORT" and text.startswith(("tcp://", "udp://"))


def _from_text(name: str, field: str, text: str) -> Any:
    default = Settings.model_fields[field].get_default(call_default_factory=True)
    if isinstance(default, dict) or (isinstance(default, tuple) and text.lstrip().startswith("[")):
        try:
            return json.loads(text)
        except ValueError:
            raise SettingsError(f"{name} = {_shown(field, text)}: this is not JSON") from None
    if isinstance(default, tuple):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return parts or [text]  # "," comes of two variables that are not set: that is no empty list
    return text


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def _wrong(error: ValidationError, given: Mapping[str, _Given]) -> Iterator[str]:
    """A clause for each value that does not do."""
    for fault in error.errors():
        field = str(fault["loc"][0])
        one = given[field]
        shown = _shown(field, one.value)
        said = str(fault["msg"]).removeprefix("Value error, ").replace(str(one.value), shown)
        what = _allowed(field, str(fault["type"])) or f"{said[:1].lower()}{said[1:]}"
        yield f"{one.name} = {shown}: {what}"


def _allowed(field: str, fault: str) -> str:
    """Return the values of a setting in plain words, for errors that pydantic words as types; empty for others."""
    annotation = str(Settings.model_fields[field].annotation)
    if fault.startswith(("int", "float", "greater", "less", "finite")):
        return f"must be a {'whole number' if 'int' in annotation else 'number'}{_bounds(field)}"
    if fault == "literal_error":
        *others, last = get_args(Settings.model_fields[field].annotation)
        return f"must be {', '.join(others)} or {last}"
    return {
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "dict_type": 'must be a table, which is written as JSON: {"key": "value"}',
        "tuple_type": "must be a list",
        "path_type": "must be the path of a file or a folder",
        "string_type": "must be a text",
    }.get(fault, "")


def _bounds(field: str) -> str:
    """As words: ` from 0 to 65535`, ` above 0`."""
    limits: dict[str, Any] = {}
    for one in Settings.model_fields[field].metadata:
        limits |= {name: getattr(one, name) for name in ("ge", "gt", "le", "lt") if hasattr(one, name)}
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    if low is None:
        return ""
    if "gt" in limits:
        return f" above {low}" + ("" if high is None else f" and below {high}")
    return f" from {low} to {high}" if high is not None else f", at least {low}"


def _shown(field: str, value: Any) -> str:
    """The value, without a secret, and without the password of an address."""
    if is_secret(field):
        return "***"
    text = ", ".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)
    before, at, host = text.rpartition("@")
    return f"{before.partition('//')[0]}//***@{host}" if at and "//" in before else text


def _meant(name: str, shown: Callable[[str], str] = str) -> str:
    near = get_close_matches(name, Settings.model_fields, n=1, cutoff=_ALMOST)
    return f"; did you mean {shown(near[0])}?" if near else ""
