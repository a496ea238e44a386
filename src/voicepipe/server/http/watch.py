"""`/v1/pipeline` and `/v1/sessions/{id}/events`: the pipeline, and one session, seen from inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property

from aiohttp import hdrs, web

from voicepipe.drawing import Graph, Node, NodeKind, svg
from voicepipe.loader import PipelineError
from voicepipe.server.session.watch import SessionWatch
from voicepipe.session import Pipeline
from voicepipe.trial import graph_of

__all__ = ["WatchRoutes", "stages_of"]

_BATCH_S = 0.05
_NOT_OFFERED = "This server shows no sessions from inside; its operator can allow it (session_events)."
_SYNTHESIS = ("SynthesisStarted", "SynthesisEnded")  # a TTS need not declare that it gives these
# What stages transform inside: it never leaves a pipeline.
_INSIDE = {"Audio", "AudioReceived", "ReplyAudio", "SpeechProbability", "float", "str"}


class WatchRoutes:
    """The routes of one server. `allowed` False: each answers 501."""

    def __init__(self, pipeline: Pipeline, watch: SessionWatch, *, allowed: bool) -> None:
        self._pipeline, self._watch, self._allowed = pipeline, watch, allowed

    async def stages(self, _: web.Request) -> web.Response:
        """`[{"name": …, "events": […]}]`: the stages in their order, each with the events that come out of it first."""
        return web.json_response([{"name": name, "events": events} for name, events in stages_of(self._graph)])

    async def picture(self, _: web.Request) -> web.Response:
        """The pipeline as `voicepipe draw` draws it."""
        return web.Response(text=svg(self._graph, "the pipeline"), content_type="image/svg+xml")

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The events of a session from now to its end: a JSON object a line. 404 where there is no such session."""
        self._check()
        session_id = request.match_info["id"]
        if not self._watch.is_on(session_id):
            raise web.HTTPNotFound(text="There is no such session.")
        headers = {hdrs.CONTENT_TYPE: "application/x-ndjson", hdrs.CACHE_CONTROL: "no-store"}
        response = web.StreamResponse(headers=headers)
        with self._watch.watching(session_id) as feed:
            await response.prepare(request)
            while (lines := await feed.next(_BATCH_S)) is not None:
                await response.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())
        return response

    def _check(self) -> None:
        if not self._allowed:
            raise web.HTTPNotImplemented(text=_NOT_OFFERED)

    @property
    def _graph(self) -> Graph:
        self._check()
        try:
            return self._drawn
        except PipelineError as error:
            raise web.HTTPNotFound(text=str(error)) from error

    @cached_property
    def _drawn(self) -> Graph:
        return graph_of(self._pipeline)


def stages_of(graph: Graph) -> list[tuple[str, list[str]]]:
    """Return the stages of a pipeline in their order, each with the events that come out of it first."""
    told: set[str] = set(_INSIDE)
    stages: list[tuple[str, list[str]]] = []
    for node, is_part in _inside_out(graph):
        given = (*node.gives, *_SYNTHESIS) if "WordSpoken" in node.gives else node.gives
        events = [name for name in given if name not in told]
        told.update(events)
        if events or not is_part:
            stages.append((node.name, events))
    return stages


def _inside_out(graph: Graph, *, is_part: bool = False) -> Iterator[tuple[Node, bool]]:
    """Yield the stages of a graph, each behind those that it is made of."""
    for node in graph.nodes:
        if node.kind in (NodeKind.CLIENT, NodeKind.JOIN, NodeKind.INPUT):
            continue
        for part in node.parts:
            yield from _inside_out(part.graph, is_part=True)
        yield node, is_part
