"""voicepipe inside an aiohttp application of one's own: `create_app` and `add_routes`."""

from __future__ import annotations

from aiohttp import web

from voicepipe.engine import Engine
from voicepipe.metrics.registry import Metrics
from voicepipe.server.app import attached, make_app, voice_store
from voicepipe.server.http.middleware import Handler, cors, errors_as_json
from voicepipe.server.pipelines import OneOrMore, Pipelines
from voicepipe.server.settings import AppSettings
from voicepipe.session import StageName
from voicepipe.trial import stages_used
from voicepipe.voices.store import VoiceStore

__all__ = ["add_routes", "create_app"]


def create_app(
    pipelines: OneOrMore, settings: AppSettings | None = None, *, engine: Engine | None = None
) -> web.Application:
    """Make the application that `voicepipe serve` runs, to be run by `aiohttp.web.run_app`, or mounted with
    `add_subapp`.

    What sessions share (a database pool, an HTTP client) is opened and closed by `app.cleanup_ctx`: it is there before
    the first session, and until the last has ended. When the application stops, a reply that is being spoken may end
    within `shutdown_grace_s`, clients are told (close code 1001), and every session is awaited.

    Args:
        pipelines: A pipeline, or pipelines by name; the first is the default. A client names one in the path,
            `/v1/realtime/NAME`, or as `?model=NAME`.
        settings: Those of the server and of the engine; None: the defaults. `load_settings()` of `voicepipe.settings`
            reads `voicepipe.toml` and the environment.
        engine: Models and services; it stays open at the end. None: one is made of the settings, which takes about 2 s
            for the embedded models, and is closed with the application.

    Raises:
        ValueError: There is no pipeline, or a name cannot be a part of a path.
        ModelError: A model is not here.
        ImportError: A package is not installed.
        YamlError: The file of characters or of voices is broken.
    """
    chosen = settings or AppSettings()
    parts = _Parts(pipelines, chosen, engine)
    app = make_app(pipelines, parts.engine, chosen, metrics=parts.metrics, voices=parts.voices)
    app.on_cleanup.append(parts.close)
    return app


def add_routes(
    app: web.Application,
    pipelines: OneOrMore,
    settings: AppSettings | None = None,
    *,
    prefix: str = "",
    engine: Engine | None = None,
) -> None:
    """Add voicepipe's routes to an application beside its own: `/v1/realtime`, `/v1/health`, `/v1/voices`, and what
    else is below `/v1`.

    Keys, origins, errors and the end are those of `create_app`, on these routes alone; middlewares of `app` see their
    requests, too. The page at `/` and `/metrics` are left to `app`.

    Args:
        app: The application, before it is started.
        pipelines: As for `create_app`.
        settings: As for `create_app`.
        prefix: What stands before `/v1` in each path, such as "/voice".
        engine: As for `create_app`.

    Raises:
        ValueError: As for `create_app`, or the prefix does not begin with a slash, or ends with one.
        ModelError: A model is not here.
        ImportError: A package is not installed.
        YamlError: The file of characters or of voices is broken.
    """
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        raise ValueError(f"{prefix!r} cannot stand before a path: write it as in '/voice'")
    chosen = settings or AppSettings()
    parts = _Parts(pipelines, chosen, engine)
    routes = attached(app, pipelines, parts.engine, chosen, metrics=parts.metrics, voices=parts.voices)
    app.on_cleanup.append(parts.close)
    ours = [_moved(route, prefix) for route in routes if route.path not in _OWN]
    paths = dict.fromkeys(route.path for route in ours)
    added = app.router.add_routes([*ours, *(web.options(path, _allowed) for path in paths)])
    allow, resources = cors(chosen.cors_origins), {route.resource for route in added}

    async def tell(request: web.Request, response: web.StreamResponse) -> None:
        if request.match_info.route.resource in resources:
            await allow(request, response)

    app.on_response_prepare.append(tell)


# Of the application that voicepipe is added to.
_OWN = frozenset({"/", "/metrics"})


class _Parts:
    """Metrics, voices and engine of an application; those that were made here are closed with it."""

    def __init__(self, pipelines: OneOrMore, settings: AppSettings, engine: Engine | None) -> None:
        self.voices: VoiceStore = voice_store(settings)
        self._is_own = engine is None
        if engine is not None:
            self.engine, self.metrics = engine, Metrics(engine.kinds)
            return
        from voicepipe.engine.build import build_engine, used_kinds

        uses = frozenset[StageName]().union(*map(stages_used, Pipelines.of(pipelines).by_name.values()))
        self.metrics = Metrics(used_kinds(uses))
        self.engine = build_engine(
            settings,
            max_sessions=settings.max_sessions,
            uses=uses,
            observe=self.metrics.observer,
            models=self.metrics.process,
            voices=self.voices,
        )

    async def close(self, _: web.Application) -> None:
        if self._is_own:
            await self.engine.disconnect()
            self.engine.close()
        await self.voices.close()


def _moved(route: web.RouteDef, prefix: str) -> web.RouteDef:
    return web.RouteDef(route.method, f"{prefix}{route.path}", _with_errors(route.handler), route.kwargs)


def _with_errors(handler: Handler) -> Handler:
    async def handled(request: web.Request) -> web.StreamResponse:
        return await errors_as_json(request, handler)

    return handled


async def _allowed(_: web.Request) -> web.Response:
    """A browser's question whether it may ask."""
    return web.Response(status=204)
