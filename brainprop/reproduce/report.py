"""The paper's table and figure, from the results in a folder of runs."""

import csv
import io
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from brainprop.common.files import written_whole
from brainprop.datasets.table import DATASETS
from brainprop.experiments import Experiment
from brainprop.outputs import plots
from brainprop.paper import ALGORITHMS, ARCHITECTURES, RESULTS, PaperResult
from brainprop.reproduce.finished_runs import Result

# Settings that change how something is computed, but not what.
COMPARABLE = {"deterministic", "jit_compile"}


@dataclass(frozen=True)
class Row:
    """A line of the table: runs that differ in their seed alone.

    Attributes:
        experiment: The one of the lowest seed.
        training_images: How many there were: a folder may hold a part of a data set only.
        results: Those that did not diverge, by seed.
        diverged: How many diverged.
    """

    experiment: Experiment
    training_images: int
    results: tuple[Result, ...]
    diverged: int

    @property
    def settings(self) -> str:
        """The settings that are not the paper's: "epochs 2, patience 1"; empty if all are."""
        return ", ".join(f"{name} {value}" for name, value in self.experiment.departures().items())

    @property
    def is_comparable(self) -> bool:
        """Whether the paper's figures hold for it: its settings, and the whole data set."""
        dataset = DATASETS[self.experiment.dataset]
        whole = self.training_images == dataset.training_images and all(
            number == dataset.test_images for number in self.values("validation_images")
        )
        return whole and self.experiment.departures().keys() <= COMPARABLE

    @property
    def comparison(self) -> tuple:
        """What the algorithms must share to be compared."""
        dataset, architecture, _ = self.experiment.row
        return dataset, architecture, self.training_images, self.settings

    def values(self, attribute: str) -> list[float]:
        """An attribute of each result."""
        return [getattr(result, attribute) for result in self.results]


def table_rows(results: Iterable[Result]) -> list[Row]:
    """Groups results into rows: the paper's settings first, data sets and so on in its order."""
    groups: dict[tuple, list[Result]] = {}
    for result in results:
        e = result.experiment
        groups.setdefault((e.row, result.training_images, str(e.departures())), []).append(result)
    rows = []
    for group in groups.values():
        group.sort(key=lambda result: result.experiment.seed)
        sound = tuple(result for result in group if not result.diverged)
        diverged = len(group) - len(sound)
        rows.append(Row(group[0].experiment, group[0].training_images, sound, diverged))
    order = {name: i for i, name in enumerate([*DATASETS, *ARCHITECTURES, *ALGORITHMS])}
    return sorted(
        rows, key=lambda row: (row.settings, [order[name] for name in row.experiment.row])
    )


def table(rows: Sequence[Row]) -> list[dict]:
    """The numbers of the table, a dictionary a row, `None` where there is none.

    A mean and its standard deviation (of a sample, so it takes two seeds) are a pair of keys
    `..._mean` and `..._sd`. The ratios, in BrainProp's rows, are of the means of BrainProp and EBP.
    """
    ebp = {row.comparison: row for row in rows if row.experiment.algorithm == "EBP"}
    return [_numbers(row, ebp.get(row.comparison)) for row in rows]


