"""Options that commands share: the pipeline, the services, the file of settings, and a flag for each setting."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicepipe.cli.errors import CommandError
from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program

if TYPE_CHECKING:
    from voicepipe.session import Pipeline
    from voicepipe.settings import Settings

__all__ = [
    "Help",
    "add_pipeline_argument",
    "add_service_options",
    "add_setting_flags",
    "add_setting_option",
    "given_flags",
    "pipeline_of",
    "pipelines_of",
    "serve_command",
    "settings_of",
]

_COMMAND = re.compile(r"(^  (?:\w+=\S+ )?|`)voicepipe (?=\w)", re.MULTILINE)
_INSTALL = re.compile(r"\{install (\w+)\}")

# Begins the name under which `argparse` keeps the value of a setting's flag; the flag follows.
_SETTING = "setting "


def add_pipeline_argument(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """PIPELINE: a file or a module, or where `several` are taken any number of them."""
    what = "a Python file, or an importable module, with :function behind it if the function is not called `pipeline`"
    if several:
        default = "default: the setting `pipelines`, or a spoken conversation"
        parser.add_argument(
            "pipelines", nargs="*", metavar="PIPELINE", help=f"{what}; several share the server ({default})"
        )
    else:
        parser.add_argument("pipeline", nargs="?", metavar="PIPELINE", help=f"{what} (default: a spoken conversation)")


def pipeline_of(ref: str | None) -> Pipeline:
    """Return the pipeline that the command line names; None: the default one. Raises CommandError."""
    from voicepipe.loader import PipelineError, load_pipeline

    try:
        return load_pipeline(ref)
    except PipelineError as error:
        raise CommandError(str(error)) from error


def pipelines_of(refs: Sequence[str], settings: Settings) -> dict[str, Pipeline]:
    """Return by name the pipelines of the command line, of the settings, or the default one. Raises CommandError."""
    from voicepipe.loader import name_of

    if not refs:
        return {name: pipeline_of(ref) for name, ref in settings.pipelines.items()} or {"default": pipeline_of(None)}
    named: dict[str, str] = {}
    for ref in refs:
        if (name := name_of(ref)) in named:
            raise CommandError(
                f"{named[name]} and {ref} are both called {name!r}; name them in the settings, "
                'as in pipelines = {sales = "a/bot.py", support = "b/bot.py"}'
            )
        named[name] = ref
    return {name: pipeline_of(ref) for name, ref in named.items()}


class Help(argparse.RawDescriptionHelpFormatter):
    """Print texts with commands that work as printed: the path of the running program where a text says `voicepipe`,
    and the command that installs an extra where it says `{install mic}`.

    The installation's record is read when a help text is printed, and not each time that a parser is made.
    """

    def add_text(self, text: str | None) -> None:
        super().add_text(text and _INSTALL.sub(lambda found: install_command(found[1]), _runnable(text)))


def _runnable(text: str) -> str:
    program = this_program()
    margin = " " * (len(program) - len("voicepipe"))
    named = _COMMAND.sub(lambda found: f"{found[1]}{program} ", text)
    return re.sub(r"^ {20,}", rf"\g<0>{margin}", named, flags=re.MULTILINE)  # the columns beside the commands


def add_service_options(parser: argparse.ArgumentParser) -> None:
    """Add `--stt`, `--tts`, `--llm`, `--llm-model`, `--voice-cloning` and `--config`."""
    group = parser.add_argument_group("services (what has no URL runs on the embedded model)")
    of_openai = "or an OpenAI-compatible service, openai:http://localhost:8000"
    _add(group, "--stt", metavar="URL", help=f"speech to text: Kyutai's moshi-server, ws://localhost:8090, {of_openai}")
    _add(group, "--tts", metavar="URL", help=f"text to speech: Kyutai's moshi-server, ws://localhost:8089, {of_openai}")
    _add(
        group,
        "--llm",
        metavar="URL|FILE.gguf",
        help="language model: any OpenAI-compatible service, http://localhost:11434, or a GGUF file, in this process",
    )
    _add(group, "--llm-model", metavar="NAME", help="which of its models (default: the only one it has)")
    _add(group, "--voice-cloning", metavar="URL", help="cloning of voices: a server of Kyutai's (default: none)")
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="settings in TOML (default: voicepipe.toml, where there is one)"
    )


def add_setting_option(parser: argparse.ArgumentParser, flag: str, **options: Any) -> None:
    """Add a flag that sets the setting of its name."""
    _add(parser, flag, **options)


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting that the parser has none for. `--help` does not list them: it would take ten pages.

    This imports the settings. A secret's flag only says where to set the secret: other users of the machine can read a
    command line.
    """
    from voicepipe.settings import flags_of, is_secret, names_of_settings

    known = parser._option_string_actions  # pyright: ignore[reportPrivateUsage] — argparse has no other list
    for field in names_of_settings(server=parser.get_default("server_settings")):
        for flag in flags_of(field):
            if flag not in known:
                action = _Secret if is_secret(field) else None
                options: dict[str, Any] = {} if action is None else {"action": action}
                _add(parser, flag, metavar="VALUE", help=argparse.SUPPRESS, **options)


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings, with those of the command line. Raises CommandError."""
    from voicepipe.settings import SettingsError, load_settings

    try:
        return load_settings(given_flags(args), file=args.config)
    except SettingsError as error:
        raise CommandError(str(error)) from error


def serve_command(args: argparse.Namespace) -> str:
    """Return the command that serves the pipeline of these arguments, with the same settings."""
    options = {**given_flags(args), "--config": args.config}
    words = [word for flag, value in options.items() if value is not None for word in (flag, str(value))]
    return " ".join([this_program(), shlex.join(["serve", *args.pipelines, *words])])


def given_flags(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the command line by their flags; None for one that was not given."""
    return {name.removeprefix(_SETTING): value for name, value in vars(args).items() if name.startswith(_SETTING)}


class _Secret(argparse.Action):
    """Refuse a secret, without repeating it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from voicepipe.settings import field_of, variable_of

        flag = self.option_strings[0]
        variable = variable_of(field_of(flag))
        parser.error(f"{flag}: set {variable} in the environment, since other users can read a command line")


def _add(to: argparse._ActionsContainer, flag: str, **options: Any) -> None:  # pyright: ignore[reportPrivateUsage]
    to.add_argument(flag, dest=f"{_SETTING}{flag}", **options)
