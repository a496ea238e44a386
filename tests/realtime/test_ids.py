"""Ids: their shape, and that they differ."""

from __future__ import annotations

import re

from voicepipe.realtime import new_id


def test_an_id_looks_like_one_of_openai():
    """The kind, and 21 letters and digits."""
    assert re.fullmatch(r"event_[A-Za-z0-9]{21}", new_id("event"))


def test_no_two_are_alike():
    """A thousand of them."""
    assert len({new_id("sess") for _ in range(1000)}) == 1000
