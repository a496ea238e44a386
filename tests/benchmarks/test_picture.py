"""The picture and the table of `sessions`, drawn from figures."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from benchmarks.sides.picture import SCHEMES, UNMUTE, main, panels, table


def row(server: str, count: int, p95_ms: float = 10.0, **more: Any) -> dict[str, Any]:
    figures = {"cpu_ms": 14.0, "cores": 0.014 * count, "memory_mb": 80.0 + count, "p50_ms": 8.0, "p95_ms": p95_ms}
    counted = {"added_ms": [p95_ms], "turns": 1, "underruns": 0, "errors": 0, "in_real_time": p95_ms <= 200}
    return {"server": server, "count": count, **figures, **counted, **more}


ROWS = [
    row("voicepipe", 1),
    row("voicepipe", 16),
    row("do-nothing", 16, 4.0),
    row("pipecat", 16),
    row("pipecat", 48, 900),
]


def test_unmute_is_drawn_above_the_do_nothing_backend_of_this_run() -> None:
    """Its latency is known above that backend only; without it, it is not drawn."""
    latency = next(panel for panel in panels(ROWS) if "latency" in panel.title)
    assert latency.unmute == 4.0 + UNMUTE.above_nothing_p95_ms
    assert next(panel for panel in panels(ROWS[:2]) if "latency" in panel.title).unmute is None


def test_the_table_has_a_row_for_each_measurement_and_says_what_was_wrong() -> None:
    """Unmute's figures come last."""
    lines = table(ROWS, "2026-11-28, a machine").splitlines()
    assert lines[0] == "2026-11-28, a machine."
    assert len(lines) == 2 + 2 + len(ROWS) + 1
    assert lines[4] == "| voicepipe | 1 | 14.0 | 1 | 81 | 8 | 10 | yes |"
    assert lines[-2].endswith("| 900 | no: p95 above 200 ms |")
    assert lines[-1] == "| Unmute | 16 | 48 | 77 | 255 | 95 (+87) | 201 (+197) | yes, the most |"
    assert "| 255 | (+87) | (+197) |" in table(ROWS[:2], "")
    assert len({line.count("|") for line in lines[2:]}) == 1
    assert "no: 2 late, 1 errors" in table([row("voicepipe", 8, underruns=2, errors=1, in_real_time=False)], "")


def test_both_pictures_and_the_table_are_written(tmp_path: Path) -> None:
    """Out of a file with the reports of several benchmarks."""
    (tmp_path / "pictures").mkdir()
    notes = ["voicepipe: 16 in real time", "other programs kept 1.2 cores busy"]
    report = {"name": "sessions", "date": "2026-11-28", "machine": "2 × a processor", "raw": ROWS, "notes": notes}
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps([{"name": "graph"}, report]))
    assert main([str(figures), str(tmp_path)]) == 0
    for name, scheme in SCHEMES.items():
        text = (tmp_path / "pictures" / f"sessions-{name}.svg").read_text()
        said = {"".join(one.itertext()).strip() for one in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")}
        assert {"voicepipe", "Unmute", "Resident memory, MB", "77 %"} <= said
        assert all(colour in text for colour in scheme.servers.values())
    assert (tmp_path / "_sessions.md").read_text() == table(
        ROWS, "2026-11-28, 2 × a processor; other programs kept 1.2 cores busy"
    )


def test_figures_of_another_benchmark_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the file."""
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"name": "graph"}))
    with pytest.raises(SystemExit):
        main([str(figures), str(tmp_path)])
    assert f"{figures} has no figures of the benchmark `sessions`" in capsys.readouterr().err
