"""Which module may import which: arrows point one way, and there are no circles.

Only what is imported when a module is imported counts, and what a function imports when it runs; not what a type
checker reads.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import voicepipe

ROOT = Path(voicepipe.__file__).parent

LAYERS = [
    {"__main__"},
    {"cli"},
    {"settings"},
    {"trial"},
    {"client", "drawing", "server"},
    {"engine", "health", "ingress", "loading", "metering", "news", "outbox", "turn_metrics"},
    {"session"},
    {"latency", "llm", "metrics", "realtime", "stt", "tts", "vad"},
    {"cloning", "series"},
    {"services"},
    {"async_boundary", "boundary", "characters", "donation", "operators", "redis_voices", "voices", "workers"},
    {"audio", "backlog", "recent", "toolbox", "yaml_file"},
    {"rx"},
    {"conversation", "stage"},
    {"messages"},
    {"events"},
]
"""From the top to the bottom; those of one set do not import each other, but for what `SIDEWAYS` allows."""

SIDEWAYS = {
    ("async_boundary", "boundary"),
    ("boundary", "workers"),
    ("redis_voices", "voices"),
}

ANYWHERE = {"_clash", "_installation", "lazy", "logs", "models", "program"}
"""Tools that stand beside the layers."""

TESTING = {"cli", "testing"}
"""Who may import `testing`: what runs for users does not stand on what is made for tests."""


def module_of(path: Path) -> str:
    return ".".join(["voicepipe", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """The modules of voicepipe that a file imports, by full name."""
    yield from _imports(ast.parse(path.read_text("utf-8")).body)


def _imports(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imports(node.orelse)
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] == "voicepipe")
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "voicepipe":
                for alias in names:
                    inner = ROOT.joinpath(*module.split(".")[1:], alias.name)
                    is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                    yield f"{module}.{alias.name}" if is_module else module
            case _:
                for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                    inside = getattr(node, field, [])
                    yield from _imports(inside if isinstance(inside, list) else [])


FILES = {module_of(path): path for path in ROOT.rglob("*.py")}
GRAPH = {name: set(imports(path)) - {name} for name, path in FILES.items()}


def part_of(module: str) -> str:
    return (module + ".").split(".")[1]


def layer_of(part: str) -> int | None:
    return next((number for number, layer in enumerate(LAYERS) if part in layer), None)


@pytest.mark.parametrize("module", sorted(FILES))
def test_nobody_imports_upward(module: str) -> None:
    """Nor sideways, but where it is allowed."""
    part = part_of(module)
    for imported in sorted(GRAPH[module]):
        other = part_of(imported)
        mine, theirs = layer_of(part), layer_of(other)
        if other in (part, "") or mine is None or theirs is None or (part, other) in SIDEWAYS:
            continue
        assert mine < theirs, f"{module} imports {imported}, which is not below it"


def test_there_are_no_circles() -> None:
    """Neither between modules, nor, what is worse to read, between packages."""
    assert _circles(GRAPH) == []


def _circles(graph: dict[str, set[str]]) -> list[list[str]]:
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


def test_nobody_stands_on_what_is_made_for_tests() -> None:
    """`testing` may import whatever it helps to test."""
    using = {
        part_of(module) for module, imported in GRAPH.items() if any(part_of(one) == "testing" for one in imported)
    }
    assert using <= TESTING


def test_every_part_has_a_place() -> None:
    """A new module says in `LAYERS` where it stands."""
    parts = {part_of(module) for module in FILES} - {"", "pipelines"}  # which lie in the package that is installed
    assert {part for part in parts if layer_of(part) is None} == ANYWHERE | {"testing"}
