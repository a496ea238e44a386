"""Options that commands share: which services there are, and the file in which settings stand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError

if TYPE_CHECKING:
    from voicepipe.settings import Settings

__all__ = ["add_service_options", "settings_of"]

_SHARED = ("stt", "tts", "llm", "llm_model")


def add_service_options(parser: argparse.ArgumentParser) -> None:
    """`--stt`, `--tts`, `--llm`, `--llm-model` and `--config`."""
    group = parser.add_argument_group("services (what has no URL runs on the embedded model)")
    group.add_argument("--stt", metavar="URL", help="speech to text: Kyutai's moshi-server, ws://localhost:8090")
    group.add_argument("--tts", metavar="URL", help="text to speech: Kyutai's moshi-server, ws://localhost:8089")
    group.add_argument(
        "--llm",
        metavar="URL|FILE.gguf",
        help="language model: any OpenAI-compatible service, http://localhost:11434, or a GGUF file, in this process",
    )
    group.add_argument("--llm-model", metavar="NAME", help="which of its models (default: the only one it has)")
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="settings in TOML (default: voicepipe.toml, where there is one)"
    )


def settings_of(args: argparse.Namespace, *more: str) -> Settings:
    """The settings that hold, the shared options and those `more` of the command included. CommandError."""
    from voicepipe.settings import SettingsError, load_settings

    flags = {f"--{name.replace('_', '-')}": getattr(args, name) for name in (*_SHARED, *more)}
    try:
        return load_settings(flags, file=args.config)
    except SettingsError as error:
        raise CommandError(str(error)) from error
