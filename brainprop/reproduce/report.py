"""The report on a folder of runs: tables, a CSV file and figures."""

import csv
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from brainprop.common.files import atomic_write
from brainprop.outputs.plots import write_figure
from brainprop.paper import ALGORITHMS
from brainprop.reproduce.figures import curves_figure, sweep_figure
from brainprop.reproduce.rows import (
    COMPARABLE,
    Row,
    as_text,
    grouped,
    markdown_table,
    sorted_values,
)

INTRODUCTION = """\
# Results

Top-1 accuracy in percent and epochs: the mean over the seeds, in brackets the standard deviation.
The accuracy is the best epoch's on the validation set, or on the test set where that is another
one. Runs that differ in one setting are a sweep, with a table of its own. Columns without entries
are left out."""

OVERVIEW = """\
*Paper* is what the paper states for BrainProp; it does not say whether its epochs count to the best
one or to the stop. *BrainProp / EBP* is the ratio of their epochs, 1 to 3.5 in the paper."""

DETAILS = """\
## Details

*Within*: whether our mean lies within two of the paper's standard deviations of its mean; empty
where the settings or the images are not the paper's."""

# Settings that runs may differ in without being a sweep.
NO_SWEEP = {"epochs", "patience", *COMPARABLE}


def find_sweeps(
    rows: Sequence[Row], swept: Sequence[str] = ()
) -> tuple[dict[str, list[Row]], list[Row]]:
    """Finds the settings that have several values, all else equal.

    Args:
        rows: As `table_rows` returns them.
        swept: Settings that are a sweep in any case. Runs of different length are none otherwise.

    Returns:
        The rows of each sweep, by network and algorithm, then by value; and the rows of no sweep,
        with those of the paper's settings.
    """
    overrides = [name for row in rows for name in row.overrides if name not in NO_SWEEP]
    sweeps = {name: _swept(rows, name) for name in dict.fromkeys([*overrides, *swept])}
    in_sweeps = {id(row) for found in sweeps.values() for row in found if row.overrides}
    others = [row for row in rows if id(row) not in in_sweeps]
    return {name: found for name, found in sweeps.items() if found}, others


def _swept(rows: Sequence[Row], name: str) -> list[Row]:
    """Returns the rows that differ in one setting."""
    found = []
    for group in grouped(rows, lambda row: (row.experiment.row, row.settings(name))).values():
        values = sorted_values(row.setting(name) for row in group)
        if len(values) > 1:
            found += sorted(group, key=lambda row: values.index(row.setting(name)))
    return found


def as_csv(rows: Sequence[Row]) -> str:
    """Returns all numbers as CSV, a line a row, under a line of names; they are not rounded."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].numbers, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.numbers for row in rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Row], swept: Sequence[str] = ()) -> str:
    """Returns the report as Markdown; the arguments are those of `find_sweeps`."""
    sweeps, others = find_sweeps(rows, swept)
    sections = [INTRODUCTION]
    if others:
        networks = grouped(others, lambda row: row.network).values()
        sections += [OVERVIEW, markdown_table([_overview_line(rows) for rows in networks])]
    if any(row.results for row in others):
        sections.append("![Validation accuracy over epochs](report.png)")
    for name, found in sweeps.items():
        sections += [f"## Sweep: {name}", markdown_table([_sweep_line(row, name) for row in found])]
        if any(row.results for row in found):
            sections.append(f"![Accuracy and epochs against {name}](report_{name}.png)")
    if others:
        sections += [DETAILS, markdown_table([_details_line(row) for row in others])]
    devices = {result.device for row in others for result in row.results}
    if devices:
        sections.append(
            f"Seconds were measured on {'; '.join(sorted(devices))}. For a run in several pieces, "
            "this is the device of the last piece."
        )
    return "\n\n".join(sections) + "\n"


def _overview_line(network: Sequence[Row]) -> dict[str, str]:
    """Returns the line of a network, with its algorithms side by side."""
    rows = {row.experiment.algorithm: row for row in network}
    counts = {row.cell("seeds") for row in network}
    seeds = counts if len(counts) == 1 else [f"{n} {row.cell('seeds')}" for n, row in rows.items()]

    def cell(algorithm: str, key: str, digits: int = 0) -> str:
        return rows[algorithm].cell(key, digits) if algorithm in rows else ""

    return {
        "data set": network[0].dataset,
        "architecture": network[0].experiment.architecture,
        "BrainProp [%]": cell("BrainProp", "accuracy", 2),
        "paper [%]": cell("BrainProp", "paper_accuracy", 2),
        "EBP [%]": cell("EBP", "accuracy", 2),
        "epochs to the best: BrainProp": cell("BrainProp", "epochs_to_best"),
        "paper": cell("BrainProp", "paper_epochs"),
        "EBP": cell("EBP", "epochs_to_best"),
        "BrainProp / EBP": cell("BrainProp", "epoch_ratio_to_best", 1),
        **{f"{name} [%]": cell(name, "accuracy", 2) for name in ALGORITHMS},  # Those of plugins.
        "seeds": ", ".join(seeds),
        "remarks": "; ".join(dict.fromkeys(text for row in network for text in row.remarks)),
    }


def _sweep_line(row: Row, name: str) -> dict[str, str]:
    return {
        **_names(row),
        "other settings": row.settings(name),
        name: as_text(row.setting(name)),
        "seeds": row.cell("seeds"),
        "accuracy [%]": row.cell("accuracy", 2),
        "epochs to 90 % of the best accuracy": row.cell("epochs_to_90_percent"),
        "epochs to the best": row.cell("epochs_to_best"),
    }


def _details_line(row: Row) -> dict[str, str]:
    return {
        **_names(row),
        "remarks": "; ".join(row.remarks),
        "seeds": row.cell("seeds"),
        "accuracy [%]": row.cell("accuracy", 2),
        "within": {None: "", True: "yes", False: "no"}[row.numbers["within_two_paper_sd"]],
        "epochs to the best": row.cell("epochs_to_best"),
        "to the stop": row.cell("epochs_to_stop"),
        "BrainProp / EBP": row.cell("epoch_ratio_to_stop", 1),
        "seconds/epoch": row.cell("seconds_per_epoch", 1),
        "paper's seconds/epoch": row.cell("paper_seconds_per_epoch"),
    }


def _names(row: Row) -> dict[str, str]:
    _, architecture, algorithm = row.experiment.row
    return {"data set": row.dataset, "architecture": architecture, "algorithm": algorithm}


def write_report(rows: Sequence[Row], folder: Path, swept: Sequence[str] = ()) -> list[Path]:
    """Writes `report.md`, `report.csv`, and figures as PDF and PNG: the same for the same rows.

    Returns:
        Their paths.
    """
    sweeps, others = find_sweeps(rows, swept)
    figures = {
        f"report_{name}": sweep_figure(name, shown)
        for name, found in sweeps.items()
        if (shown := [row for row in found if row.results])
    }
    if shown := [row for row in others if row.results]:
        figures["report"] = curves_figure(shown)
    writers: dict[str, Callable[[Path], object]] = {
        "report.md": partial(Path.write_text, data=as_markdown(rows, swept), encoding="utf-8"),
        "report.csv": partial(Path.write_text, data=as_csv(rows), encoding="utf-8"),
    } | {
        f"{name}.{kind}": partial(write_figure, figure, format=kind, dpi=200)
        for name, figure in figures.items()
        for kind in ("pdf", "png")
    }
    for name, write in writers.items():
        with atomic_write(folder / name) as partial_file:
            write(partial_file)
    return [folder / name for name in writers]
