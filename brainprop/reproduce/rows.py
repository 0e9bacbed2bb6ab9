"""The finished runs in a folder as rows of tables: runs that differ in their seed alone."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev

from brainprop.common.errors import BrainPropError, printable
from brainprop.datasets.table import DATASETS
from brainprop.experiments import Experiment
from brainprop.outputs.summary import Result, read_summary
from brainprop.paper import ALGORITHMS, ARCHITECTURES, RESULTS
from brainprop.reproduce.run_folder import RunFiles

# Settings that change how something is computed, and not what.
COMPARABLE = {"deterministic", "jit_compile"}


def read_results(folder: Path) -> list[Result]:
    """Reads the finished runs in a folder; prints on stderr which JSON files are left out."""
    results = []
    for path in sorted(folder.glob("*.json")):
        try:
            result = read_summary(path)
            expected = RunFiles(folder, result.experiment).result.name
            if path.name != expected:  # A copy must not count twice.
                raise BrainPropError(f"a run of its settings is called {expected}")
            results.append(result)
        except BrainPropError as error:
            print(f"{printable(path)} is left out: {error}", file=sys.stderr)
    return results


@dataclass
class Row:
    """Runs that differ in their seed alone.

    Attributes:
        experiment: The experiment with the lowest seed.
        training_images: How many there were: a folder may hold a part of a data set only. `None`
            where classes are drawn, which may differ in their number of images.
        results: The results that did not diverge, by seed.
        diverged: How many diverged.
        ebp: In a row of BrainProp, EBP's row of the same network, if there is one.
    """

    experiment: Experiment
    training_images: int | None
    results: tuple[Result, ...]
    diverged: int
    ebp: "Row | None" = None

    @property
    def dataset(self) -> str:
        """The name of the data set, or of a folder of images without its path."""
        return Path(self.experiment.dataset).name

    @cached_property
    def overrides(self) -> dict:
        """The settings that are not the paper's, by name."""
        return self.experiment.overrides()

    def settings(self, without: str = "") -> str:
        """Returns the settings that are not the paper's, one left out: "epochs 2, patience 1"."""
        return ", ".join(f"{k} {as_text(v)}" for k, v in self.overrides.items() if k != without)

    def setting(self, name: str):
        """Returns the value of a setting, also of one that only some algorithms have."""
        settings = self.experiment.settings()
        return (settings | settings.get("rule_arguments", {})).get(name)

    @property
    def network(self) -> tuple:
        """What algorithms must share to be compared."""
        dataset, architecture, _ = self.experiment.row
        return dataset, architecture, self.training_images, self.settings()

    @property
    def is_comparable(self) -> bool:
        """Whether the paper has this row: with its settings, on the whole data set."""
        if self.experiment.row not in RESULTS or self.overrides.keys() - COMPARABLE:
            return False
        dataset = DATASETS[self.experiment.dataset]
        validation_images = {*self.values("validation_images")}
        return self.training_images == dataset.training_images and (
            validation_images <= {dataset.test_images}
        )

    @property
    def remarks(self) -> list[str]:
        """What a reader must know to compare the row with others."""
        remarks = [self.settings()] if self.overrides else []
        if "epochs" in self.overrides and self.experiment.epochs in self.values("epochs"):
            remarks = [f"cut short: {self.settings()}"]
        dataset = DATASETS.get(self.experiment.dataset)
        whole = dataset and dataset.training_images
        if whole and self.training_images not in (None, whole):
            remarks.append(f"{self.training_images:,} of {whole:,} training images")
        if self.diverged:
            remarks.append(f"{self.diverged} diverged")
        return [*remarks, *dict.fromkeys(note for note in self.values("note") if note)]

    def values(self, attribute: str) -> list:
        """Returns an attribute of each result."""
        return [getattr(result, attribute) for result in self.results]

    @cached_property
    def numbers(self) -> dict:
        """The row by column of the CSV file, `None` where there is no number.

        A mean and its standard deviation (of a sample, so it takes two seeds) are a pair of keys
        `..._mean` and `..._sd`. The ratios, in BrainProp's rows, are of BrainProp's mean and EBP's.
        """
        dataset, architecture, algorithm = self.experiment.row
        paper = RESULTS.get(self.experiment.row)
        within = None
        if paper and self.results and self.is_comparable:
            mean, sd = paper.accuracy
            within = abs(fmean(self.values("accuracy")) - mean) <= 2 * sd
        seconds = self.values("seconds")
        return {
            "dataset": dataset,
            "architecture": architecture,
            "algorithm": algorithm,
            "training_images": self.training_images,
            "settings": self.settings(),
            "seeds": len(self.results),
            "diverged": self.diverged,
            **self._mean_and_sd("accuracy", "accuracy"),
            **self._mean_and_sd("epochs_to_best", "best_epoch"),
            **self._mean_and_sd("epochs_to_stop", "epochs"),
            **self._mean_and_sd("epochs_to_90_percent", "epochs_to_90_percent"),
            "seconds_per_epoch": fmean(seconds) if seconds else None,
            "epoch_ratio_to_best": self._ratio_to_ebp("best_epoch"),
            "epoch_ratio_to_stop": self._ratio_to_ebp("epochs"),
            "paper_accuracy_mean": paper and paper.accuracy[0],
            "paper_accuracy_sd": paper and paper.accuracy[1],
            "within_two_paper_sd": within,
            "paper_epochs_mean": paper and paper.epochs[0],
            "paper_epochs_sd": paper and paper.epochs[1],
            "paper_seconds_per_epoch": paper and paper.seconds_per_epoch,
        }

    def _mean_and_sd(self, name: str, attribute: str) -> dict:
        values = self.values(attribute)
        return {
            f"{name}_mean": fmean(values) if values else None,
            f"{name}_sd": stdev(values) if len(values) > 1 else None,
        }

    def _ratio_to_ebp(self, attribute: str) -> float | None:
        if not (self.results and self.ebp and self.ebp.results):
            return None
        return fmean(self.values(attribute)) / fmean(self.ebp.values(attribute))

    def cell(self, key: str, digits: int = 0) -> str:
        """Returns a number as tables show it: "99.31 (0.04)", with its deviation if it has one."""
        mean = self.numbers.get(f"{key}_mean", self.numbers.get(key))
        sd = self.numbers.get(f"{key}_sd")
        deviation = "" if sd is None else f" ({sd:.{digits}f})"
        return "" if mean is None else f"{mean:.{digits}f}{deviation}"


