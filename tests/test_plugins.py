"""Plugins: the examples work from the command line and from Python, and bad ones end in a line."""

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from made_up_runs import write_run
from PIL import Image

from brainprop import (
    EBP,
    BrainProp,
    BrainPropError,
    Experiment,
    build_model,
    cli,
    load_data,
    load_plugin,
    options,
    register_algorithm,
    register_architecture,
)
from brainprop.common.plugins import LOADED
from brainprop.paper import ALGORITHMS, ARCHITECTURES, algorithm_of, architectures_of
from brainprop.reproduce import cluster
from brainprop.reproduce import command as reproduce
from brainprop.reproduce.figures import curves_figure
from brainprop.reproduce.rows import read_results, table_rows
from brainprop.training import checkpoints

PROJECT = Path(__file__).parents[1]
PLUGINS = PROJECT / "examples/plugins"
FEW = ("--epochs", "1", "--max-train-samples", "128", "--max-eval-samples", "64")


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(PROJECT)


def run(*arguments) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as exit:  # argparse ends the program itself
        return exit.code


def test_help_lists_what_a_plugin_adds_and_an_architecture_needs_no_tensorflow(capsys):
    probe = (
        "import brainprop, sys; brainprop.load_plugin('examples/plugins/architectures.py');"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=PROJECT).returncode == 0
    plugins = ("--plugin", PLUGINS / "architectures.py", "--plugin", PLUGINS / "algorithms.py")
    assert run(*plugins, "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    for added in (
        "dense, loccon, conv, deep, pooled, residual",
        "BrainProp, EBP, MeanSquaredError, Boltzmann",
        "--temperature X argument of an algorithm (default: Boltzmann 0.1)",
        "TinyImageNet: deep, residual",
    ):
        assert added in told


def test_a_run_with_plugins_names_them_and_its_weights_name_their_algorithm(tmp_path, capsys):
    plugins = ("--plugin", PLUGINS / "architectures.py", "--plugin", PLUGINS / "algorithms.py")
    row = ("mnist", "pooled", "boltzmann", *plugins, *FEW)
    watched = ("-s", "--output-dir", tmp_path, "--checkpoint-dir", tmp_path / "c")
    assert run(*row, "--temperature", "0.2", *watched) == 0
    told = json.loads((tmp_path / "MNIST_pooled_Boltzmann_history.json").read_text())
    assert told["plugins"] == ["architectures.py", "algorithms.py"]
    assert told["settings"]["rule_arguments"] == {"temperature": 0.2}
    assert told["settings"]["l2"] == 1e-4
    (checkpoint,) = checkpoints.paths(tmp_path / "c")
    assert checkpoints.load(checkpoint).plugins == told["plugins"]
    assert run(*row, *watched, "--resume") == 2  # At another temperature.
    assert "rule_arguments {'temperature': 0.2} there" in capsys.readouterr().err
    weights = tmp_path / "MNIST_pooled_Boltzmann_weights.h5"
    assert run("MNIST", "pooled", "EBP", *plugins, *FEW[2:], "-l", weights) == 0
    assert f"{weights}: trained with Boltzmann; the weights fit EBP too" in capsys.readouterr().out
    del ALGORITHMS["Boltzmann"]
    assert algorithm_of("output_of_Boltzmann") == "Boltzmann"
    LOADED.clear()
    assert run("--config", tmp_path / "MNIST_pooled_Boltzmann_history.json") == 2
    assert "is of a run with --plugin architectures.py --plugin algo" in capsys.readouterr().err


