"""The protocol as documents: they say what the types say, and the committed ones are up to date."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"


def writer() -> ModuleType:
    """The program that writes the documents; it lies with the documentation, not in the package."""
    spec = importlib.util.spec_from_file_location("voicepipe_schema_writer", DOCS / "_ext" / "schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_WRITER = writer()
asyncapi, json_schema, main = _WRITER.asyncapi, _WRITER.json_schema, _WRITER.main


def references(document: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "#(/[^"]+)"', json.dumps(document)))


def found(document: Any, pointer: str) -> Any:
    for key in pointer.strip("/").split("/"):
        document = document[key]
    return document


@pytest.mark.parametrize("written", [json_schema, asyncapi], ids=["schema", "asyncapi"])
def test_every_reference_leads_somewhere(written: Callable[[], Any]):
    """Within the document."""
    document = written()
    for pointer in references(document):
        assert found(document, pointer)


def test_every_event_is_told_apart_by_its_type():
    """In each dialect, on each side."""
    defs = json_schema()["$defs"]
    mapping = defs["ga_server"]["discriminator"]["mapping"]
    assert {"session.created", "response.output_audio.delta", "conversation.item.done", "error"} <= mapping.keys()
    assert "response.audio.delta" in defs["beta_server"]["discriminator"]["mapping"]
    assert "conversation.item.truncate" in defs["ga_client"]["discriminator"]["mapping"]
    assert "unmute.additional_outputs" in defs["unmute_server"]["discriminator"]["mapping"]


def test_asyncapi_has_an_operation_for_each_side():
    """Ours are what we send."""
    operations = asyncapi()["operations"]
    assert {name: one["action"] for name, one in operations.items() if name.startswith("ga")} == {
        "ga_client": "receive",
        "ga_server": "send",
    }


def test_the_committed_documents_are_up_to_date(tmp_path: Path):
    """python docs/_ext/schema.py docs/reference"""
    main(str(tmp_path))
    for made in tmp_path.iterdir():
        assert (REFERENCE / made.name).read_text("utf-8") == made.read_text("utf-8"), made.name
