"""What weights were trained on, read from the summary beside their file."""

import json
import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from brainprop.common.errors import BrainPropError, printable
from brainprop.datasets.folder import CHANNELS, ImageFolder
from brainprop.datasets.table import DATASETS, OF_THE_PAPER, Dataset
from brainprop.experiments import Experiment

# Settings that leave images out of the two sets.
_PARTS = ("classes", "max_train_samples", "max_eval_samples", "validation_split")


@dataclass(frozen=True)
class Origin:
    """What weights were trained on.

    Attributes:
        settings: `seed`, `classes` and `image_size`, if they chose classes or images.
        class_names: In the order of their labels; empty if they are unknown, or only numbered.
        dataset: The data set's name, or a folder's absolute path; empty for a custom network.
        images: Training and test images together, if the run took all; else `None`.
    """

    settings: dict = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    dataset: str = ""
    images: int | None = None

    @classmethod
    def of(cls, weights: Path) -> "Origin":
        """Reads the summary that `-s` or `brainprop.reproduce` left, if there is one.

        Prints a warning and ignores a damaged one.
        """
        stem = weights.name.removesuffix("_weights.h5")
        for history in (weights.with_name(f"{stem}{end}") for end in ("_history.json", ".json")):
            if not os.path.isfile(history):  # Also if the name is too long for a file.
                continue
            try:
                content = json.loads(history.read_text(encoding="utf-8"))
                settings = content["settings"]
                chosen = {name: settings.get(name) for name in ("seed", "classes", "image_size")}
                chosen = {name: value for name, value in chosen.items() if value is not None}
                names = tuple(map(str, content.get("class_names", ())))
                counts = {} if any(map(settings.get, _PARTS)) else content.get("images", {})
                images = sum(counts.values()) or None
                chosen = chosen if chosen.keys() > {"seed"} else {}
                return cls(
                    chosen,
                    () if _are_numbered(names) else names,
                    settings.get("dataset", ""),
                    images,
                )
            except (OSError, ValueError, KeyError, AttributeError, TypeError):
                print(
                    f"{printable(history)} is no history that can be read, so what {weights} was "
                    "trained on is unknown: correct it, or move it away",
                    file=sys.stderr,
                )
        return cls()

    def dataset_row(self, experiment: Experiment) -> Dataset:
        """Returns what is known about an experiment's data set, with the classes of training.

        A folder of images may be gone, and a plugin's data set may have other classes now.
        """
        names, named = self.class_names, experiment.dataset in DATASETS
        if not names or (named and experiment.dataset != self.dataset):
            return experiment.dataset_row
        if named:
            row = experiment.dataset_row
            return replace(row, classes=len(names), class_names=lambda data_dir: names)
        size = experiment.image_size or 0
        return Dataset(
            image_shape=(size, size, CHANNELS),
            classes=len(names),
            load=lambda data_dir: experiment.dataset_row.load(data_dir),
            class_names=lambda data_dir: names,
        )

    def check_dataset(self, experiment: Experiment, weights: Path) -> None:
        """Checks that weights of a folder or a data set of the paper do not meet another data set.

        Folders may meet one another, if `check` finds the same classes in both.

        Args:
            experiment: What the weights are to be used for.
            weights: Their file, for messages.

        Raises:
            BrainPropError: If it is another data set.
        """
        trained, given = self.dataset, experiment.dataset
        known = trained in OF_THE_PAPER or Path(trained).is_absolute()
        if known and given in OF_THE_PAPER and trained != given:
            raise BrainPropError(
                f"{weights} was trained on {trained}: give that in place of {given}"
            )

    def check(self, experiment: Experiment, weights: Path, predict: bool) -> None:
        """Checks that labels mean what they meant in training, and that no test image was in it.

        Args:
            experiment: What the weights are to be used for.
            weights: Their file, for messages.
            predict: Whether to classify other pictures, for which the data set can be missing.

        Raises:
            BrainPropError: If labels mean something else, or test images may have been in training.
        """
        classes, seed = (self.settings.get(name) for name in ("classes", "seed"))
        if classes and (classes, seed) != (experiment.classes, experiment.seed):
            raise BrainPropError(
                f"{weights} knows the classes of --classes {classes} --seed {seed}: leave both "
                "out, or give them"
            )
        if predict or not self.class_names or experiment.dataset in OF_THE_PAPER:
            return
        named = experiment.dataset in DATASETS
        names = experiment.dataset_row.class_names(None)
        if names != self.class_names and not (named and _are_numbered(names)):
            others = ", ".join(sorted({*names} ^ {*self.class_names})[:5]) or "in another order"
            way_out = "name them as its history does" if named else "give the folder of its history"
            raise BrainPropError(
                f"{weights} was trained on other classes than {experiment.dataset} has ({others}): "
                + way_out
            )
        if named:
            return
        folder = ImageFolder(Path(experiment.dataset))
        if isinstance(folder.test, slice) or experiment.dataset != self.dataset:
            return  # It has a test set, or it is another folder.
        # Another draw of test images would have images among them that it was trained on.
        if seed not in (None, experiment.seed):
            raise BrainPropError(
                f"the test images of {weights} were drawn with --seed {seed}: leave --seed out"
            )
        if self.images not in (None, len(folder.paths)):
            raise BrainPropError(
                f"{weights} was trained when {experiment.dataset} had {self.images} images, and it "
                f"has {len(folder.paths)}, from which other test images are drawn: put new test "
                "images into another folder, as train/CLASS and test/CLASS"
            )


def _are_numbered(names: tuple[str, ...]) -> bool:
    """Returns whether a data set's classes have no names but numbers."""
    return all(re.fullmatch(r"class \d+", name) for name in names)
