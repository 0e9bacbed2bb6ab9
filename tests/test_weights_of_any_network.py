"""Weights files of networks of one's own: every kind of layer, held to Keras 2 and Keras 3."""

import h5py
import keras
import numpy as np
import pytest

from brainprop import BrainProp, BrainPropError, build_model, load_weights, save_weights

tf_keras = pytest.importorskip("tf_keras")

# Every kind of layer with weights that Keras 2 and 3 share: the shape of its input, and its maker.
LAYERS = {
    "BatchNormalization": ((5,), lambda k: k.BatchNormalization()),
    "Bidirectional": ((4, 5), lambda k: k.Bidirectional(k.LSTM(3))),
    "Conv1D": ((6, 3), lambda k: k.Conv1D(4, 2)),
    "Conv1DTranspose": ((6, 3), lambda k: k.Conv1DTranspose(4, 2)),
    "Conv2D": ((6, 6, 4), lambda k: k.Conv2D(4, 2, groups=2)),
    "Conv2DTranspose": ((6, 6, 3), lambda k: k.Conv2DTranspose(4, 2)),
    "Conv3D": ((4, 4, 4, 2), lambda k: k.Conv3D(4, 2)),
    "Conv3DTranspose": ((4, 4, 4, 2), lambda k: k.Conv3DTranspose(4, 2)),
    "ConvLSTM1D": ((3, 5, 2), lambda k: k.ConvLSTM1D(2, 2, recurrent_activation="sigmoid")),
    "ConvLSTM2D": ((3, 5, 5, 2), lambda k: k.ConvLSTM2D(2, 2, recurrent_activation="sigmoid")),
    "ConvLSTM3D": ((3, 4, 4, 4, 2), lambda k: k.ConvLSTM3D(2, 2, recurrent_activation="sigmoid")),
    "Dense": ((5,), lambda k: k.Dense(4, activation="tanh")),
    "DepthwiseConv1D": ((6, 3), lambda k: k.DepthwiseConv1D(2, depth_multiplier=2)),
    "DepthwiseConv2D": ((6, 6, 3), lambda k: k.DepthwiseConv2D(2, depth_multiplier=2)),
    "EinsumDense": ((4, 5), lambda k: k.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d")),
    "Embedding": ((4,), lambda k: k.Embedding(7, 3)),
    "GRU": ((4, 5), lambda k: k.GRU(3)),
    "GRU, reset before": ((4, 5), lambda k: k.GRU(3, reset_after=False)),
    "GroupNormalization": ((4, 6), lambda k: k.GroupNormalization(2)),
    "LSTM": ((4, 5), lambda k: k.LSTM(3, dropout=0.1)),
    "LayerNormalization": ((5,), lambda k: k.LayerNormalization()),
    "MultiHeadAttention": ((4, 6), lambda k: Attend(k, k.MultiHeadAttention(2, 3, dropout=0.1))),
    "Attention": ((4, 6), lambda k: Attend(k, k.Attention(use_scale=True), listed=True)),
    "AdditiveAttention": ((4, 6), lambda k: Attend(k, k.AdditiveAttention(), listed=True)),
    "Normalization": ((5,), lambda k: k.Normalization()),
    "PReLU": ((5,), lambda k: k.PReLU()),
    "RNN of cells": ((4, 5), lambda k: k.RNN([k.LSTMCell(3), k.GRUCell(2)])),
    "RNN": ((4, 5), lambda k: k.RNN(k.SimpleRNNCell(2))),
    "SeparableConv1D": ((6, 3), lambda k: k.SeparableConv1D(4, 2)),
    "SeparableConv2D": ((6, 6, 3), lambda k: k.SeparableConv2D(4, 2)),
    "SimpleRNN": ((4, 5), lambda k: k.SimpleRNN(3)),
    "TimeDistributed": ((4, 5), lambda k: k.TimeDistributed(k.BatchNormalization())),
}


def Attend(layers, layer, listed=False):
    """An attention layer as one of a single input, which attends to itself."""
    return lambda x: layer([x, x]) if listed else layer(x, x)


def network(library, kind, frozen=True):
    """A network with a layer on its own, and two within a model within a model."""
    shape, make = LAYERS[kind]
    inputs = [library.Input(shape) for _ in range(3)]
    inner = library.Model(
        inputs[0], [make(library.layers)(inputs[0]), make(library.layers)(inputs[0])]
    )
    with_weights = [layer for layer in inner.layers if layer.weights]
    with_weights[0].trainable = not frozen
    middle = library.Model(inputs[1], inner(inputs[1]))
    return library.Model(inputs[2], [make(library.layers)(inputs[2]), *middle(inputs[2])])


def images(kind):
    rng = np.random.default_rng(1)
    shape = (2, *LAYERS[kind][0])
    return rng.integers(0, 7, shape) if kind == "Embedding" else rng.random(shape, "float32")


def fill(model, seed):
    """Gives a model of either library weights that let every layer matter."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.integers(20, 80, w.shape) / 100 for w in model.get_weights()])
    for layer in model._flatten_layers():
        if layer.weights and hasattr(layer, "finalize_state"):
            layer.finalize_state()


def check_same(model, other, inputs):
    """The outputs of two networks agree, and differ within each."""
    pairs = zip(outputs(model, inputs), outputs(other, inputs), strict=True)
    for a, b in pairs:
        assert np.ptp(a) > 0
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def outputs(model, inputs):
    called = model(inputs)
    return [np.asarray(x, "float32") for x in (called if isinstance(called, list) else [called])]


@pytest.mark.parametrize("kind", LAYERS)
def test_files_go_both_ways_between_here_and_both_keras(kind, tmp_path):
    ours, stock, keras_2 = network(keras, kind), network(keras, kind), network(tf_keras, kind)
    path, inputs = tmp_path / "w.h5", images(kind)

    fill(ours, 1)
    save_weights(ours, path)
    keras_2.load_weights(path)
    check_same(ours, keras_2, inputs)
    if kind != "Normalization":  # Keras 3's loader leaves nested ones without effect.
        stock.load_weights(path)
        check_same(ours, stock, inputs)

    fill(keras_2, 2)
    keras_2.save_weights(path)
    load_weights(ours, path)
    check_same(ours, keras_2, inputs)


@pytest.mark.parametrize("kind", ["Dense", "BatchNormalization", "DepthwiseConv2D"])
def test_whole_models_of_both_keras_load(kind, tmp_path):
    ours = network(keras, kind)
    for library in (keras, tf_keras):
        saved = network(library, kind)
        saved.compile("adam", ["mse"] * 3)
        fill(saved, 3)
        saved.save(tmp_path / "model.h5")
        load_weights(ours, tmp_path / "model.h5")
        check_same(ours, saved, images(kind))


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("frozen", [True, False])
def test_nested_weights_land_in_their_layers_whichever_were_frozen(library, frozen, tmp_path):
    saved, loaded = network(library, "Dense", frozen), network(keras, "Dense", not frozen)
    fill(saved, 4)
    if library is keras:
        save_weights(saved, tmp_path / "w.h5")
    else:
        saved.save_weights(tmp_path / "w.h5")
    load_weights(loaded, tmp_path / "w.h5")
    check_same(loaded, saved, images("Dense"))


def test_a_network_that_predicted_before_predicts_with_what_is_loaded(tmp_path):
    saved, loaded = network(keras, "Normalization"), network(keras, "Normalization")
    fill(saved, 5)
    save_weights(saved, tmp_path / "w.h5")
    inputs = images("Normalization")
    loaded.predict(inputs, verbose=0)
    load_weights(loaded, tmp_path / "w.h5")
    for a, b in zip(loaded.predict(inputs, verbose=0), outputs(saved, inputs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def several_inputs(library):
    """Several inputs, a shared layer, random layers, and two nested layers of one name."""
    layers = library.layers
    shared = layers.Dense(4, name="shared")
    parts = [
        library.Sequential(
            [library.Input((4,)), layers.Dense(4, name="same"), layers.Dropout(0.5)],
            name=f"part_{number}",
        )
        for number in range(2)
    ]
    inputs = [library.Input((5,), name=name) for name in "ab"]
    hidden = [part(shared(x)) for part, x in zip(parts, inputs, strict=True)]
    within = library.Model(inputs, layers.Add()(hidden), name="within")
    inputs = [library.Input((5,), name=name) for name in "cd"]
    noisy = [layers.GaussianNoise(0.1)(x) for x in inputs]
    return inputs, layers.Dense(3)(within(noisy))


def test_several_inputs_shared_layers_and_layers_of_one_name(tmp_path):
    ours, keras_2 = BrainProp(*several_inputs(keras)), tf_keras.Model(*several_inputs(tf_keras))
    inputs = list(np.random.default_rng(1).random((2, 3, 5)).astype("float32"))
    fill(ours, 1)
    save_weights(ours, tmp_path / "w.h5")
    for reader in (keras_2, keras.Model(*several_inputs(keras))):
        reader.load_weights(tmp_path / "w.h5")
        check_same(ours, reader, inputs)
    another = BrainProp(*several_inputs(keras))
    load_weights(another, tmp_path / "w.h5")
    check_same(ours, another, inputs)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_dtypes(dtype, tmp_path):
    def dense(library):
        inputs = library.Input((3,))
        return library.Model(inputs, library.layers.Dense(2, dtype=dtype)(inputs))

    ours, loaded, keras_2 = dense(keras), dense(keras), dense(tf_keras)
    path, inputs = tmp_path / "w.h5", np.ones((2, 3), dtype="float32")
    fill(ours, 1)
    save_weights(ours, path)
    load_weights(loaded, path)
    for a, b in zip(ours.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    keras_2.load_weights(path)
    np.testing.assert_array_equal(outputs(ours, inputs), outputs(keras_2, inputs))


def test_integers_and_single_numbers_come_back_and_no_others_fit(tmp_path):
    saved, loaded = network(keras, "Normalization"), network(keras, "Normalization")
    saved.layers[1].adapt(np.arange(15).reshape(3, 5))
    save_weights(saved, tmp_path / "w.h5")
    load_weights(loaded, tmp_path / "w.h5")
    for a, b in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        counts = []
        file.visit(lambda name: counts.append(name) if name.endswith("count:0") else None)
        del file[counts[0]]
        file[counts[0]] = 1.5
    with pytest.raises(BrainPropError, match="where the weights are integers"):
        load_weights(loaded, tmp_path / "w.h5")


class Scaled(keras.Model):
    """A subclassed model with a weight of its own, and two layers of one name."""

    def __init__(self):
        super().__init__(name="scaled")
        self.first = keras.layers.Dense(3, name="same")
        self.second = keras.layers.Dense(3, name="same")

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(3,))
        self.first.build(shape)
        self.second.build((None, 3))
        self.built = True

    def call(self, inputs):
        return self.second(self.first(inputs)) * self.scale


def test_subclassed_models(tmp_path):
    saved, loaded, stock = Scaled(), Scaled(), Scaled()
    inputs = np.ones((2, 4), "float32")
    with pytest.raises(BrainPropError, match="scaled has no weights yet"):
        save_weights(saved, tmp_path / "w.h5")
    for model in (saved, loaded, stock):
        model(inputs)
    fill(saved, 1)
    save_weights(saved, tmp_path / "w.h5")
    assert load_weights(loaded, tmp_path / "w.h5") == "same_1"
    stock.load_weights(tmp_path / "w.h5")
    check_same(saved, loaded, inputs + np.eye(2, 4, dtype="float32"))
    check_same(saved, stock, inputs + np.eye(2, 4, dtype="float32"))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.IntegerLookup(),
        lambda: keras.layers.Discretization(num_bins=3),
    ],
    ids=["vocabulary", "bins"],
)
def test_state_that_is_no_weight_is_refused(layer, tmp_path):
    adapted = layer()
    adapted.adapt(np.arange(12))
    model = keras.Sequential([keras.Input((4,)), adapted])
    with pytest.raises(BrainPropError, match=r"Keras's own .*model\.save_weights") as caught:
        save_weights(model, tmp_path / "w.h5")
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [{"output_mode": "multi_hot"}, {"output_mode": "tf_idf", "idf_weights": [1.0, 2.0, 3.0]}],
    ids=lambda options: options["output_mode"],
)
def test_state_that_the_network_is_built_with_is_not_refused(options, tmp_path):
    layers = [
        keras.layers.IntegerLookup(vocabulary=[1, 2, 3], **options),
        keras.layers.Dense(2),
    ]
    model = keras.Sequential([keras.Input((4,), dtype="int32"), *layers])
    save_weights(model, tmp_path / "w.h5")
    saved = model.get_weights()
    fill(model, 1)
    load_weights(model, tmp_path / "w.h5")
    np.testing.assert_array_equal(model.get_weights()[0], saved[0])


def test_a_large_network_of_both_keras(tmp_path):
    """MobileNetV2 within another network, as for fine-tuning."""

    def fine_tuned(library, frozen):
        backbone = library.applications.MobileNetV2(
            (32, 32, 3), alpha=0.35, weights=None, include_top=False, pooling="avg"
        )
        for layer in backbone.layers[:frozen]:
            layer.trainable = False
        inputs = library.Input((32, 32, 3))
        return inputs, library.layers.Dense(3)(backbone(inputs))

    ours = BrainProp(*fine_tuned(keras, frozen=100))
    keras_2 = tf_keras.Model(*fine_tuned(tf_keras, frozen=100))
    inputs = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
    save_weights(ours, tmp_path / "w.h5")
    keras_2.load_weights(tmp_path / "w.h5")
    check_same(ours, keras_2, inputs)
    fill(keras_2, 1)
    keras_2.save_weights(tmp_path / "w.h5")
    load_weights(ours, tmp_path / "w.h5")
    thawed = BrainProp(*fine_tuned(keras, frozen=0))
    load_weights(thawed, tmp_path / "w.h5")
    for a, b, c in zip(*(m.get_weights() for m in (ours, keras_2, thawed)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    other = build_model("MNIST", "dense", "BrainProp")
    with pytest.raises(BrainPropError) as caught:
        load_weights(other, tmp_path / "w.h5")
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
