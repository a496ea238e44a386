"""Which room may import which: arrows point one way, and there are no circles.

Every import counts: those of a module, those that a function makes when it runs, and those under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import voicepipe

ROOT = Path(voicepipe.__file__).parent

LAYERS = [
    {"__main__"},
    {"cli"},
    {"doctor"},
    {"load", "settings", "testing"},
    {"cluster"},
    {"client", "host", "server"},
    {"trial"},
    {"drawing", "engine", "loader", "metrics", "recording"},
    {"session"},
    {"llm", "realtime", "stt", "tts", "vad", "voices"},
    {"boundary", "characters", "operators", "services"},
    {"audio"},
    {"rx"},
    {"events", "stage"},
    {"conversation"},
    {"_cached", "_lazy", "_yaml", "presets", "weights"},
    {"installation", "text"},
]
"""From the top to the bottom; those of one set do not import each other."""

TESTING = {"cli", "testing"}
"""The rooms that may import `testing`: code that runs for users does not depend on code for tests."""


def module_of(path: Path) -> str:
    return ".".join(["voicepipe", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Yield the modules of voicepipe that a file imports, by full name."""
    for node in _statements(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] == "voicepipe")
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "voicepipe":
                for alias in names:
                    inner = ROOT.joinpath(*module.split(".")[1:], alias.name)
                    is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                    yield f"{module}.{alias.name}" if is_module else module
            case _:
                pass


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield statements at any depth, and no expression: those are nine of ten nodes, and an import is none."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.expr):
            yield node
            yield from _statements(node)


FILES = {module_of(path): path for path in ROOT.rglob("*.py") if "pipelines" not in path.relative_to(ROOT).parts}
GRAPH = {name: set(imports(path)) - {name} for name, path in FILES.items()}


def room_of(module: str) -> str:
    return (module + ".").split(".")[1]


def layer_of(room: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if room in layer)


ROOMS = {room: {room_of(other) for name in GRAPH if room_of(name) == room for other in GRAPH[name]} - {room, ""}
         for room in {room_of(name) for name in GRAPH} - {""}}  # fmt: skip
"""The imports between rooms. The package itself only hands names on."""


@pytest.mark.parametrize("module", sorted(FILES))
def test_a_module_imports_only_what_is_below_it(module: str) -> None:
    """A room imports no room of its own layer either."""
    room = room_of(module)
    for imported in sorted(GRAPH[module]):
        other = room_of(imported)
        if room and other and other != room:
            assert layer_of(room) < layer_of(other), f"{module} imports {imported}, which is not below it"


@pytest.mark.parametrize("graph", [GRAPH, ROOMS], ids=["modules", "rooms"])
def test_there_are_no_circles(graph: Mapping[str, set[str]]) -> None:
    """Neither between modules nor between rooms."""
    assert _circles(graph) == []


def _circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            found.append([*path[path.index(name) :], name])
        elif name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, [*path, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


def test_only_rooms_for_tests_import_testing() -> None:
    """`testing` may import whatever it helps to test."""
    assert {room for room, others in ROOMS.items() if "testing" in others} <= TESTING


def test_every_room_has_a_layer() -> None:
    """A new room says in `LAYERS` where it belongs."""
    assert {room for room in ROOMS if not any(room in layer for layer in LAYERS)} == set()
