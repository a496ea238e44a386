"""The figures of `benchmarks.sessions` for the documentation: a picture in two colour schemes, and a table.

    python -m benchmarks.sessions --json figures.json
    python -m benchmarks.sides.picture figures.json docs

writes docs/pictures/sessions-light.svg, docs/pictures/sessions-dark.svg and docs/_sessions.md. matplotlib draws; it is
in the group `dev`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.common.pipecat_environment import VERSION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row: TypeAlias = dict[str, Any]
"""A server with a number of conversations, as the report has it in `raw`."""

IN_REAL_TIME_MS = 200.0


@dataclass(frozen=True, slots=True)
class Unmute:
    """Measured figures of Unmute's backend: one process on one core, the same kinds of machine and services."""

    count: int = 16
    """The most in real time."""
    cpu_ms: float = 48.0
    above_nothing_p50_ms: float = 87.0
    above_nothing_p95_ms: float = 197.0
    base_mb: float = 191.0
    session_mb: float = 4.0

    @property
    def core(self) -> float:
        return self.cpu_ms * self.count / 10

    @property
    def memory_mb(self) -> float:
        return self.base_mb + self.session_mb * self.count


UNMUTE = Unmute()


@dataclass(frozen=True, slots=True)
class Scheme:
    """Colours of furo's two schemes: text, lines in the background, and the servers."""

    text: str
    faint: str
    servers: dict[str, str]
    unmute: str
    page: str


SCHEMES = {
    "light": Scheme(
        "#374151",
        "#e5e7eb",
        {"voicepipe": "#2563eb", "pipecat": "#c2410c", "do-nothing": "#6b7280"},
        "#a21caf",
        "#ffffff",
    ),
    "dark": Scheme(
        "#cfd0d0",
        "#2f343a",
        {"voicepipe": "#60a5fa", "pipecat": "#fb923c", "do-nothing": "#9ca3af"},
        "#e879f9",
        "#131416",
    ),
}
LABELS = {"do-nothing": "a backend that does nothing of its own", "pipecat": f"pipecat {VERSION}"}
MARKERS = {"voicepipe": "o", "pipecat": "s", "do-nothing": "."}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: its title, the value of a row, and Unmute's value."""

    title: str
    value: Callable[[Row], float]
    unmute: float | None
    unmute_says: str
    limit: tuple[float, str] | None = None
    logarithmic: bool = False


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Return the four panels; Unmute's latency is drawn above this run's do-nothing backend."""
    floor = _floor(rows)
    above = None if floor is None else floor["p95_ms"] + UNMUTE.above_nothing_p95_ms
    return [
        Panel("CPU of the process, % of one core", lambda one: 100 * one["cores"], UNMUTE.core, f"{UNMUTE.core:.0f} %"),
        Panel("CPU per second of a conversation, ms", lambda one: one["cpu_ms"], UNMUTE.cpu_ms, "48 ms"),
        Panel(
            "Added latency, p95, ms",
            lambda one: one["p95_ms"],
            above,
            f"do-nothing + {UNMUTE.above_nothing_p95_ms:.0f} ms",
            (IN_REAL_TIME_MS, "most for real time"),
            logarithmic=True,
        ),
        Panel(
            "Resident memory, MB",
            lambda one: one["memory_mb"],
            UNMUTE.memory_mb,
            f"{UNMUTE.base_mb:.0f} MB + {UNMUTE.session_mb:.0f} MB each",
        ),
    ]


def _floor(rows: Sequence[Row]) -> Row | None:
    return next((one for one in rows if one["server"] == "do-nothing" and one["count"] == UNMUTE.count), None)


# ---- the picture -----------------------------------------------------------------------------------------------------


def draw(rows: Sequence[Row], title: str, scheme: Scheme, path: Path) -> None:
    """Draw the four panels into an SVG file, whose text stays text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings = {"svg.fonttype": "none", "svg.hashsalt": "voicepipe", "font.size": 9.5, "font.family": "sans-serif"}
    with mpl.rc_context({**settings, "text.color": scheme.text, "axes.labelcolor": scheme.text}):
        figure = Figure(figsize=(9.6, 6.9), layout="constrained", facecolor="none")
        figure.get_layout_engine().set(h_pad=0.09, w_pad=0.09)  # pyright: ignore[reportOptionalMemberAccess]
        axes: Sequence[Axes] = figure.subplots(2, 2).flat
        for one, panel in zip(axes, panels(rows), strict=True):
            _panel(one, panel, rows, scheme)
        axes[0].plot([], [], "o", color=scheme.text, markerfacecolor="none", label="not in real time")
        handles, labels = axes[0].get_legend_handles_labels()
        options = {"ncols": 5, "frameon": False, "handletextpad": 0.5, "columnspacing": 1.4}
        figure.legend(handles, labels, loc="outside upper left", **options)
        figure.supxlabel(f"conversations at once\n{title}", fontsize=9)
        figure.savefig(path, format="svg", metadata={"Date": None}, transparent=True)


