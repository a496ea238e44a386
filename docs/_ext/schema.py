"""The protocol as documents: a JSON Schema of every event of every dialect, and an AsyncAPI document of the channel.

``python docs/_ext/schema.py docs/reference`` writes both there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "helpers"))

from server_events import BETA_SERVER_EVENTS, GA_SERVER_EVENTS, UNMUTE_SERVER_EVENTS

from voicepipe.realtime.beta.dialect import BETA_EVENTS
from voicepipe.realtime.ga.client_events import GA_EVENTS
from voicepipe.realtime.unmute.client_events import UNMUTE_EVENTS

__all__ = ["asyncapi", "json_schema", "main"]

Side: TypeAlias = Literal["client", "server"]

_EVENTS: dict[tuple[str, Side], TypeAdapter[Any]] = {
    ("ga", "client"): GA_EVENTS,
    ("ga", "server"): GA_SERVER_EVENTS,
    ("beta", "client"): BETA_EVENTS,
    ("beta", "server"): BETA_SERVER_EVENTS,
    ("unmute", "client"): UNMUTE_EVENTS,
    ("unmute", "server"): UNMUTE_SERVER_EVENTS,
}
_DIALECTS = {
    "ga": "The GA form of OpenAI's Realtime API: unless something says otherwise.",
    "beta": "Its beta form: with the header `OpenAI-Beta: realtime=v1`, or the subprotocol `openai-beta.realtime-v1`.",
    "unmute": "That of Unmute's frontend: when the first `session.update` has `allow_recording`.",
}


def json_schema() -> dict[str, Any]:
    """Under `$defs`, for each dialect and side, `ga_client`…: any of its events, told apart by `type`."""
    defs: dict[str, Any] = {}
    for (dialect, side), events in _EVENTS.items():
        schema = events.json_schema(ref_template=f"#/$defs/{dialect}_{side}.{{model}}")
        parts: dict[str, Any] = schema.pop("$defs", {})
        defs |= {f"{dialect}_{side}.{name}": part for name, part in parts.items()}
        defs[f"{dialect}_{side}"] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of /v1/realtime",
        "description": "Every message that a client or the server may send, as JSON in a text frame of the WebSocket.",
        "anyOf": [{"$ref": f"#/$defs/{dialect}_{side}"} for dialect, side in _EVENTS],
        "$defs": dict(sorted(defs.items())),
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3: one channel, and for each dialect what the server receives and sends."""
    schemas = json.loads(json.dumps(json_schema()["$defs"]).replace("#/$defs/", "#/components/schemas/"))
    messages = dict(_messages(schemas))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "voicepipe", "version": "1", "description": "A voice conversation over one WebSocket."},
        "defaultContentType": "application/json",
        "channels": {
            "realtime": {
                "address": "/v1/realtime",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {f"{dialect}_{side}": _operation(dialect, side, messages) for dialect, side in _EVENTS},
        "components": {"messages": messages, "schemas": schemas},
    }


def _messages(schemas: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """`ga_server.response.done`…, each with the schema that its type is mapped to."""
    for dialect, side in _EVENTS:
        mapping: dict[str, str] = schemas[f"{dialect}_{side}"]["discriminator"]["mapping"]
        for kind, reference in mapping.items():
            yield f"{dialect}_{side}.{kind}", {"name": kind, "payload": {"$ref": reference}}


def _operation(dialect: str, side: Side, messages: dict[str, Any]) -> dict[str, Any]:
    sent = [name for name in messages if name.startswith(f"{dialect}_{side}.")]
    return {
        "action": "receive" if side == "client" else "send",
        "summary": _DIALECTS[dialect],
        "channel": {"$ref": "#/channels/realtime"},
        "messages": [{"$ref": f"#/channels/realtime/messages/{name}"} for name in sent],
    }


def main(folder: str) -> None:
    """Write `realtime.schema.json` and `realtime.asyncapi.json` into a folder."""
    for name, document in (("realtime.schema.json", json_schema()), ("realtime.asyncapi.json", asyncapi())):
        Path(folder, name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["docs/reference"])
