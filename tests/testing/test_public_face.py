"""The public face of voicepipe.testing."""

import doctest
from importlib import import_module

import pytest

import voicepipe.testing as testing


def test_everything_named_is_there():
    """Each name in `__all__` is imported on its first use."""
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    assert testing.__all__ == sorted(testing.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))


def test_nothing_else_is():
    """An unknown name is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        testing.nothing  # noqa: B018


@pytest.mark.parametrize("module", ["marbles.notation", "marbles.docstrings"])
def test_examples_are_true(module):
    """The docstrings' examples run."""
    failed, tried = doctest.testmod(import_module(f"voicepipe.testing.{module}"))
    assert tried
    assert not failed
