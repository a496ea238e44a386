"""Whole conversations in virtual time, on the pipelines that they are for."""

from pathlib import Path

import pytest
from conversations import CONCIERGE, DEFAULT

from voicepipe.testing import Scenario, run

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.mark.parametrize("conversation", DEFAULT, ids=lambda one: one.title)
def test_on_the_default_pipeline(conversation: Scenario) -> None:
    """It goes as the scenario says, and no invariant breaks."""
    run(conversation)


@pytest.mark.parametrize("conversation", CONCIERGE, ids=lambda one: one.title)
def test_on_the_concierge(conversation: Scenario) -> None:
    """It goes as the scenario says, and no invariant breaks."""
    run(conversation, str(PIPELINES / "concierge.py"))
