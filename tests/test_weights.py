"""Weights files: Keras 2's layout, both ways, and files that are at fault."""

import h5py
import keras
import numpy as np
import pytest

from brainprop import BrainPropError, build_model, load_weights, save_weights

NETWORKS = [
    ("MNIST", "dense", "BrainProp"),
    ("MNIST", "loccon", "EBP"),
    ("CIFAR10", "conv", "BrainProp"),
    ("CIFAR10", "deep", "EBP"),
]


def images_for(model, count=3):
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(0).random(shape, "float32")


def randomize(model, seed=0):
    """Weights of a size that lets every layer matter, moving statistics included."""
    rng = np.random.default_rng(seed)
    values = [rng.uniform(0.01, 0.05, weight.shape) for weight in model.weights]
    model.set_weights(values)


@pytest.fixture(scope="module")
def conv():
    model = build_model("MNIST", "conv", "BrainProp")
    randomize(model)
    return model


@pytest.fixture
def file(conv, tmp_path):
    path = tmp_path / "weights.h5"
    save_weights(conv, path)
    return path


@pytest.mark.parametrize("network", NETWORKS, ids="-".join)
def test_saved_weights_give_the_same_predictions_bit_for_bit(network, tmp_path):
    saved, loaded = build_model(*network, seed=1), build_model(*network, seed=2)
    randomize(saved)
    images = images_for(saved)
    save_weights(saved, tmp_path / "w.h5")
    load_weights(loaded, tmp_path / "w.h5")
    np.testing.assert_array_equal(
        saved.predict(images, verbose=0), loaded.predict(images, verbose=0)
    )


def test_layout_is_that_of_keras_2(conv, file):
    with h5py.File(file) as h5:
        assert h5.attrs["backend"] == b"tensorflow"
        assert h5.attrs["keras_version"].startswith(b"2.")
        layers = [name.decode() for name in h5.attrs["layer_names"]]
        names = {
            layer: [name.decode() for name in h5[layer].attrs["weight_names"]] for layer in layers
        }
        weights = {name: h5[layer][name][()] for layer in layers for name in names[layer]}
    assert layers == [layer.name for layer in conv.layers]
    first, norm = conv.layers[1].name, conv.layers[2].name
    assert names[first] == [f"{first}/kernel:0"]
    assert names[norm] == [
        f"{norm}/{name}:0" for name in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    assert names[conv.layers[-1].name] == ["brain_prop_layer/kernel:0"]
    assert any(not names[layer] for layer in layers)  # layers without weights are listed too
    for stored, weight in zip(weights.values(), conv.weights, strict=True):
        np.testing.assert_array_equal(stored, weight.numpy())


def keras_2_network(tf_keras, model):
    """The same network in Keras 2, made from the layers of one in Keras 3."""
    classes = {
        "Conv2D": tf_keras.layers.Conv2D,
        "BatchNormalization": tf_keras.layers.BatchNormalization,
        "LocallyConnected2D": tf_keras.layers.LocallyConnected2D,
        "Dense": tf_keras.layers.Dense,
        "Flatten": tf_keras.layers.Flatten,
        "MaxPooling2D": tf_keras.layers.MaxPooling2D,
    }
    options = ("filters", "kernel_size", "strides", "padding", "units", "use_bias", "activation")
    twin = tf_keras.Sequential([tf_keras.Input(model.input_shape[1:])])
    for layer in model.layers[1:]:
        kind = type(layer).__name__
        if "Dropout" in kind:
            twin.add(tf_keras.layers.Dropout(layer.rate))
            continue
        config = {k: v for k, v in layer.get_config().items() if k in options}
        if kind in ("BatchNormalization", "Flatten", "MaxPooling2D"):
            config = {}
        twin.add(classes[kind](**config))
    return twin


@pytest.mark.parametrize("network", NETWORKS, ids="-".join)
def test_files_go_both_ways_between_here_and_keras_2(network, tmp_path):
    tf_keras = pytest.importorskip("tf_keras")
    model = build_model(*network)
    twin = keras_2_network(tf_keras, model)
    images = images_for(model)

    randomize(model, seed=1)
    save_weights(model, tmp_path / "ours.h5")
    twin.load_weights(tmp_path / "ours.h5")
    expected = twin.predict(images, verbose=0)
    assert expected.std() > 0
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, rtol=2e-5)

    rng = np.random.default_rng(2)
    twin.set_weights([rng.uniform(0.01, 0.05, w.shape) for w in twin.get_weights()])
    twin.save_weights(tmp_path / "theirs.h5")
    load_weights(model, tmp_path / "theirs.h5")
    np.testing.assert_allclose(
        model.predict(images, verbose=0), twin.predict(images, verbose=0), rtol=2e-5
    )