def test_an_architecture_of_any_layers_is_decided_by_the_seed():
    load_plugin(PLUGINS / "architectures.py")
    assert architectures_of("TinyImageNet") == ("deep", "residual")
    state = random.getstate()
    first, again, other = (
        build_model("CIFAR10", "residual", "EBP", seed=seed, l2=0.1) for seed in (1, 1, 2)
    )
    assert random.getstate() == state
    for a, b, c in zip(first.weights, again.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert "kernel" not in a.path or np.any(a.numpy() != c.numpy())
    kernels = [weight.numpy() for weight in first.weights if weight.name == "kernel"]
    assert len(kernels) == 11 == len(first.losses)
    assert np.std(kernels[-2]) == pytest.approx(0.05, rel=0.05)


def test_layers_without_a_seed_get_one_from_the_experiment():
    def build(images, blocks):
        hidden = keras.layers.Dense(7, kernel_initializer="he_normal")(
            keras.layers.Flatten()(images)
        )
        return keras.layers.Dropout(0.5)(hidden)

    register_architecture("plain", build=build)
    one, same = (build_model("MNIST", "plain", "EBP") for _ in range(2))
    for a, b in zip(one.variables, same.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_data_set_trains_and_its_classes_are_named(tmp_path, capsys):
    pytest.importorskip("sklearn")
    row = ("digits", "conv", "BrainProp", "--plugin", PLUGINS / "datasets.py", "--batch-size", "16")
    assert run(*row, "--epochs", "7", "-s", "--output-dir", tmp_path) == 0
    told = json.loads((tmp_path / "Digits_conv_BrainProp_history.json").read_text())
    assert told["best_val_accuracy"] > 0.85
    _, (images, labels) = load_data("Digits")
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "digit.png")
    capsys.readouterr()
    weights = tmp_path / "Digits_conv_BrainProp_weights.h5"
    assert run(*row, "-l", weights, "--predict", tmp_path / "digit.png") == 0
    best = capsys.readouterr().out.splitlines()[2:]
    assert re.fullmatch(rf" +\d\.\d{{4}}  {labels[0]}", best[0]) and len(best) == 5


def test_an_algorithm_is_defined_by_its_loss(tmp_path):
    load_plugin(PLUGINS / "algorithms.py")
    model = build_model("MNIST", "dense", "MeanSquaredError", l2=1e-4)
    rng = np.random.default_rng(1)
    images, labels = rng.random((20, 28, 28, 1), "float32"), rng.integers(10, size=20)
    before = model.evaluate(images, labels, verbose=0, return_dict=True)["loss"]
    for _ in range(5):
        model.train_on_batch(images, labels)
    after = model.evaluate(images, labels, verbose=0, return_dict=True)["loss"]
    errors = np.sum((model(images) - np.eye(10)[labels]) ** 2, axis=-1)
    penalty = sum(1e-4 * np.sum(weight.numpy() ** 2) for weight in model.weights)
    assert after == pytest.approx(np.mean(errors) / 2 + penalty, rel=1e-4)
    assert after < before
    one_hot = model.evaluate(images, np.eye(10)[labels], verbose=0, return_dict=True)["loss"]
    assert one_hot == pytest.approx(after, rel=1e-6)
    assert algorithm_of(model.layers[-1].name) == "MeanSquaredError"
    names = {"MeanSquaredError", "EBP"}
    for name in names:
        write_run(tmp_path, Experiment("MNIST", "dense", name), [0.5, 0.9])
    (legend,) = curves_figure(table_rows(read_results(tmp_path))).legends
    assert {text.get_text() for text in legend.get_texts()} == names


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_a_variant_of_brainprop_takes_arguments_of_its_own(temperature, tmp_path):
    load_plugin(PLUGINS / "algorithms.py")
    model = build_model("MNIST", "dense", "Boltzmann", seed=5, temperature=temperature)
    assert isinstance(model, BrainProp) and model.seed == 5 and model.exploration_rate == 0.02
    q_values = np.tile([[0.1, 0.0, -9.0]], (2000, 1))
    share = 1 / (1 + np.exp(-0.1 / temperature))  # Of the first class; the last has none.
    assert np.mean(np.equal(model.select_class(q_values), 0)) == pytest.approx(share, abs=0.05)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").temperature == temperature
    with pytest.raises(TypeError, match="no warmth"):
        build_model("MNIST", "dense", "Boltzmann", warmth=1)


def test_an_experiment_fills_in_and_checks_the_arguments_of_an_algorithm():
    load_plugin(PLUGINS / "algorithms.py")
    usual = Experiment("MNIST", "conv", "Boltzmann")
    assert usual.settings()["rule_arguments"] == {"temperature": 0.1} and not usual.overrides()
    other = Experiment("MNIST", "conv", "Boltzmann", rule_arguments={"temperature": 1})
    assert other.overrides() == {"temperature": 1.0} and hash(other) != hash(usual)
    assert Experiment(**json.loads(json.dumps(other.settings()))) == other
    for algorithm, arguments in (
        ("EBP", {"temperature": 1}), ("Boltzmann", {"temperature": "hot"}), ("Boltzmann", {"x": 1}),
        ("Boltzmann", {"temperature": math.inf}), ("Boltzmann", {"temperature": 10**400}),
    ):  # fmt: skip
        with pytest.raises(BrainPropError, match="temperature|x"):
            Experiment("MNIST", "conv", algorithm, rule_arguments=arguments)


def test_a_run_of_other_defaults_is_not_this_one(tmp_path, capsys):
    register_architecture("mine", (("flatten",),), kernel_stddev=0.1)
    write_run(tmp_path, Experiment("MNIST", "mine", "EBP"), [0.5, 0.9])
    row = ("--datasets", "MNIST", "--architectures", "mine", "--algorithms", "EBP")
    chosen = (*row, "--seeds", "1", "--results", str(tmp_path))
    assert reproduce.main([*chosen]) == 0
    register_architecture("mine", (("flatten",),), kernel_stddev=0.3)
    capsys.readouterr()
    assert reproduce.main([*chosen]) != 0
    assert "is of kernel_stddev 0.1: give this run another folder" in capsys.readouterr().err


def test_two_algorithms_can_have_an_argument_of_one_name_and_different_kinds():
    register_algorithm("Whole", EBP, share=1)
    register_algorithm("Part", EBP, share=0.5, depth=2.0)
    names = ["--datasets", "MNIST", "--architectures", "dense", "--seeds", "1", "--algorithms"]
    for algorithm, text, shares in (("Whole", "2,3", [2, 3]), ("Part", "0.25,2", [0.25, 2.0])):
        words = [*names, algorithm, "--sweep", f"share={text}"]
        runs = reproduce._experiments(reproduce._parser().parse_args(words))
        assert [dict(run.rule_arguments)["share"] for run in runs] == shares
        one = reproduce._parser().parse_args([*names, algorithm, "--share", text.split(",")[0]])
        assert reproduce._experiments(one) == runs[:1]


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (("part", "--depth", "4"), {"share": 0.25, "depth": 4.0}),
        (("Part",), {"share": 0.25, "depth": 3.0}),
        (("Whole", "--share", "2"), {"share": 2}),
        (("EBP",), {}),
    ],
)
def test_the_arguments_of_an_algorithm_in_a_configuration_go_with_that_algorithm(
    words, own, tmp_path
):
    register_algorithm("Whole", EBP, share=1)
    register_algorithm("Part", EBP, share=0.5, depth=2.0)
    earlier = Experiment("MNIST", "dense", "Part", rule_arguments={"share": 0.25, "depth": 3})
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(earlier.settings()))
    arguments = options.parse(cli._parser, ["MNIST", "dense", *words, "--config", str(file)])
    assert dict(options.experiment_of(arguments).rule_arguments) == own


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("x = (", "fails (SyntaxError: "),
        ("\n\nimport nothing_of_this_name", "in line 3 (ModuleNotFoundError: "),
        ("import brainprop\nbrainprop.register_architecture('CONV')", "'CONV' is the paper's"),
        ("import brainprop\nbrainprop.register_architecture('a/b')", "'a/b': give a name of"),
        (
            "from brainprop import *\nregister_algorithm('mine', EBP, seed=1)",
            "an argument seed, and there is an option of this name",
        ),
        ("from brainprop import *\nregister_algorithm('mine', EBP, x='1')", "x of mine must have"),
    ],
)
def test_a_bad_plugin_ends_in_one_line(code, hint, tmp_path, capsys):
    plugin = tmp_path / "mine.py"
    plugin.write_text(code)
    assert run("MNIST", "conv", "EBP", "--plugin", plugin) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and hint in error
    if "option" not in hint:
        assert not LOADED
        with pytest.raises(BrainPropError, match="mine.py"):
            run("MNIST", "conv", "EBP", "--plugin", plugin, "--debug")


