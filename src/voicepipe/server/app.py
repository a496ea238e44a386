"""The aiohttp application: the conversation, what it needs around it, and a page that says what this is."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, web

from voicepipe.characters.news import Headlines, Source
from voicepipe.characters.prompts import Characters, Facts
from voicepipe.engine import Engine
from voicepipe.engine.health_checks import ServiceKind
from voicepipe.engine.http import Http
from voicepipe.engine.settings import OPENAI, names_gguf
from voicepipe.metrics.registry import Metrics
from voicepipe.realtime.ga.dialect import MODEL
from voicepipe.server.admission import Sessions
from voicepipe.server.availability import Health
from voicepipe.server.cluster import Cluster
from voicepipe.server.http.auth import AccessControl
from voicepipe.server.http.characters import CharacterRoutes
from voicepipe.server.http.client_secrets import ClientSecretRoutes
from voicepipe.server.http.consents import Consents
from voicepipe.server.http.donation import DonationRoutes
from voicepipe.server.http.health import HealthRoutes, count_health
from voicepipe.server.http.middleware import Handler, anonymous, cors, errors_as_json, expecting, preflight, timed
from voicepipe.server.http.page import Page
from voicepipe.server.http.voices import VoiceRoutes
from voicepipe.server.http.watch import WatchRoutes
from voicepipe.server.pipelines import OneOrMore, Pipelines
from voicepipe.server.session.recording import RecordingsPruner
from voicepipe.server.settings import ServerSettings
from voicepipe.server.webrtc.calls import Calls
from voicepipe.services.address import Address
from voicepipe.voices.catalog import Synthesiser, offered_voices
from voicepipe.voices.cloning import Cloning
from voicepipe.voices.store import MemoryVoices, VoiceStore

__all__ = ["Lifespan", "attached", "load_characters", "make_app", "voice_store"]

_KEEP_ALIVE_S = 30
_RESOLVE_EVERY_S = 10


Lifespan: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]
"""Makes what all sessions of a server share: entered before the first session, left after the last."""


def make_app(
    pipelines: OneOrMore,
    engine: Engine,
    settings: ServerSettings,
    *,
    metrics: Metrics | None = None,
    voices: VoiceStore | None = None,
    lifespans: Iterable[Lifespan] = (),
    cluster: Cluster | None = None,
) -> web.Application:
    """Serve `pipelines` on `engine`: `/v1/realtime`, what is around it, and `/`.

    When the application shuts down, sessions are told (1001) and awaited. `create_app` makes the engine, too.

    Args:
        pipelines: A pipeline, or pipelines by name; the first is the default.
        engine: It stays open.
        settings: Those of the server.
        metrics: Given where the engine uses them, too, and counts what its services do.
        voices: Given where the engine's synthesiser looks cloned voices up in them; they stay open.
        lifespans: Entered when the application starts, left when its sessions have ended.
        cluster: The processes that serve the port together; None: this one is alone.

    Raises:
        YamlError: The file of characters or of voices is broken.
        ValueError: There is no pipeline, or a name cannot be a part of a path.
    """
    metrics = metrics or Metrics(engine.kinds)
    app = web.Application(middlewares=[timed(metrics.server.http), preflight, errors_as_json])
    app.on_response_prepare.extend([cors(settings.cors_origins), anonymous])
    app.router.add_routes(attached(app, pipelines, engine, settings, metrics=metrics, voices=voices, cluster=cluster))
    app.cleanup_ctx.extend(_entered(lifespan) for lifespan in lifespans)
    return app


def attached(
    app: web.Application,
    pipelines: OneOrMore,
    engine: Engine,
    settings: ServerSettings,
    *,
    metrics: Metrics,
    voices: VoiceStore | None,
    cluster: Cluster | None = None,
) -> list[web.RouteDef]:
    """Return the routes of a server that starts and stops with `app`; as `make_app` otherwise."""
    store = voice_store(settings) if voices is None else voices
    around = _Around.make(engine, settings, metrics, store)
    access = AccessControl(settings)
    sessions = Sessions(
        Pipelines.of(pipelines),
        engine,
        settings,
        health=around.health,
        metrics=around.metrics,
        characters=around.characters,
        headlines=around.headlines,
        access=access,
        cluster=cluster or Cluster(),
    )
    calls, recordings = Calls(sessions, settings), RecordingsPruner(settings)
    consents = sessions.cluster.consents(settings)
    sessions.cluster.attach(app, access)
    for odd in (BadContentDispositionHeader, BadContentDispositionParam):
        warnings.simplefilter("ignore", odd)  # Python keeps each text that it has warned of, and these are the clients'

    async def start(_: web.Application) -> None:
        around.headlines.start()
        recordings.start()

    async def stop(_: web.Application) -> None:
        await calls.stop()
        await sessions.stop()

    async def close(_: web.Application) -> None:
        await sessions.close()
        await recordings.stop()
        await consents.close()
        await around.close()
        if voices is None:
            await around.voices.close()

    app.on_startup.append(start)
    app.on_shutdown.append(stop)
    app.on_cleanup.append(close)
    return _routes(sessions, calls, around, settings, access, consents)


def _entered(lifespan: Lifespan) -> Callable[[web.Application], AsyncIterator[None]]:
    async def enter(_: web.Application) -> AsyncIterator[None]:
        async with lifespan():
            yield

    return enter


def load_characters(settings: ServerSettings) -> Characters:
    """The characters, as long as the language model can bear: a service reads a page, a model in this process does not.

    Raises YamlError.
    """
    place = settings.llm_url
    long = place is not None and not names_gguf(place) if settings.long_prompts is None else settings.long_prompts
    tiny = place is None and settings.long_prompts is None
    model = Path(place).stem if place is not None and names_gguf(place) else settings.llm_model or ""
    facts = Facts(model, english_only=settings.tts_url is None)
    return Characters.load(settings.characters_file, long=long, tiny=tiny, facts=facts)


def voice_store(settings: ServerSettings) -> VoiceStore:
    """Return the store of cloned voices: Redis where there is one, else this process. Must be closed."""
    if settings.redis_url is None:
        return MemoryVoices(kept_s=settings.voice_kept_s, most=settings.voices_kept, clock=_clock)
    from voicepipe.voices.redis import RedisVoices

    return RedisVoices(settings.redis_url, kept_s=settings.voice_kept_s, timeout_s=settings.redis_timeout_s)


def _clock() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class _Around:
    """The objects that all sessions of a server share beside the engine."""

    metrics: Metrics
    health: Health
    characters: Characters
    headlines: Headlines
    voices: VoiceStore
    http: Http
    kinds: Collection[ServiceKind]
    """The kinds of service that the pipeline uses."""

    @classmethod
    def make(cls, engine: Engine, settings: ServerSettings, metrics: Metrics, voices: VoiceStore) -> _Around:
        health = Health(
            engine.health,
            timeout_s=settings.health_limit_s,
            fresh_s=settings.health_every_s,
            clock=_clock,
            keys=[f"{kind}_up" for kind in engine.kinds],
            on_answer=lambda up: count_health(metrics, up),
        )
        http = Http(keep_alive_s=_KEEP_ALIVE_S, resolve_every_s=_RESOLVE_EVERY_S)
        characters = load_characters(settings)
        headlines = Headlines(
            _news_source(settings),
            characters,
            http.session,
            every_s=settings.news_every_s,
            retry_s=settings.news_retry_s,
        )
        return cls(metrics, health, characters, headlines, voices, http, engine.kinds)

    async def close(self) -> None:
        await self.health.close()
        await self.headlines.close()
        await self.http.close()


def _news_source(settings: ServerSettings) -> Source | None:
    if settings.newsapi_api_key is None:
        return None
    return Source(
        url=settings.news_url,
        key=settings.newsapi_api_key.get_secret_value(),
        query=settings.news_query,
        most=settings.news_headlines,
        timeout_s=settings.news_timeout_s,
    )


def _cloning(settings: ServerSettings) -> Cloning | None:
    if settings.voice_cloning_url is None:
        return None
    return Cloning(
        address=Address.parse(settings.voice_cloning_url),
        timeout_s=settings.voice_cloning_s,
        max_bytes=settings.voice_embedding_max_bytes,
    )


def _models(pipelines: Pipelines) -> Handler:
    """Return the handler that lists the pipelines as OpenAI lists models, the default first. Any name is accepted,
    too; a single pipeline has the name that a session without one repeats.
    """
    names = [name or MODEL for name in pipelines.by_name]
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "voicepipe"} for name in names]

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": data})

    return models


def _synthesiser(settings: ServerSettings) -> Synthesiser:
    if settings.tts_url is None:
        return "embedded"
    return "openai" if settings.tts_url.startswith(OPENAI) else "kyutai"


def _routes(
    sessions: Sessions,
    calls: Calls,
    around: _Around,
    settings: ServerSettings,
    access: AccessControl,
    consents: Consents,
) -> list[web.RouteDef]:
    health = HealthRoutes(
        around.health, sessions, around.metrics, retry_after_s=settings.retry_after_s, cluster=sessions.cluster
    )
    offered = offered_voices(settings.voices_file, _synthesiser(settings)) if "tts" in around.kinds else []
    voices = VoiceRoutes(
        around.characters.with_voices(offered),
        cloning=_cloning(settings),
        store=around.voices,
        http=around.http.session,
        max_bytes=settings.voice_max_bytes,
        retry_after_s=settings.retry_after_s,
        metrics=around.metrics,
    )
    donations = DonationRoutes(
        settings.donations_dir,
        consents,
        min_bytes=settings.donation_min_bytes,
        max_bytes=settings.donation_max_bytes,
        retry_after_s=settings.retry_after_s,
        metrics=around.metrics,
    )
    page = Page(settings, around.characters, around.kinds)
    characters = CharacterRoutes(around.characters, around.kinds)
    secrets = ClientSecretRoutes(access.secrets, sessions.dialects.checked, access.number, sessions.cluster.publish)
    watch = WatchRoutes(sessions.pipelines, sessions.watch, allowed=settings.session_events)
    get, post = (partial(add, expect_handler=expecting) for add in (web.get, web.post))
    return [
        get("/", page.index),
        get("/page/{name}", page.file),
        *(get(path, sessions.serve) for path in ("/v1/realtime", "/openai/v1/realtime", "/openai/realtime")),
        get("/v1/realtime/{pipeline}", sessions.serve),
        post("/v1/realtime/client_secrets", access.guarding(secrets.create)),
        post("/v1/realtime/calls", calls.create),
        post("/v1/realtime/calls/{id}/hangup", calls.hang_up),
        get("/v1/models", access.guarding(_models(sessions.pipelines))),
        get("/v1/health", health.health),
        get("/v1/health/live", health.live),
        get("/v1/health/ready", health.ready),
        get("/metrics", health.metrics),
        get("/v1/characters", access.guarding(characters.list)),
        get("/v1/pipeline", access.guarding(watch.stages)),
        get("/v1/pipeline.svg", access.guarding(watch.picture)),
        get("/v1/sessions/{id}/events", access.guarding(watch.events)),
        get("/v1/voices", access.guarding(voices.list)),
        post("/v1/voices", access.guarding(voices.clone)),
        get("/v1/voice-donation", access.guarding(donations.ask)),
        post("/v1/voice-donation", access.guarding(donations.give)),
    ]