def _numbers(row: Row, ebp: Row | None) -> dict:
    dataset, architecture, algorithm = row.experiment.row
    paper = RESULTS.get(row.experiment.row)
    accuracy = _mean_sd(row.values("accuracy"))
    return {
        "dataset": dataset,
        "architecture": architecture,
        "algorithm": algorithm,
        "training_images": row.training_images,
        "settings": row.settings,
        "seeds": len(row.results),
        "diverged": row.diverged,
        **_pair("accuracy", accuracy),
        **_pair("epochs_to_best", _mean_sd(row.values("best_epoch"))),
        **_pair("epochs_to_stop", _mean_sd(row.values("epochs"))),
        "seconds_per_epoch": _mean(row.values("seconds")),
        "epoch_ratio_to_best": _ratio(row, ebp, "best_epoch"),
        "epoch_ratio_to_stop": _ratio(row, ebp, "epochs"),
        **_pair("paper_accuracy", paper.accuracy if paper else None),
        "within_two_paper_sd": _is_within(row, accuracy[0], paper),
        **_pair("paper_epochs", paper.epochs if paper else None),
        "paper_seconds_per_epoch": paper.seconds_per_epoch if paper else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _mean_sd(values: Sequence[float]) -> tuple[float | None, float | None]:
    return _mean(values), stdev(values) if len(values) > 1 else None


def _pair(name: str, mean_sd: tuple[float | None, float | None] | None) -> dict:
    mean, sd = mean_sd or (None, None)
    return {f"{name}_mean": mean, f"{name}_sd": sd}


def _ratio(row: Row, ebp: Row | None, attribute: str) -> float | None:
    """BrainProp's mean over EBP's, in BrainProp's rows where there are results of both."""
    if row.experiment.algorithm != "BrainProp" or not (ebp and ebp.results and row.results):
        return None
    return fmean(row.values(attribute)) / fmean(ebp.values(attribute))


def _is_within(row: Row, mean: float | None, paper: PaperResult | None) -> bool | None:
    """Whether a mean lies within two of the paper's standard deviations, if that can be said."""
    if paper is None or mean is None or not row.is_comparable:
        return None
    return abs(mean - paper.accuracy[0]) <= 2 * paper.accuracy[1]


def as_csv(rows: Sequence[Row]) -> str:
    """The table as CSV, a line a row, under a line of names; numbers are not rounded."""
    text = io.StringIO()
    lines = table(rows)
    writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, with a section for each choice of settings."""
    sections = [_INTRODUCTION]
    numbers = zip(rows, table(rows), strict=True)
    for _, group in itertools.groupby(numbers, key=lambda pair: pair[0].settings):
        rows_of_group, lines = zip(*group, strict=True)
        sections += _section(rows_of_group[0], lines)
    devices = sorted({result.device for row in rows for result in row.results})
    if devices:
        sections.append(
            f"Seconds are those of {'; '.join(devices)}. Of a run in several pieces, this names "
            "what the last one ran on."
        )
    sections.append("![Validation accuracy over epochs](report.png)")
    return "\n\n".join(sections) + "\n"


_INTRODUCTION = """\
# BrainProp and EBP: the paper's table

Mean (standard deviation) over the seeds that did not diverge. The accuracy is that of the best
epoch on the validation set, or on the test set where that is another one. *Within* tells whether
our mean lies within two of the paper's standard deviations of its mean; it is empty for a part of
the data set. The paper does not say whether its epochs count to the best one or to the stop. What
of the paper could not be had is left empty."""


def _section(row: Row, lines: Sequence[dict]) -> list[str]:
    """The parts of a section: what its settings are, the table, the ratios of epochs."""
    parts = ["## The paper's settings"]
    if row.settings:
        parts = [f"## Other settings: {row.settings}"]
        if not row.experiment.departures().keys() <= COMPARABLE:
            parts.append("The paper's figures hold for its own settings, so there is no *within*.")
    parts.append(_markdown_table(_COLUMNS, lines))
    ratios = [line for line in lines if line["epoch_ratio_to_best"] is not None]
    if ratios:
        parts.append("Epochs of BrainProp for each epoch of EBP (the paper: 1 to 3.5):")
        parts.append(_markdown_table(_RATIO_COLUMNS, ratios))
    return parts


def _markdown_table(columns: dict, lines: Sequence[dict]) -> str:
    cells = [list(columns), ["---"] * len(columns)]
    cells += [[show(line) for show in columns.values()] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _figure(key: str, digits: int):
    """Shows a number, with its standard deviation if it has one: "99.31 (0.04)"."""

    def show(line: dict) -> str:
        mean, sd = line.get(f"{key}_mean", line.get(key)), line.get(f"{key}_sd")
        if mean is None:
            return ""
        return f"{mean:.{digits}f}" + (f" ({sd:.{digits}f})" if sd is not None else "")

    return show


def _epochs(key: str):
    """Shows a number of epochs, a whole one where it is that of one seed: "67", "24.5 (9.2)"."""
    of_one_seed, of_several = _figure(key, 0), _figure(key, 1)
    return lambda line: (of_one_seed if line[f"{key}_sd"] is None else of_several)(line)


def _seeds(line: dict) -> str:
    return str(line["seeds"]) + (f", {line['diverged']} diverged" if line["diverged"] else "")


_NAMES = {
    "data set": lambda line: line["dataset"],
    "architecture": lambda line: line["architecture"],
}
_COLUMNS = _NAMES | {
    "algorithm": lambda line: line["algorithm"],
    "training images": lambda line: f"{line['training_images']:,}",
    "seeds": _seeds,
    "accuracy [%]": _figure("accuracy", 2),
    "paper's": _figure("paper_accuracy", 2),
    "within": lambda line: {None: "", True: "yes", False: "no"}[line["within_two_paper_sd"]],
    "epochs to the best": _epochs("epochs_to_best"),
    "to the stop": _epochs("epochs_to_stop"),
    "paper's epochs": _figure("paper_epochs", 0),
    "seconds/epoch": _figure("seconds_per_epoch", 1),
    "paper's s/epoch": _figure("paper_seconds_per_epoch", 0),
}
_RATIO_COLUMNS = _NAMES | {
    "to the best": _figure("epoch_ratio_to_best", 2),
    "to the stop": _figure("epoch_ratio_to_stop", 2),
}


def write_report(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Writes `report.md`, `report.csv`, `report.pdf` and `report.png`, the same for the same rows.

    Returns:
        Their paths.
    """
    texts = {".md": as_markdown(rows), ".csv": as_csv(rows)}
    paths = [folder / f"report{suffix}" for suffix in (*texts, ".pdf", ".png")]
    for path in paths:
        with written_whole(path) as partial:
            if path.suffix in texts:
                partial.write_text(texts[path.suffix], encoding="utf-8")
            else:
                curves = plots.learning_curves_figure(_panels(rows))
                plots.write_figure(curves, partial, path.suffix[1:], dpi=200)
    return paths


def _panels(rows: Sequence[Row]) -> dict[str, dict[str, list]]:
    """The curves of the figure: a panel for the algorithms that share all settings."""
    panels: dict[str, dict[str, list]] = {}
    for row in (row for row in rows if row.results):
        dataset, architecture, algorithm = row.experiment.row
        title = f"{dataset}, {architecture}, {row.training_images:,} images"
        if row.settings:
            title += f"\n{row.settings}"
        panels.setdefault(title, {})[algorithm] = row.values("val_accuracy")
    return panels
