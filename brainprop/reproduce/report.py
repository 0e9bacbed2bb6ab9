"""The report on a folder of runs: tables, a CSV file and figures."""

import csv
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from brainprop.common.files import atomic_write
from brainprop.outputs import plots
from brainprop.paper import ALGORITHMS, RESULTS
from brainprop.reproduce.rows import Line, Row, markdown_table, number, table
from brainprop.reproduce.sweep_report import find_sweeps

INTRODUCTION = """\
# Results

Top-1 accuracy in percent and epochs: the mean over the seeds, in brackets the standard deviation.
The accuracy is the best epoch's on the validation set, or on the test set where that is another
one. *Paper* is what the paper states for BrainProp; it is empty where the paper states nothing. The
paper does not say whether its epochs count to the best one or to the stop. *BrainProp / EBP* is the
ratio of their epochs, 1 to 3.5 in the paper."""

DETAILS = """\
## Details

*Within*: whether our mean lies within two of the paper's standard deviations of its mean; empty
where the settings or the images are not the paper's."""


def as_csv(rows: Sequence[Row]) -> str:
    """Returns all numbers as CSV, a line a row, under a line of names; they are not rounded."""
    text = io.StringIO()
    lines = table(rows)
    writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_markdown(rows: Sequence[Row], swept: Sequence[str] = ()) -> str:
    """Returns the report as Markdown.

    Args:
        rows: As `table_rows` returns them.
        swept: Settings to report as a sweep, beside those that `find_sweeps` finds.
    """
    sweeps, others = find_sweeps(rows, swept)
    sections = [INTRODUCTION]
    if others:
        sections.append(_overview(others))
    if _panels(others):
        sections.append("![Validation accuracy over epochs](report.png)")
    for sweep in sweeps:
        sections += sweep.as_markdown()
    if others:
        sections += [DETAILS, markdown_table(_DETAILS, zip(others, table(others), strict=True))]
    devices = sorted({result.device for row in rows for result in row.results})
    if devices:
        sections.append(
            f"Seconds were measured on {'; '.join(devices)}. For a run in several pieces, this is "
            "the device of the last piece."
        )
    return "\n\n".join(sections) + "\n"


Network = dict[str, Line]  # By algorithm.


def _overview(rows: Sequence[Row]) -> str:
    """Returns the table that answers at a glance: a line a network, the algorithms side by side."""
    networks: dict[tuple, Network] = {}
    for row, numbers in zip(rows, table(rows), strict=True):
        networks.setdefault(row.network, {})[row.experiment.algorithm] = row, numbers
    others = {name for lines in networks.values() for name in lines} - {"BrainProp", "EBP"}
    return markdown_table(
        _OVERVIEW
        | {f"{name} [%]": _of(name, number("accuracy", 2)) for name in ALGORITHMS if name in others}
        | {"seeds": _seeds, "remarks": _remarks},
        networks.values(),
    )


def _of(algorithm: str, show: Callable[[Line], str]) -> Callable[[Network], str]:
    """Makes what shows a number of one algorithm, and nothing where it has no runs."""
    return lambda lines: show(lines[algorithm]) if algorithm in lines else ""


def _any(show: Callable[[Line], str]) -> Callable[[Network], str]:
    """Makes what shows something that is the same for all algorithms."""
    return lambda lines: show(next(iter(lines.values())))


def _seeds(lines: Network) -> str:
    """Shows the number of seeds, by algorithm where they differ: "3", "BrainProp 3, EBP 1"."""
    counts = {name: len(row.results) for name, (row, _) in lines.items()}
    if len({*counts.values()}) == 1:
        return _any(lambda line: str(len(line[0].results)))(lines)
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _remarks(lines: Network) -> str:
    return "; ".join(dict.fromkeys(text for row, _ in lines.values() for text in row.remarks))


_OVERVIEW = {
    "data set": _any(lambda line: line[0].dataset),
    "architecture": _any(lambda line: line[0].experiment.architecture),
    "BrainProp [%]": _of("BrainProp", number("accuracy", 2)),
    "paper [%]": _of("BrainProp", number("paper_accuracy", 2)),
    "EBP [%]": _of("EBP", number("accuracy", 2)),
    "epochs to the best: BrainProp": _of("BrainProp", number("epochs_to_best")),
    "paper": _of("BrainProp", number("paper_epochs")),
    "EBP": _of("EBP", number("epochs_to_best")),
    "BrainProp / EBP": _of("BrainProp", number("epoch_ratio_to_best", 1)),
}
_DETAILS = {
    "data set": lambda line: line[0].dataset,
    "architecture": lambda line: line[0].experiment.architecture,
    "algorithm": lambda line: line[0].experiment.algorithm,
    "remarks": lambda line: "; ".join(line[0].remarks),
    "seeds": number("seeds"),
    "accuracy [%]": number("accuracy", 2),
    "within": lambda line: {None: "", True: "yes", False: "no"}[line[1]["within_two_paper_sd"]],
    "epochs to the best": number("epochs_to_best"),
    "to the stop": number("epochs_to_stop"),
    "BrainProp / EBP": number("epoch_ratio_to_stop", 1),
    "seconds/epoch": number("seconds_per_epoch", 1),
    "paper's seconds/epoch": number("paper_seconds_per_epoch"),
}


def write_report(rows: Sequence[Row], folder: Path, swept: Sequence[str] = ()) -> list[Path]:
    """Writes `report.md`, `report.csv`, and figures as PDF and PNG: the same for the same rows.

    Returns:
        Their paths.
    """
    sweeps, others = find_sweeps(rows, swept)
    writers: dict[str, Callable[[Path], object]] = {
        "report.md": partial(Path.write_text, data=as_markdown(rows, swept), encoding="utf-8"),
        "report.csv": partial(Path.write_text, data=as_csv(rows), encoding="utf-8"),
    }
    figures = {f"report_{sweep.name}": sweep.figure() for sweep in sweeps}
    panels = _panels(others)
    if panels:
        figures["report"] = plots.learning_curves_figure(panels, _levels(others))
    for name, figure in figures.items():
        for kind in ("pdf", "png"):
            writers[f"{name}.{kind}"] = partial(plots.write_figure, figure, format=kind, dpi=200)
    for name, write in writers.items():
        with atomic_write(folder / name) as unfinished:
            write(unfinished)
    return [folder / name for name in writers]


def _panels(rows: Sequence[Row]) -> dict[str, dict[str, list]]:
    """Returns the curves of the figure: a panel for the algorithms that share all settings."""
    panels: dict[str, dict[str, list]] = {}
    for row in (row for row in rows if row.results):
        panels.setdefault(_title(row), {})[row.experiment.algorithm] = row.values("val_accuracy")
    return panels


def _levels(rows: Sequence[Row]) -> dict[str, float]:
    """Returns the paper's accuracies by panel."""
    return {
        _title(row): RESULTS[row.experiment.row].accuracy[0] for row in rows if row.is_comparable
    }


def _title(row: Row) -> str:
    title = f"{row.dataset}, {row.experiment.architecture}"
    title += f", {row.training_images:,} images" if row.training_images else ""
    return f"{title}\n{row.settings}" if row.settings else title