def as_text(value) -> str:
    """Returns the value of a setting as tables and figures show it."""
    return "all" if value is None else str(value).removesuffix(".0")


def sorted_values(values: Iterable) -> list:
    """Sorts the different values of a setting: numbers, then names, then what has no limit."""
    return sorted({*values}, key=lambda v: (v is None, isinstance(v, str), v or 0))


def table_rows(results: Iterable[Result]) -> list[Row]:
    """Groups results into rows: the paper's settings first, names in the paper's order."""
    rows = []
    for group in grouped(results, _without_seed).values():
        group.sort(key=lambda result: result.experiment.seed)
        experiment, images = group[0].experiment, group[0].training_images
        sound = tuple(result for result in group if not result.diverged)
        diverged = len(group) - len(sound)
        rows.append(Row(experiment, None if experiment.classes else images, sound, diverged))
    order = {name: i for i, name in enumerate([*DATASETS, *ARCHITECTURES, *ALGORITHMS])}

    def place(row: Row) -> tuple:
        *network, algorithm = (order.get(name, len(order)) for name in row.experiment.row)
        return row.settings(), network, -(row.training_images or 0), algorithm

    ebp = {row.network: row for row in rows if row.experiment.algorithm == "EBP"}
    for row in rows:
        if row.experiment.algorithm == "BrainProp":
            row.ebp = ebp.get(row.network)
    return sorted(rows, key=place)


def _without_seed(result: Result) -> tuple:
    experiment = dataclasses.replace(result.experiment, seed=1)
    return experiment, None if experiment.classes else result.training_images


def grouped(items: Iterable, key: Callable) -> dict:
    """Returns lists of the items with the same key, by key, in the order of the items."""
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def markdown_table(lines: Sequence[dict[str, str]]) -> str:
    """Returns a table in Markdown, of lines by title. Columns without entries are left out."""
    titles = [title for title in lines[0] if any(line[title] for line in lines)]
    cells = [titles, ["---"] * len(titles)] + [[line[t] for t in titles] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
