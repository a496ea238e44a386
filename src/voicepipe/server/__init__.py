"""The server: aiohttp around a pipeline and an engine."""

from voicepipe.server.app import make_app
from voicepipe.server.run import run_server
from voicepipe.server.settings import ServerSettings

__all__ = ["ServerSettings", "make_app", "run_server"]
