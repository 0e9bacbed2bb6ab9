"""Where weights come from: what the summary beside their file says about classes and images."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from brainprop.common.errors import BrainPropError
from brainprop.datasets.folder import CHANNELS
from brainprop.datasets.table import DATASETS, Dataset
from brainprop.experiments import Experiment


@dataclass(frozen=True)
class Origin:
    """What the run that left weights was trained on.

    Attributes:
        settings: The settings that chose classes and images, where they are not a whole data set of
            the table: `seed`, `classes` and `image_size`.
        class_names: The names of the classes of a folder of images, in the order of their labels.
    """

    settings: dict = field(default_factory=dict)
    class_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, weights: Path) -> "Origin":
        """Reads the summary beside a weights file, as `-s` and `brainprop.reproduce` leave it.

        Without a summary that can be read, nothing is known.
        """
        stem = weights.name.removesuffix("_weights.h5")
        for name in (f"{stem}_history.json", f"{stem}.json"):
            with suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
                told = json.loads(weights.with_name(name).read_text(encoding="utf-8"))
                class_names = tuple(map(str, told.get("class_names", ())))
                names = ("seed", "classes", "image_size")
                chosen = {name: told["settings"].get(name) for name in names}
                chosen = {name: value for name, value in chosen.items() if value is not None}
                return cls(chosen if class_names or "classes" in chosen else {}, class_names)
        return cls()

    def dataset_row(self, experiment: Experiment) -> Dataset:
        """Returns what is known about the data set of an experiment; its folder may be gone."""
        if not self.class_names or experiment.dataset in DATASETS or experiment.classes:
            return experiment.dataset_row
        size = experiment.image_size or 0
        return Dataset(
            image_shape=(size, size, CHANNELS),
            classes=len(self.class_names),
            load=lambda data_dir: experiment.dataset_row.load(data_dir),
            class_names=lambda data_dir: self.class_names,
        )

    def check(self, experiment: Experiment, weights: Path) -> None:
        """Checks that an experiment's labels mean what they meant when the weights were trained.

        Raises:
            BrainPropError: If they do not.
        """
        changed = [name for name in self.settings if self.settings[name] != vars(experiment)[name]]
        if "classes" in self.settings and {"classes", "seed"} & {*changed}:
            raise BrainPropError(
                f"{weights} knows the classes of --classes {self.settings['classes']} --seed "
                f"{self.settings['seed']}: leave both out, or give them"
            )
        if self.class_names and experiment.dataset not in DATASETS and not experiment.classes:
            names = experiment.dataset_row.class_names(None)
            if names != self.class_names:
                others = ", ".join(sorted({*names} ^ {*self.class_names})[:5])
                raise BrainPropError(
                    f"{weights} was trained on other classes than {experiment.dataset} has "
                    f"({others}): give the folder that it was trained on"
                )
