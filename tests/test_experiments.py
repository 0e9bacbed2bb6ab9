"""The table rows against the paper's setup."""

import dataclasses
import json

import numpy as np
import pytest

from brainprop import build_model
from brainprop.common.errors import BrainPropError
from brainprop.datasets.table import DATASETS
from brainprop.experiments import Experiment, data_for
from brainprop.paper import ARCHITECTURES, architectures_of

COMBINATIONS = {
    "MNIST": ("dense", "loccon", "conv"),
    "CIFAR10": ("loccon", "conv", "deep"),
    "CIFAR100": ("loccon", "conv", "deep"),
    "TinyImageNet": ("deep",),
}


def test_data_sets_go_with_the_papers_architectures():
    assert {name: architectures_of(name) for name in DATASETS} == COMBINATIONS
    assert {name: (row.image_shape, row.classes) for name, row in DATASETS.items()} == {
        "MNIST": ((28, 28, 1), 10),
        "CIFAR10": ((32, 32, 3), 10),
        "CIFAR100": ((32, 32, 3), 100),
        "TinyImageNet": ((64, 64, 3), 200),
    }


@pytest.mark.parametrize("algorithm", ["BrainProp", "EBP"])
@pytest.mark.parametrize("dataset", COMBINATIONS)
def test_defaults_are_the_papers(dataset, algorithm):
    for architecture in COMBINATIONS[dataset]:
        experiment = Experiment(dataset, architecture, algorithm)
        assert dataclasses.asdict(experiment) == {
            "dataset": dataset,
            "architecture": architecture,
            "algorithm": algorithm,
            "seed": 1,
            "epochs": 500,
            "patience": 45,
            "min_delta": 0.001,
            "learning_rate": 0.1,
            "halving_epochs": 100,
            "batch_size": 32 if architecture == "loccon" else 128,
            "kernel_stddev": 0.01 if architecture == "dense" else 0.005,
            "l2": 5e-4 if architecture == "deep" else 0,
            "exploration_rate": 0.02,
            "reward_noise": 0,
            "max_train_samples": None,
            "max_eval_samples": None,
            "classes": None,
            "image_size": None,
            "validation_split": 0,
            "mixed_precision": False,
            "jit_compile": False,
            "deterministic": False,
            "feedback": "symmetric",
            "rule_arguments": (),
        }


def test_learning_rate_halves_after_every_100_epochs():
    experiment = Experiment("MNIST", "conv", "BrainProp")
    rates = {epoch: experiment.learning_rate_at(epoch) for epoch in (0, 99, 100, 199, 200, 499)}
    assert rates == {0: 0.1, 99: 0.1, 100: 0.05, 199: 0.05, 200: 0.025, 499: 0.00625}


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_combinations_are_refused_with_a_list(dataset, architecture):
    if architecture in COMBINATIONS[dataset]:
        Experiment(dataset, architecture, "EBP")
    else:
        with pytest.raises(BrainPropError, match=", ".join(COMBINATIONS[dataset])):
            Experiment(dataset, architecture, "EBP")


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("cifar-10", "deep", "EBP"), "did you mean CIFAR10"),
        (("mnst", "conv", "EBP"), "did you mean MNIST"),
        (("MNIST", "convs", "EBP"), "did you mean conv"),
        (("MNIST", "conv", "brain-prop"), "did you mean BrainProp"),
        (("tiny_imagenet", "deep", "EBP"), "did you mean TinyImageNet"),
        (("ImageNet-21k-full", "deep", "EBP"), "MNIST, CIFAR10, CIFAR100, TinyImageNet"),
    ],
)
def test_unknown_names_are_met_with_the_nearest(names, hint):
    with pytest.raises(BrainPropError, match=hint):
        Experiment(*names)


def test_names_are_taken_in_any_case():
    experiment = Experiment("cifar10", "DEEP", "brainprop")
    assert experiment == Experiment("CIFAR10", "deep", "BrainProp")
    assert experiment.name == "CIFAR10_deep_BrainProp"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", 0),
        ("batch_size", -1),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("patience", 0),
        ("seed", -1),
        ("seed", 2**40),
        ("seed", True),
        ("exploration_rate", 1.5),
        ("max_train_samples", 0),
        ("l2", -1e-4),
        ("kernel_stddev", "0.005"),
        ("jit_compile", "yes"),
    ],
)
def test_numbers_out_of_range_are_named(name, value):
    with pytest.raises(BrainPropError, match=name):
        Experiment("MNIST", "conv", "BrainProp", **{name: value})


def test_a_batch_may_have_all_images_that_a_validation_split_leaves():
    """Of 60,000 images, 6,000; in floating point, 60,000 * (1 - 0.9) is a little less."""
    settings = {"validation_split": 0.9, "max_eval_samples": 10}
    (images, _), _ = data_for(Experiment("MNIST", "dense", "EBP", batch_size=6000, **settings))
    assert len(images) == 60_000
    with pytest.raises(BrainPropError, match="batch_size .*from 1 to 6000, not 6001"):
        data_for(Experiment("MNIST", "dense", "EBP", batch_size=6001, **settings))


def test_numpys_numbers_become_pythons():
    """Which JSON and Keras's seeds take."""
    given = {"seed": np.int64(3), "batch_size": np.int32(8), "learning_rate": np.float32(0.5)}
    experiment = Experiment("MNIST", "conv", "BrainProp", l2=0, **given)
    assert json.loads(json.dumps(experiment.settings())) == experiment.settings()
    assert experiment == Experiment(
        "MNIST", "conv", "BrainProp", seed=3, batch_size=8, learning_rate=0.5, l2=0.0
    )
    build_model("MNIST", "dense", "BrainProp", seed=np.int64(3))
