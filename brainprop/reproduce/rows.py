"""The finished runs in a folder as rows of tables. The runs of a row differ only in their seed."""

import dataclasses
import sys
from collections.abc import Callable, Iterable
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

# Settings that change how a result is computed, not what it means.
COMPARABLE = {"deterministic", "jit_compile"}
# Settings on which the number of training images depends.
OF_IMAGES = {"classes", "max_train_samples", "validation_split"}


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
    """Runs that differ only in their seed.

    Attributes:
        experiment: The settings, with any seed.
        training_images: How many: the data folder may hold only a part of a data set. `None` if
            classes were drawn, which may differ in their number of images.
        results: The results of the runs that did not diverge, by seed.
        diverged: The number of runs that diverged.
        ebp: In a row of BrainProp, EBP's row of the same network; else `None`.
    """

    experiment: Experiment
    training_images: int | None
    results: list[Result]
    diverged: int
    ebp: "Row | None" = None

    @property
    def dataset(self) -> str:
        """The name of the data set, or of a folder of images without its path."""
        return printable(Path(self.experiment.dataset).name)

    @cached_property
    def overrides(self) -> dict:
        """The settings that are not the paper's, by name."""
        return self.experiment.overrides()

    def settings(self, *, without: str = "") -> str:
        """Returns the settings that are not the paper's, one left out: "epochs 2, patience 1"."""
        return ", ".join(f"{k} {as_text(v)}" for k, v in self.overrides.items() if k != without)

    def setting(self, name: str):
        """Returns the value of a setting, also of one that only some algorithms have."""
        settings = self.experiment.settings()
        return (settings | settings.get("rule_arguments", {})).get(name)

    def images_beside(self, name: str) -> int | None:
        """Returns the number of training images; `None` where it depends on the setting."""
        return None if name in OF_IMAGES else self.training_images

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
        return self.training_images == dataset.training_images and all(
            images == dataset.test_images for images in self.values("validation_images")
        )

    @property
    def remarks(self) -> list[str]:
        """What a reader must know before comparing the row with others."""
        remarks = [self.settings()] if self.overrides else []
        if "epochs" in self.overrides and self.experiment.epochs in self.values("epochs_to_stop"):
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

    def mean_and_sd(self, attribute: str) -> tuple[float | None, float | None]:
        """Returns the mean of the results, and the standard deviation of this sample, if any."""
        values = self.values(attribute)
        return fmean(values) if values else None, stdev(values) if len(values) > 1 else None

    def ratio_to_ebp(self, attribute: str) -> float | None:
        """Returns BrainProp's mean over EBP's, if there are both."""
        mean, _ = self.mean_and_sd(attribute)
        others, _ = self.ebp.mean_and_sd(attribute) if self.ebp else (None, None)
        return mean / others if mean and others else None

    @cached_property
    def numbers(self) -> dict:
        """The row's numbers by name, `None` where there is none; pairs are a mean and its sd."""
        dataset, architecture, algorithm = self.experiment.row
        paper = RESULTS.get(self.experiment.row)
        accuracy, within = self.mean_and_sd("accuracy"), None
        if paper and accuracy[0] is not None and self.is_comparable:
            within = abs(accuracy[0] - paper.accuracy[0]) <= 2 * paper.accuracy[1]
        return {
            "dataset": printable(dataset),
            "architecture": architecture,
            "algorithm": algorithm,
            "training_images": self.training_images,
            "settings": self.settings(),
            "seeds": len(self.results),
            "diverged": self.diverged,
            "accuracy": accuracy,
            "epochs_to_best": self.mean_and_sd("epochs_to_best"),
            "epochs_to_stop": self.mean_and_sd("epochs_to_stop"),
            "epochs_to_90_percent": self.mean_and_sd("epochs_to_90_percent"),
            "seconds_per_epoch": self.mean_and_sd("seconds_per_epoch")[0],
            "epoch_ratio_to_best": self.ratio_to_ebp("epochs_to_best"),
            "epoch_ratio_to_stop": self.ratio_to_ebp("epochs_to_stop"),
            "paper_accuracy": paper.accuracy if paper else (None, None),
            "within_two_paper_sd": within,
            "paper_epochs": paper.epochs if paper else (None, None),
            "paper_seconds_per_epoch": paper.seconds_per_epoch if paper else None,
        }

    def cell(self, name: str, digits: int = 0) -> str:
        """Returns a number as tables show it: "99.31 (0.04)", with its sd if it has one."""
        number = self.numbers[name]
        mean, sd = number if isinstance(number, tuple) else (number, None)
        deviation = "" if sd is None else f" ({sd:.{digits}f})"
        return "" if mean is None else f"{mean:.{digits}f}{deviation}"


def table_rows(results: Iterable[Result]) -> list[Row]:
    """Groups results into rows: the paper's settings first, names in the paper's order."""

    def kind(result: Result) -> tuple[Experiment, int | None]:
        experiment = dataclasses.replace(result.experiment, seed=1)
        return experiment, None if experiment.classes else result.training_images

    rows = []
    for (experiment, images), group in grouped(results, kind).items():
        sound = [result for result in group if not result.diverged]
        sound.sort(key=lambda result: result.experiment.seed)
        rows.append(Row(experiment, images, sound, diverged=len(group) - len(sound)))
    ebp = {row.network: row for row in rows if row.experiment.algorithm == "EBP"}
    for row in rows:
        if row.experiment.algorithm == "BrainProp":
            row.ebp = ebp.get(row.network)
    order = {name: i for i, name in enumerate([*DATASETS, *ARCHITECTURES, *ALGORITHMS])}

    def place(row: Row) -> tuple:
        *network, algorithm = (order.get(name, len(order)) for name in row.experiment.row)
        return row.settings(), network, -(row.training_images or 0), algorithm

    return sorted(rows, key=place)


def grouped(items: Iterable, key: Callable) -> dict:
    """Returns lists of the items with the same key, by key, in the order of the items."""
    groups: dict = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def as_text(value) -> str:
    """Returns the value of a setting as tables and figures show it."""
    return "all" if value is None else str(value).removesuffix(".0")


def sorted_values(values: Iterable) -> list:
    """Sorts the different values of a setting: numbers, then names, then what has no limit."""
    return sorted({*values}, key=lambda v: (v is None, isinstance(v, str), v or 0))
