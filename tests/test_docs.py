"""The commands in README and docs are such as the programs take, and extensions as shown work."""

import dataclasses
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from brainprop import cli, experiments
from brainprop.datasets.table import DATASETS
from brainprop.experiments import Experiment
from brainprop.networks import models
from brainprop.outputs import plots
from brainprop.reproduce import command as reproduce
from brainprop.rules import learning_rules

PROJECT = Path(__file__).parents[1]
EXTENDING = PROJECT / "docs/extending.md"  # Its commands are for what is not there yet.
PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("weights/*.md")]
PAGES.remove(EXTENDING)
PARSERS = {"main.py": cli._parser, "brainprop.reproduce": reproduce._parser}


def commands() -> list[tuple[str, ...]]:
    """The words after `python` of every command, placeholders left out."""
    found = set()
    for page in PAGES:
        for line in re.findall(
            r"(?:^ {4}|`|^|^srun )(?:\S*/)?python ([^`\n]+)", page.read_text(), re.M
        ):
            words = [word for word in shlex.split(line, comments=True) if word != "$@"]
            if words[0] in ("main.py", "tinyimagenet.py", "-m") and "DATASET" not in words:
                found.add(tuple(words))
    return sorted(found)


def blocks(page: Path) -> list[str]:
    """The Python code on a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.S)


@cache
def help_of(*program: str) -> str:
    result = subprocess.run(
        [sys.executable, *program, "--help"], capture_output=True, text=True, cwd=PROJECT
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_programs_take_the_commands_in_the_docs(words):
    program, arguments = (words[:2], words[2:]) if words[0] == "-m" else (words[:1], words[1:])
    if program == ("-m", "examples.digits"):
        assert not arguments  # It takes none; test_examples.py runs it.
        return
    told = help_of(*program)
    for option in (word for word in arguments if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}\b", told), option
    parser = PARSERS.get(program[-1])
    if parser and "--help" not in arguments:
        seeds = [word.replace("$SLURM_ARRAY_TASK_ID", "1") for word in arguments]
        given = parser().parse_args(seeds)
        if program == ("main.py",):
            Experiment(**cli.settings_given(given))


def test_commands_are_found_in_each_place():
    found = {" ".join(words) for words in commands()}
    assert "main.py CIFAR10 deep BrainProp -s" in found  # README, indented
    assert "-m brainprop.reproduce --dry-run" in found  # docs, with a comment behind it
    assert any("SLURM_ARRAY_TASK_ID" in words for words in found)  # docs, in a script


def test_an_architecture_and_an_algorithm_can_be_added_as_shown(monkeypatch):
    architecture, _, rule, algorithm, variant, variants_row = blocks(EXTENDING)
    wide = eval(f"{{{architecture}}}", vars(experiments))
    monkeypatch.setattr(experiments, "ARCHITECTURES", experiments.ARCHITECTURES | wide)
    monkeypatch.setattr(models, "ARCHITECTURES", experiments.ARCHITECTURES)
    mnist = DATASETS["MNIST"]
    row = dataclasses.replace(mnist, architectures=(*mnist.architectures, "wide"))
    monkeypatch.setitem(DATASETS, "MNIST", row)
    exec(rule + variant, vars(learning_rules))
    added = eval(f"{{{algorithm}{variants_row}}}", vars(experiments))
    name, variants_name = added
    for algorithm in added:
        monkeypatch.setitem(experiments.ALGORITHMS, algorithm, added[algorithm])

    keras.utils.set_random_seed(1)  # Which `fit` shuffles by.
    model = models.build_model("MNIST", "wide", name)
    rng = np.random.default_rng(1)
    images, labels = rng.random((20, 28, 28, 1), "float32"), rng.integers(10, size=20)
    before = model.evaluate(images, labels, verbose=0, return_dict=True)["loss"]
    model.fit(images, labels, epochs=5, verbose=0)
    one_hot = np.eye(10)[labels]
    penalty = sum(1e-4 * np.sum(w.numpy() ** 2) for w in model.weights if w.name == "kernel")
    errors = np.sum((model.predict(images, verbose=0) - one_hot) ** 2, axis=-1)
    after = model.evaluate(images, labels, verbose=0, return_dict=True)["loss"]
    assert after == pytest.approx(np.mean(errors) / 2 + penalty, rel=1e-4)
    assert after < before
    assert experiments.algorithm_of(model.layers[-1].name) == name
    curves = {name: [[50, 90]], "EBP": [[60, 80]]}
    (legend,) = plots.learning_curves_figure({"MNIST, wide": curves}).legends
    assert {text.get_text() for text in legend.get_texts()} == set(curves)

    model = models.build_model("MNIST", "wide", variants_name, seed=5)
    assert model.seed == 5 and isinstance(model, learning_rules.BrainProp)
    selected = model.select_class(np.tile([[0.1, 0.0, -2.0]], (1000, 1)))
    share = 1 / (1 + np.exp(-1))  # Of the first class, since the last has next to none.
    assert np.mean(np.equal(selected, 0)) == pytest.approx(share, abs=0.06)
    model.fit(images, labels, epochs=1, verbose=0)
    assert experiments.algorithm_of(model.layers[-1].name) == variants_name


def test_the_programs_in_the_readme_run(tmp_path, monkeypatch):
    """On a few images."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(1)
    names = {}
    for program in blocks(PROJECT / "README.md"):
        program = program.replace('load_data("MNIST")', 'load_data("MNIST", None, 1280, 256)')
        program = program.replace("batch_size=128, epochs=10", "batch_size=16, epochs=10")
        few = "epochs=2, max_train_samples=1280, max_eval_samples=256"
        exec(program.replace("epochs=20", few), names)
    assert (tmp_path / "weights.h5").exists() and names["run"].epochs == 2
    accuracy = names["model"].history.history["accuracy"]  # Of a network of one's own.
    assert accuracy[-1] > 0.5
