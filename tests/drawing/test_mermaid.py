"""The text that pages draw by themselves."""

from pathlib import Path

from voicepipe.drawing import mermaid, trace
from voicepipe.loader import load_pipeline

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_it_names_the_stages_in_the_order_of_the_pipeline() -> None:
    """And what is inside of them, as subgraphs that are closed again."""
    text = mermaid(trace(load_pipeline()))
    places = [
        text.index(name)
        for name in ("decode", "fill_gaps", '"listen', "endpoint", "detect_turns", '"respond', "encode")
    ]
    assert text.startswith("flowchart TD\n")
    assert places == sorted(places)
    lines = [line.strip() for line in text.splitlines()]
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end")
    assert 'n2["decode"]' in lines
    assert 'n1 -->|"AudioReceived, SettingsChanged"| n2' in lines


def test_an_arrows_types_are_said_once() -> None:
    """The branches of a fork carry the same."""
    text = mermaid(trace(load_pipeline(str(PIPELINES / "dictation.py"))))
    assert text.count("SpeechStarted") == 1


def test_boundaries_and_models_have_a_look_of_their_own() -> None:
    """By class."""
    text = mermaid(trace(load_pipeline(str(PIPELINES / "transcript.py"))))
    assert "holds 64, then DROP_OLDEST" in text
    assert " boundary\n" in text
    assert " model\n" in text