def _panel(axes: Axes, panel: Panel, rows: Sequence[Row], scheme: Scheme) -> None:
    axes.set_title(panel.title, loc="left", fontsize=10, fontweight="bold")
    for server, colour in scheme.servers.items():
        _line(axes, server, [one for one in rows if one["server"] == server], panel, colour, scheme.page)
    if panel.unmute is not None:
        axes.plot([UNMUTE.count], [panel.unmute], "D", color=scheme.unmute, markersize=7, label="Unmute", zorder=4)
        at = (UNMUTE.count, panel.unmute)
        above = 8 if panel.limit else 0
        axes.annotate(panel.unmute_says, at, (8, above), textcoords="offset points", color=scheme.unmute, va="center")
    if panel.limit is not None:
        value, what = panel.limit
        axes.axhline(value, color=scheme.text, linewidth=0.8, linestyle=(0, (4, 4)))
        axes.annotate(
            what, (1, value), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right"
        )
    _frame(axes, panel, max(one["count"] for one in rows), scheme)


def _line(axes: Axes, server: str, rows: Sequence[Row], panel: Panel, colour: str, page: str) -> None:
    """Draw a server's line; a number of conversations that was not in real time is an empty mark."""
    counts, values = [one["count"] for one in rows], [panel.value(one) for one in rows]
    axes.plot(counts, values, color=colour, linewidth=1.8, marker=MARKERS[server], label=LABELS.get(server, server))
    late = [(count, value) for one, count, value in zip(rows, counts, values, strict=True) if not one["in_real_time"]]
    if late:
        axes.plot(*zip(*late, strict=True), MARKERS[server], color=colour, markerfacecolor=page, zorder=3)


def _frame(axes: Axes, panel: Panel, most: int, scheme: Scheme) -> None:
    from matplotlib.ticker import MultipleLocator, StrMethodFormatter

    axes.set_facecolor("none")
    axes.grid(axis="y", color=scheme.faint, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=scheme.text, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(scheme.faint)
    axes.set_xlim(0, most * 1.03)
    axes.xaxis.set_major_locator(MultipleLocator(16))
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.minorticks_off()
        axes.set_ylim(top=2.5 * axes.get_ylim()[1])  # the words above the limit
    else:
        axes.set_ylim(0, 1.07 * axes.get_ylim()[1])


# ---- the table -------------------------------------------------------------------------------------------------------

COLUMNS = (
    *("server", "conversations", "CPU, ms per second of each", "of the core, %", "memory, MB"),
    *("added p50, ms", "p95, ms", "in real time"),
)
DOUBTS = ("other programs", "pipecat was not")
"""The beginnings of the report's notes that stand above the table."""
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|{(len(COLUMNS) - 2) * '---:|'}---|\n"


def table(rows: Sequence[Row], title: str) -> str:
    """Return the figures as Markdown, Unmute's as the last row."""
    return "".join([f"{title}.\n\n", HEAD, *(f"| {' | '.join(cells)} |\n" for cells in _cells(rows))])


def _cells(rows: Sequence[Row]) -> Iterator[list[str]]:
    for one in rows:
        figures = [100 * one["cores"], one["memory_mb"], one["p50_ms"], one["p95_ms"]]
        says = "yes" if one["in_real_time"] else f"no: {_wrong(one)}"
        yield [
            one["server"].replace("-", "\u2011"),
            str(one["count"]),
            f"{one['cpu_ms']:.1f}",
            *(f"{figure:.0f}" for figure in figures),
            says,
        ]
    costs = [f"{UNMUTE.cpu_ms:.0f}", f"{UNMUTE.core:.0f}", f"{UNMUTE.memory_mb:.0f}"]
    yield ["Unmute", str(UNMUTE.count), *costs, *_unmute_latency(rows), "yes, the most"]


def _unmute_latency(rows: Sequence[Row]) -> list[str]:
    above = {"p50_ms": UNMUTE.above_nothing_p50_ms, "p95_ms": UNMUTE.above_nothing_p95_ms}
    floor = _floor(rows)
    return [f"(+{ms:.0f})" if floor is None else f"{floor[name] + ms:.0f} (+{ms:.0f})" for name, ms in above.items()]


def _wrong(row: Row) -> str:
    lost = row["turns"] - len(row["added_ms"])
    found = {"lost": lost, "late": row["underruns"], "errors": row["errors"]}
    return ", ".join(f"{count} {what}" for what, count in found.items() if count) or "p95 above 200 ms"


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the figures of one report, or of the report `sessions` among several."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sides.picture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("figures", type=Path, help="what --json of the benchmark wrote")
    parser.add_argument("docs", type=Path, help="the documentation's folder")
    args = parser.parse_args(argv)
    read: Any = json.loads(args.figures.read_text())
    reports: list[dict[str, Any]] = read if isinstance(read, list) else [read]
    report = next((one for one in reports if one["name"] == "sessions"), None)
    if report is None:
        parser.error(f"{args.figures} has no figures of the benchmark `sessions`")
    if find_spec("matplotlib") is None:
        parser.error("matplotlib draws the picture, and is not installed: pip install matplotlib")
    title = f"{report['date']}, {report['machine']}"
    for name, scheme in SCHEMES.items():
        draw(report["raw"], title, scheme, args.docs / "pictures" / f"sessions-{name}.svg")
    doubts = [note for note in report["notes"] if note.startswith(DOUBTS)]
    (args.docs / "_sessions.md").write_text(table(report["raw"], "; ".join([title, *doubts])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
