"""The networks: their layers, shapes and numbers of parameters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from brainprop import BrainProp, Experiment, build_model, model_for
from brainprop.datasets.table import DATASETS
from brainprop.paper import architectures_of

# Trainable parameters, added up by hand from the paper's layers: a kernel's rows x columns x
# inputs x outputs, twice the channels for each batch normalization.
CONV_28 = 9 * 1 * 32 + 64 + 9 * 32 * 32 + 64 + 14 * 14 * 32 * 500
CONV_32 = 9 * 3 * 32 + 64 + 9 * 32 * 32 + 64 + 16 * 16 * 32 * 500
LOCCON_28 = 26 * 26 * 9 * 1 * 32 + 64 + 12 * 12 * 9 * 32 * 32 + 64 + 12 * 12 * 32 * 500
LOCCON_32 = 30 * 30 * 9 * 3 * 32 + 64 + 14 * 14 * 9 * 32 * 32 + 64 + 14 * 14 * 32 * 500
DEEP_CONVOLUTIONS = 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 3 * 128 * 128) + 2 * (
    2 * 64 + 5 * 128
)
PARAMETERS = {
    ("MNIST", "dense"): 784 * 1500 + 1500 * 1000 + 1000 * 500 + 500 * 10,
    ("MNIST", "conv"): CONV_28 + 500 * 10,
    ("MNIST", "loccon"): LOCCON_28 + 500 * 10,
    ("CIFAR10", "conv"): CONV_32 + 500 * 10,
    ("CIFAR10", "loccon"): LOCCON_32 + 500 * 10,
    ("CIFAR10", "deep"): DEEP_CONVOLUTIONS + 4 * 4 * 128 * 500 + 500 * 10,
    ("CIFAR100", "conv"): CONV_32 + 500 * 100,
    ("CIFAR100", "loccon"): LOCCON_32 + 500 * 100,
    ("CIFAR100", "deep"): DEEP_CONVOLUTIONS + 4 * 4 * 128 * 500 + 500 * 100,
    ("TinyImageNet", "deep"): DEEP_CONVOLUTIONS + 8 * 8 * 128 * 500 + 500 * 200,
}
CONV_BLOCK, LOCCON_BLOCK = ["Conv2D", "BatchNorm"], ["LocallyConnected2D", "BatchNorm"]
HEAD = ["Flatten", "Dense", "Dropout", "Dense"]
LAYERS = {
    "dense": ["Flatten", "Dense", "Dense", "Dense", "Dense"],
    "conv": CONV_BLOCK * 2 + ["Dropout"] + HEAD,
    "loccon": LOCCON_BLOCK * 2 + ["Dropout"] + HEAD,
    "deep": (CONV_BLOCK * 2 + ["MaxPooling2D", "Dropout"]) * 2
    + CONV_BLOCK * 3 + ["MaxPooling2D", "Dropout"] + HEAD,
}  # fmt: skip
DROPOUT = {"dense": [], "conv": [0.3, 0.3], "loccon": [0.3, 0.3], "deep": [0.3, 0.3, 0.8, 0.3]}


def kind(layer):
    return type(layer).__name__.replace("BatchNormalization", "BatchNorm")


def test_the_networks_are_the_same_whatever_keras_is_set_to():
    shapes = [weight.shape for weight in build_model("MNIST", "conv", "EBP").weights]
    try:
        keras.config.set_image_data_format("channels_first")
        model = build_model("MNIST", "conv", "EBP")
    finally:
        keras.config.set_image_data_format("channels_last")
    assert [weight.shape for weight in model.weights] == shapes


def test_a_deterministic_model_makes_tensorflow_deterministic(monkeypatch):
    calls = []
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: calls.append("enabled")
    )
    model_for(Experiment("MNIST", "dense", "EBP"))
    assert not calls
    model_for(Experiment("MNIST", "dense", "EBP", deterministic=True))
    assert calls == ["enabled"]


def test_every_combination_of_the_paper_is_here():
    assert set(PARAMETERS) == {
        (name, architecture) for name in DATASETS for architecture in architectures_of(name)
    }


@pytest.mark.parametrize("combination", PARAMETERS, ids="-".join)
def test_layers_and_parameters(combination):
    dataset, architecture = combination
    model = build_model(dataset, architecture, "BrainProp")
    row = DATASETS[dataset]
    assert model.input_shape == (None, *row.image_shape)
    assert model.output_shape == (None, row.classes)
    assert [kind(layer) for layer in model.layers[1:]] == LAYERS[architecture]
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == PARAMETERS[combination]
    rates = [layer.rate for layer in model.layers if "Dropout" in kind(layer)]
    assert rates == DROPOUT[architecture]
    for layer in model.layers:
        if kind(layer) in ("Conv2D", "LocallyConnected2D", "Dense"):
            assert not layer.use_bias
        if kind(layer) in ("Conv2D", "LocallyConnected2D"):
            assert layer.activation is keras.activations.relu
            assert tuple(layer.kernel_size) == (3, 3)
            assert layer.padding == ("same" if kind(layer) == "Conv2D" else "valid")
        if kind(layer) == "BatchNorm":
            assert (layer.momentum, layer.epsilon) == (0.99, 1e-3)
    assert model.layers[-1].activation is keras.activations.linear


def test_conv_and_loccon_take_strides_1_and_2():
    for architecture in ("conv", "loccon"):
        model = build_model("MNIST", architecture, "EBP")
        assert [layer.strides for layer in model.layers if hasattr(layer, "strides")] == [
            (1, 1),
            (2, 2),
        ]


@pytest.mark.parametrize(("dataset", "architecture"), [("MNIST", "dense"), ("CIFAR10", "deep")])
def test_kernels_start_normal_with_the_papers_stddev(dataset, architecture):
    model = build_model(dataset, architecture, "BrainProp")
    stddev = {"dense": 0.01, "deep": 0.005}[architecture]
    kernels = [weight.numpy() for weight in model.weights if weight.path.endswith("kernel")]
    for kernel in kernels:
        standard_error = stddev / np.sqrt(kernel.size)
        assert abs(kernel.mean()) < 5 * standard_error
        assert kernel.std() == pytest.approx(stddev, rel=5 / np.sqrt(2 * kernel.size))
    # A normal distribution that is not truncated: 4.6 % lie beyond two standard deviations.
    largest = max(kernels, key=np.size)
    assert np.mean(np.abs(largest) > 2 * stddev) == pytest.approx(0.0455, abs=0.002)


def test_l2_is_on_every_kernel_of_deep_and_nowhere_else():
    deep = build_model("CIFAR10", "deep", "BrainProp")
    kernels = [weight for weight in deep.weights if weight.path.endswith("kernel")]
    assert len(kernels) == 9
    expected = 5e-4 * sum(np.sum(kernel.numpy().astype("float64") ** 2) for kernel in kernels)
    assert float(deep.penalty()) == pytest.approx(expected, rel=1e-5)
    assert not build_model("CIFAR10", "conv", "BrainProp").losses


def test_seed_decides_the_initial_weights_for_both_algorithms_alike():
    first, again, other, ebp = (
        build_model("MNIST", "conv", algorithm, seed=seed).get_weights()
        for algorithm, seed in (("BrainProp", 1), ("BrainProp", 1), ("BrainProp", 2), ("EBP", 1))
    )
    for a, b, c, d in zip(first, again, other, ebp, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, d)
        assert a.ndim == 1 or np.any(a != c)


def test_no_two_layers_share_their_random_numbers():
    model = build_model("CIFAR10", "deep", "BrainProp")
    states = [tuple(np.asarray(v)) for v in model.variables if "seed_generator" in v.path]
    assert len(states) == 5 == len(set(states))  # four dropout layers and the exploration


def test_overrides_reach_the_model():
    model = build_model(
        "MNIST", "conv", "BrainProp", exploration_rate=0, learning_rate=0.05, l2=0.1
    )
    assert isinstance(model, BrainProp)
    assert model.exploration_rate == 0
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    assert len(model.losses) == 4
    with pytest.raises(TypeError, match="momentum"):
        build_model("MNIST", "conv", "BrainProp", momentum=0.9)
    with pytest.raises(TypeError, match="a model has no halving_epochs"):
        build_model("MNIST", "conv", "BrainProp", halving_epochs=50)
