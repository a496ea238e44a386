"""`voicepipe serve`: serve a pipeline with embedded models or services."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from voicepipe.cli.errors import CommandError
from voicepipe.cli.notes import note
from voicepipe.cli.options import Help, add_pipeline_argument, add_service_options, add_setting_option, settings_of

if TYPE_CHECKING:
    from voicepipe.settings import Settings

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Serve a pipeline: a Python function that takes a session and returns what the bot does. It is named by its file or its
module, with :function behind it where the function is not called `pipeline`. Without a name it is the default one, a
spoken conversation: decode → VAD/STT → turn detector → LLM → TTS → encode. Several share the server; a client names one
in the path, or as ?model=, and gets the first otherwise.

The pipeline is tried before the server listens, and only the models that it uses are loaded. Every setting is an
option, also those that are not listed here, such as --llm-max-tokens 300.
"""

EXAMPLES = """\
examples:
  voicepipe serve                              the default pipeline at http://127.0.0.1:8000
  voicepipe serve pipelines/echo.py            what you say comes back
  voicepipe serve my_bot.pipelines:support     the function `support` of a module that can be imported
  voicepipe serve my_bot.py --reload           as you write it: a changed file counts from the next conversation on
  voicepipe serve support.py sales.py          two, as /v1/realtime/support and /v1/realtime/sales
  voicepipe serve --host 0.0.0.0 --port 80     for the whole network
  voicepipe serve --port 0 --log-json 2>log    any free port, which is printed; the log is JSON, each line
  voicepipe serve --llm http://localhost:11434 hear and speak with the embedded models, think elsewhere
  voicepipe serve --llm model.gguf             any GGUF chat model, in this process
  voicepipe serve --engine ray://auto          what has no URL on the cluster that this machine has joined
  voicepipe serve --stt ws://localhost:8090 --tts ws://localhost:8089 --llm http://localhost:8091
                                               nothing embedded: Kyutai's servers, and any OpenAI-compatible one;
                                               a process for each core, and SIGHUP replaces them one by one

What has no URL runs in this process; it needs the packages of
  {install embedded}

Every option is also a variable (VOICEPIPE_LLM_URL, or KYUTAI_LLM_URL as Unmute has it) and a line of voicepipe.toml
(llm_url = "…"). `voicepipe check` says whether everything is there. Then, in a second terminal:
  voicepipe talk --sample
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """The arguments of `voicepipe serve`."""
    parser = subparsers.add_parser(
        "serve",
        help="serve a pipeline to clients",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=Help,
    )
    add_pipeline_argument(parser, several=True)
    add_setting_option(parser, "--host", metavar="ADDRESS", help="the address to listen at (default: 127.0.0.1)")
    add_setting_option(parser, "--port", metavar="N", help="0 for any free one (default: 8000)")
    add_setting_option(
        parser,
        "--max-sessions",
        metavar="N",
        help="conversations at once; others are told that the server is full (default: what this machine carries)",
    )
    add_setting_option(
        parser,
        "--workers",
        metavar="N",
        help="processes that share the port (default: one a core with --stt, --tts and --llm, else one)",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        help="new workers when a file beside a pipeline changes; conversations end with the old ones (Linux)",
    )
    add_service_options(parser)
    add_setting_option(parser, "--log-json", action="store_const", const=True, help="log lines as JSON objects")
    add_setting_option(parser, "--log-level", metavar="LEVEL", help="debug, info, warning or error (default: info)")
    add_setting_option(
        parser,
        "--engine",
        metavar="ray://ADDRESS",
        help="a cluster for what has no URL; ray://auto: the one joined",
    )
    parser.set_defaults(server_settings=True)


def run(args: argparse.Namespace) -> int:
    """Return 0 after a signal to stop. Raises CommandError if the server cannot start; with JSON logs, logs it."""
    settings = settings_of(args)
    from voicepipe.cli.logs import configure_logs

    configure_logs(settings.log_level, as_json=settings.log_json)
    try:
        return _run(args, settings)
    except CommandError as error:
        if not settings.log_json:
            raise
        note(str(error), as_json=True)
        return error.exit_code


def _run(args: argparse.Namespace, settings: Settings) -> int:
    from voicepipe.cli.serving import serve_pipelines
    from voicepipe.cli.workers import run_workers, workers_of

    workers = workers_of(settings)
    if workers > 1 or args.reload:
        return run_workers(args, settings, workers)
    return serve_pipelines(args.pipelines, settings)