def refused(model, path) -> str:
    """The one line with which a file is refused; the model keeps its weights."""
    before = model.get_weights()
    with pytest.raises(BrainPropError) as caught:
        load_weights(model, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_other_architecture_is_told_by_its_first_layer_and_two_shapes(file):
    message = refused(build_model("MNIST", "dense", "BrainProp"), file)
    assert "(3, 3, 1, 32)" in message and "(784, 1500)" in message


def test_other_number_of_classes_is_told(tmp_path):
    save_weights(build_model("CIFAR10", "conv", "BrainProp"), tmp_path / "w.h5")
    message = refused(build_model("CIFAR100", "conv", "BrainProp"), tmp_path / "w.h5")
    assert "(500, 10)" in message and "(500, 100)" in message and "brain_prop_layer" in message


def test_missing_layers_are_told(conv, file):
    with h5py.File(file, "r+") as h5:
        h5.attrs["layer_names"] = h5.attrs["layer_names"][:-1]
    message = refused(conv, file)
    assert "brain_prop_layer" in message and "nothing in the file" in message


@pytest.mark.parametrize("content", [b"", b"just some text\n", b"\x89HDF\r\n"])
def test_other_kinds_of_file(conv, tmp_path, content):
    path = tmp_path / "w.h5"
    path.write_bytes(content)
    assert "not an HDF5 file" in refused(conv, path)


def test_missing_file_and_folder(conv, tmp_path):
    assert "No such file" in refused(conv, tmp_path / "none.h5")
    assert "folder" in refused(conv, tmp_path)


@pytest.mark.parametrize("tenth", range(1, 10))
def test_truncated_at_every_tenth(conv, file, tenth):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * tenth // 10])
    assert "damaged" in refused(conv, file)


def test_every_layers_data_is_checksummed(conv, file):
    """A flipped bit in the middle of any weight is noticed."""
    intact = file.read_bytes()
    for weight in conv.weights:
        pattern = weight.numpy().astype("<f4").tobytes()[:64]
        position = intact.index(pattern[: min(len(pattern), 32)]) + 5
        flipped = bytearray(intact)
        flipped[position] ^= 0x10
        file.write_bytes(flipped)
        assert "damaged" in refused(conv, file)


def test_weights_that_are_not_finite(conv, file):
    with h5py.File(file, "r+") as h5:
        h5["brain_prop_layer"]["brain_prop_layer/kernel:0"][3, 4] = np.nan
    assert "not finite" in refused(conv, file)


@pytest.mark.parametrize("kind", ["soft", "external"])
def test_links_are_not_followed(conv, file, tmp_path, kind):
    other = tmp_path / "other.h5"
    save_weights(conv, other)
    name = "brain_prop_layer"
    links = {"soft": h5py.SoftLink("/elsewhere"), "external": h5py.ExternalLink(str(other), name)}
    with h5py.File(file, "r+") as h5:
        h5.move(name, "elsewhere")
        h5[name] = links[kind]
    assert "link" in refused(conv, file)


def test_data_in_another_file_is_not_read(conv, file, tmp_path):
    (tmp_path / "raw").write_bytes(np.zeros((500, 10), "float32").tobytes())
    with h5py.File(file, "r+") as h5:
        del h5["brain_prop_layer"]["brain_prop_layer/kernel:0"]
        h5["brain_prop_layer"].create_dataset(
            "brain_prop_layer/kernel:0", (500, 10), "float32", external=str(tmp_path / "raw")
        )
    assert "another file" in refused(conv, file)


def test_keras_3_weights_file_is_told(conv, tmp_path):
    conv.save_weights(tmp_path / "model.weights.h5")
    assert "Keras 3" in refused(conv, tmp_path / "model.weights.h5")


def test_files_are_not_overwritten_unless_asked(conv, file):
    content = file.read_bytes()
    with pytest.raises(FileExistsError):
        save_weights(conv, file, overwrite=False)
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == ["weights.h5"]


def test_any_keras_model_can_be_saved(tmp_path):
    def network():
        inputs = keras.Input((4,))
        hidden = keras.layers.Dense(3, activation="relu")(inputs)
        return keras.Model(inputs, keras.layers.Dense(2)(hidden))

    saved, loaded = network(), network()
    save_weights(saved, tmp_path / "w.h5")
    load_weights(loaded, tmp_path / "w.h5")
    for a, b in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
