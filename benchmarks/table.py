"""The table of results, as Markdown and as a bar chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.interleaved import Timing
from brainprop.outputs.plots import save_figure

REACHED_COLOR, MISSED_COLOR, NO_LIMIT_COLOR = "#0072B2", "#E69F00", "#999999"


@dataclass(frozen=True)
class Row:
    """A measurement and what it should be.

    Attributes:
        what: What is measured.
        timing: The times and their ratio.
        limit: What the ratio may be at most, if there is such a limit.
    """

    what: str
    timing: Timing
    limit: float | None = None


@dataclass(frozen=True)
class Amount:
    """A measurement that is no ratio: so many seconds, so many gigabytes."""

    what: str
    value: float
    unit: str
    limit: float


def markdown(rows: Sequence[Row], amounts: Sequence[Amount], machine: str) -> str:
    """All measurements as Markdown tables, with the machine that they are from."""
    lines = [f"Measured on {machine}.", ""]
    if rows:
        lines += ["| what | ratio | at most | median times [ms] |", "|---|---|---|---|"]
    for row in rows:
        times = ", ".join(f"{name} {ms:.1f}" for name, ms in row.timing.milliseconds.items())
        limit = "" if row.limit is None else f"{row.limit:.2f}"
        lines.append(f"| {row.what} | {row.timing.ratio:.2f} | {limit} | {times} |")
    if amounts:
        lines += ["", "| what | measured | at most |", "|---|---|---|"]
    for amount in amounts:
        measured = f"{amount.value:.3g} {amount.unit} | {amount.limit:g} {amount.unit}"
        lines.append(f"| {amount.what} | {measured} |")
    return "\n".join(lines)


def save_chart(rows: Sequence[Row], machine: str, path: Path) -> None:
    """Draws each ratio as a bar from 1, and its limit as a line across it."""
    figure = Figure(figsize=(9, 1.2 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for position, row in enumerate(rows):
        color = NO_LIMIT_COLOR
        if row.limit is not None:
            color = MISSED_COLOR if row.timing.ratio > row.limit else REACHED_COLOR
        axes.barh(position, row.timing.ratio - 1, left=1, color=color, height=0.6)
        right = max(row.timing.ratio, row.limit or 0, 1)
        axes.text(1.03 * right, position, f"{row.timing.ratio:.2f}", va="center")
        if row.limit is not None:
            axes.vlines(row.limit, position - 0.42, position + 0.42, color="black")
    axes.axvline(1, color="gray", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [row.what for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log", base=2)  # Half the time and twice the time look alike.
    marks = [mark for row in rows for mark in (row.timing.ratio, row.limit or 1, 1)]
    axes.set_xlim(min(marks) / 1.2, 2 * max(marks))  # Room for the number behind the longest bar.
    axes.xaxis.set_major_formatter("{x:g}")
    figure.supxlabel(
        "ratio of times: left of 1, the first is faster\n"
        "black line: our aim, at most; blue: reached, orange: missed, gray: no aim",
        fontsize="medium",
    )
    figure.suptitle(machine, fontsize="small")
    save_figure(figure, path)