BAD_PARTS = {
    "a block that is none": (
        "register_architecture('mine', (('cnv', 3), ('flatten',)))",
        "mine with EBP cannot be built for images of shape (28, 28, 1) ('Blocks' object has no",
    ),
    "no argument": ("register_architecture('mine', (('conv',),))", "missing 1 required positional"),
    "no vector": ("register_architecture('mine', (('conv', 3),))", "of shape (batch, classes)"),
    "a function": (
        "def build(images, blocks):\n  return images.none\n"
        "register_architecture('mine', build=build)",
        "the plugin mine.py fails in line 3 (AttributeError: ",
    ),
    "no arguments of Keras": (
        "class Mine(EBP):\n  def __init__(self, inputs, outputs):\n"
        "    super().__init__(inputs, outputs)\nregister_algorithm('Mine', Mine)",
        "unexpected keyword argument 'name'",
    ),
    "a step": (
        "class Mine(EBP):\n  def trial_losses(self, labels, outputs):\n    return outputs.none\n"
        "register_algorithm('Mine', Mine)",
        "the plugin mine.py fails in line 4 (AttributeError: ",
    ),
}


@pytest.mark.parametrize(("code", "hint"), BAD_PARTS.values(), ids=BAD_PARTS)
def test_what_a_plugin_registers_can_fail_later_and_a_sweep_goes_on(code, hint, tmp_path, capsys):
    plugin = tmp_path / "mine.py"
    plugin.write_text(f"from brainprop import *\n{code}")
    row = ("mine", "EBP") if "architecture" in code else ("dense", "Mine")
    assert run("MNIST", *row, *FEW, "--plugin", plugin) == 2
    assert hint in capsys.readouterr().err.splitlines()[-1]
    if hint.startswith("the plugin"):
        with pytest.raises(AttributeError):
            run("MNIST", *row, *FEW, "--plugin", plugin, "--debug")
    capsys.readouterr()
    sweep = ["--datasets", "MNIST", "--architectures", row[0], "--algorithms", row[1]]
    results = ["--seeds", "1-2", "--plugin", str(plugin), "--results", str(tmp_path)]
    assert reproduce.main([*sweep, *FEW, *results]) == 2
    output = capsys.readouterr()
    assert output.err.count(hint) == 2 and output.out.endswith("2 runs: 2 failed\n")


