"""The examples in the docstrings say what really happens."""

import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_with_examples() -> list[str]:
    """Return the modules with a `>>>` in them: no other module need be imported."""
    files = (path for path in sorted(SOURCE.rglob("*.py")) if ">>> " in path.read_text("utf-8"))
    names = (".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in files)
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_hold(name: str) -> None:
    """Each in a namespace of its module's own."""
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert tried, f"{name} has examples that doctest does not find"
    assert not failed
