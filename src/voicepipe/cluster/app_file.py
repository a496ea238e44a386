"""`app.yaml`: the stages of a cluster, with their replicas and what each needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from voicepipe._yaml import read_yaml

__all__ = ["AppFile", "StageOptions", "read_app_file"]

_FILES = ("tls_certificate", "tls_key")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a stage: small letters, digits, - and _")
    return text


class StageOptions(BaseModel):
    """One stage of a cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str = ""
    """What a replica serves: stt, tts, llm, the path of a GGUF file, or a class as `my_stages:MyVoice`. Empty: the
    stage of its name."""
    replicas: int = Field(default=1, ge=0)
    """The number of replicas; with `most_replicas` the smallest number."""
    most_replicas: int | None = Field(default=None, ge=1)
    """The largest number of replicas: more are started when three quarters of the places are taken. None: there are
    always `replicas`."""
    most_per_machine: int | None = Field(default=None, ge=1, le=100)
    """The largest number of replicas on one machine: fewer sessions are hit when one fails. An update of a stage that
    has replicas on all machines then ends an old one before it starts a new one. None: any number."""
    scale_down_after_s: float = Field(default=60, ge=0)
    """The time, in seconds, for which fewer replicas would have been enough before one is stopped. Its sessions finish
    first."""
    capacity: int = Field(default=4, ge=1)
    """The number of sessions of one replica at once; as many as a host serves on one core."""
    cpus: float = Field(default=1, ge=0)
    """The cores that a replica reserves on its machine."""
    gpus: float = Field(default=0, ge=0)
    """The GPUs that a replica reserves; a part of one lets several replicas share it."""
    drain_s: float = Field(default=300, ge=0)
    """The time, in seconds, that the sessions of a replica have to finish when it is replaced or stopped."""

    tls_certificate: str = ""
    """A certificate as a PEM file, at the same path on each machine: replicas serve `wss://` and `https://` with it. A
    gateway accepts this certificate alone, whatever names it has. Empty: no TLS."""
    tls_key: str = ""
    """The key of the certificate."""

    @model_validator(mode="after")
    def _both_files(self) -> StageOptions:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together: name both files")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> StageOptions:
        if self.most_replicas is not None and self.most_replicas < max(1, self.replicas):
            raise ValueError(f"most_replicas is {self.most_replicas}, and less than replicas, {self.replicas}")
        return self


class AppFile(BaseModel):
    """The stages of a cluster by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: dict[Annotated[str, AfterValidator(_name)], StageOptions] = Field(min_length=1)


def read_app_file(path: Path) -> AppFile:
    """Read a file. A stage that is a file is looked up beside it. Raises YamlError."""
    app = read_yaml(path, AppFile)
    named = {name: _placed(name, options, path.resolve().parent) for name, options in app.stages.items()}
    return AppFile(stages=named)


def _placed(name: str, options: StageOptions, folder: Path) -> StageOptions:
    """Return the options with what a replica on any machine can load: a file by its whole path."""
    stage = options.stage or name
    file, colon, rest = stage.partition(":")
    if file.endswith((".py", ".gguf")):
        stage = f"{folder / Path(file).expanduser()}{colon}{rest}"
    tls = {name: str(folder / Path(file).expanduser()) for name in _FILES if (file := getattr(options, name))}
    return options.model_copy(update={"stage": stage, **tls})