def test_a_plugin_that_cannot_be_read_ends_in_one_line(capsys):
    for plugin in ("missing.py", "tests"):
        assert run("MNIST", "conv", "EBP", "--plugin", plugin) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and plugin in error


def test_a_plugin_runs_once_and_what_it_writes_is_seen(tmp_path, capfd):
    plugin = tmp_path / "mine.py"
    plugin.write_text("import sys; print('out'); print('err', file=sys.stderr)")
    assert load_plugin(plugin) == load_plugin(str(plugin)) == plugin.resolve()
    assert capfd.readouterr() == ("out\n", "err\n")


def test_a_name_can_be_registered_again():
    register_architecture("mine", (("flatten",),))
    register_architecture("mine", (("flatten",), ("dense", 5)))
    assert len(ARCHITECTURES["mine"].layers) == 2
    register_algorithm("mine", BrainProp, activation_name="value")
    assert ALGORITHMS["mine"].arguments == ALGORITHMS["BrainProp"].arguments
    register_algorithm("logits", EBP)
    assert ALGORITHMS["logits"].activation_name == "logit" and not ALGORITHMS["logits"].arguments
    model = build_model("MNIST", "mine", "mine", exploration_rate=0.5)
    assert model.exploration_rate == 0.5


def test_whole_tables_and_their_workers_take_plugins_along(monkeypatch, tmp_path):
    chosen = ("--architectures", "pooled", "--plugin", str(PLUGINS / "architectures.py"))
    runs = reproduce._experiments(options.parse(reproduce._parser, chosen))
    assert {run.row for run in runs} == {("MNIST", "pooled", a) for a in ("BrainProp", "EBP")}
    (plugin,) = LOADED
    del ARCHITECTURES["pooled"]
    LOADED.clear()
    monkeypatch.setattr("tensorflow.config.threading.set_intra_op_parallelism_threads", id)
    attempt = reproduce.Attempt(reproduce.Status.FINISHED, "")
    monkeypatch.setattr(cluster, "complete", lambda *_: attempt)
    assert cluster._complete(runs[0], tmp_path, None, 1, 0, [plugin]) == attempt
    assert "pooled" in ARCHITECTURES
