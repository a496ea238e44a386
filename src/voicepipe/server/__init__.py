"""The server: aiohttp around pipelines and an engine."""

from voicepipe.server.app import make_app
from voicepipe.server.embed import add_routes, create_app
from voicepipe.server.run import run_server
from voicepipe.server.settings import AppSettings, ServerSettings

__all__ = ["AppSettings", "ServerSettings", "add_routes", "create_app", "make_app", "run_server"]
