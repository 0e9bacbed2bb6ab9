"""The finished runs in a folder as rows of tables: runs that differ in their seed alone."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Row:
    """Runs that differ in their seed alone.

    Attributes:
        experiment: The experiment with the lowest seed.
        training_images: How many there were: a folder may hold a part of a data set only. `None`
            where classes are drawn, which may differ in their number of images.
        results: The results that did not diverge, by seed.
        diverged: How many diverged.
    """

    experiment: Experiment
    training_images: int | None
    results: tuple[Result, ...]
    diverged: int

    @property
    def dataset(self) -> str:
        """The name of the data set, or of a folder of images without its path."""
        return Path(self.experiment.dataset).name

    @property
    def overrides(self) -> dict:
        """The settings that are not the paper's, by name."""
        return self.experiment.overrides()

    @property
    def settings(self) -> str:
        """The settings that are not the paper's: "epochs 2, patience 1"; empty if all are."""
        return ", ".join(f"{name} {value}" for name, value in self.overrides.items())

    @property
    def network(self) -> tuple:
        """What algorithms must share to be compared."""
        dataset, architecture, _ = self.experiment.row
        return dataset, architecture, self.training_images, self.settings

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
        dataset = DATASETS.get(self.experiment.dataset)
        whole = dataset and dataset.training_images
        remarks = [self.settings] if self.settings else []
        if "epochs" in self.overrides and any(
            result.epochs == self.experiment.epochs for result in self.results
        ):
            remarks[0] = f"cut short: {remarks[0]}"
        if whole and self.training_images not in (None, whole):
            remarks.append(f"{self.training_images:,} of {whole:,} training images")
        if self.diverged:
            remarks.append(f"{self.diverged} diverged")
        return [*remarks, *dict.fromkeys(r.note for r in self.results if r.note)]

    def values(self, attribute: str) -> list[float]:
        """Returns an attribute of each result."""
        return [getattr(result, attribute) for result in self.results]

    def numbers(self, ebp: "Row | None") -> dict:
        """Returns the row's numbers by column of the CSV file, `None` where there is none.

        Args:
            ebp: The row of EBP to compare with.
        """
        dataset, architecture, algorithm = self.experiment.row
        paper = RESULTS.get(self.experiment.row)
        accuracy = mean_sd(self.values("accuracy"))
        within = None
        if paper and accuracy[0] is not None and self.is_comparable:
            within = abs(accuracy[0] - paper.accuracy[0]) <= 2 * paper.accuracy[1]
        return {
            "dataset": dataset,
            "architecture": architecture,
            "algorithm": algorithm,
            "training_images": self.training_images,
            "settings": self.settings,
            "seeds": len(self.results),
            "diverged": self.diverged,
            **pair("accuracy", accuracy),
            **pair("epochs_to_best", mean_sd(self.values("best_epoch"))),
            **pair("epochs_to_stop", mean_sd(self.values("epochs"))),
            **pair("epochs_to_90_percent", mean_sd(self.values("epochs_to_90_percent"))),
            "seconds_per_epoch": mean_sd(self.values("seconds"))[0],
            "epoch_ratio_to_best": ratio(self, ebp, "best_epoch"),
            "epoch_ratio_to_stop": ratio(self, ebp, "epochs"),
            **pair("paper_accuracy", paper.accuracy if paper else None),
            "within_two_paper_sd": within,
            **pair("paper_epochs", paper.epochs if paper else None),
            "paper_seconds_per_epoch": paper.seconds_per_epoch if paper else None,
        }


Line = tuple[Row, dict]  # A row and its numbers.


def table_rows(results: Iterable[Result]) -> list[Row]:
    """Groups results into rows: the paper's settings first, names in the paper's order."""
    groups: dict[tuple, list[Result]] = {}
    for result in results:
        e = result.experiment
        images = None if e.classes else result.training_images
        groups.setdefault((e.row, images, str(e.overrides())), []).append(result)
    rows = []
    for (_, images, _), group in groups.items():
        group.sort(key=lambda result: result.experiment.seed)
        sound = tuple(result for result in group if not result.diverged)
        diverged = len(group) - len(sound)
        rows.append(Row(group[0].experiment, images, sound, diverged))
    order = {name: i for i, name in enumerate([*DATASETS, *ARCHITECTURES, *ALGORITHMS])}

    def place(row: Row) -> tuple:
        *network, algorithm = (order.get(name, len(order)) for name in row.experiment.row)
        return row.settings, network, -(row.training_images or 0), algorithm

    return sorted(rows, key=place)


def table(rows: Sequence[Row]) -> list[dict]:
    """Returns the numbers of all rows: see `Row.numbers`.

    A mean and its standard deviation (of a sample, so it takes two seeds) are a pair of keys
    `..._mean` and `..._sd`. The ratios, in BrainProp's rows, are of the means of BrainProp and EBP.
    """
    ebp = {row.network: row for row in rows if row.experiment.algorithm == "EBP"}
    return [row.numbers(ebp.get(row.network)) for row in rows]


def mean_sd(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Returns the mean and the standard deviation of a sample, `None` if too few have one."""
    return fmean(values) if values else None, stdev(values) if len(values) > 1 else None


def pair(name: str, mean_and_sd: tuple[float | None, float | None] | None) -> dict:
    """Returns two columns of the CSV file."""
    mean, sd = mean_and_sd or (None, None)
    return {f"{name}_mean": mean, f"{name}_sd": sd}


def ratio(row: Row, ebp: Row | None, attribute: str) -> float | None:
    """Returns BrainProp's mean over EBP's, in BrainProp's rows where there are results of both."""
    if row.experiment.algorithm != "BrainProp" or not (ebp and ebp.results and row.results):
        return None
    return fmean(row.values(attribute)) / fmean(ebp.values(attribute))


def number(key: str, digits: int = 0) -> Callable[[Line], str]:
    """Makes what shows a number of a row: "99.31 (0.04)", with its deviation if it has one."""

    def show(line: Line) -> str:
        mean, sd = line[1].get(f"{key}_mean", line[1].get(key)), line[1].get(f"{key}_sd")
        if mean is None:
            return ""
        return f"{mean:.{digits}f}" + (f" ({sd:.{digits}f})" if sd is not None else "")

    return show


def markdown_table(columns: Mapping[str, Callable], lines: Iterable) -> str:
    """Returns a table in Markdown: a column for each title and what shows a line's cell."""
    cells = [list(columns), ["---"] * len(columns)]
    cells += [[show(line) for show in columns.values()] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
