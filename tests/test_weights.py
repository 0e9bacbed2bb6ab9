"""Weights files: Keras 2's layout, both ways, and files that are at fault."""

import errno
import os
import re
import tracemalloc
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutations

from brainprop import BrainPropError, build_model, load_weights, save_weights
from brainprop.paper import algorithm_of

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


def check_coming_back(saved, loaded, path):
    """All weights of one network are another's, bit for bit, once they went through a file."""
    save_weights(saved, path)
    load_weights(loaded, path)
    for a, b in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def conv():
    keras.utils.clear_session()  # So that the layers' running numbers start anew.
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
    np.testing.assert_array_equal(saved(images), loaded(images))


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
    expected = twin(images).numpy()  # Tracing locally connected layers would take long.
    assert expected.std() > 0
    np.testing.assert_allclose(model(images), expected, rtol=2e-5)

    rng = np.random.default_rng(2)
    twin.set_weights([rng.uniform(0.01, 0.05, w.shape) for w in twin.get_weights()])
    twin.save_weights(tmp_path / "theirs.h5")
    load_weights(model, tmp_path / "theirs.h5")
    np.testing.assert_allclose(model(images), twin(images), rtol=2e-5)


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
    assert "is missing" in refused(conv, tmp_path / "none.h5")
    assert "folder" in refused(conv, tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "weights.h5/w.h5", "w\0.h5"])
def test_impossible_names(conv, file, name):
    assert re.search("cannot be read|null byte", refused(conv, file.parent / name))


def test_pipe_and_device(conv, tmp_path):
    os.mkfifo(tmp_path / "w.h5")
    assert "a pipe or a device" in refused(conv, tmp_path / "w.h5")
    assert "a pipe or a device" in refused(conv, Path("/dev/zero"))


def test_file_without_permission(conv, file, monkeypatch):
    def forbidden(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", forbidden)  # root may read anything
    assert "Permission denied" in refused(conv, file)


def test_keras_3_model_file_and_a_large_text(conv, tmp_path):
    conv.save(tmp_path / "model.keras")
    assert "not an HDF5 file" in refused(conv, tmp_path / "model.keras")
    with (tmp_path / "text.h5").open("wb") as file:
        file.write(b"not weights\n")
        file.truncate(2**28)
    assert "not an HDF5 file" in refused(conv, tmp_path / "text.h5")


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


KERNEL = "brain_prop_layer/kernel:0"


def put(**options):
    """A change that puts another data set in place of the output layer's kernel."""

    def change(h5):
        group = h5["brain_prop_layer"]
        del group[KERNEL]
        group.create_dataset(KERNEL, **options)

    return change


def put_other(kind):
    def change(h5):
        del h5["brain_prop_layer"][KERNEL]
        h5["brain_prop_layer"][KERNEL] = np.dtype("f4") if kind == "type" else h5["dropout"]

    return change


def virtual(h5):
    layout = h5py.VirtualLayout((500, 10), "f4")
    layout[:] = h5py.VirtualSource("other.h5", KERNEL, (500, 10))
    del h5["brain_prop_layer"][KERNEL]
    h5["brain_prop_layer"].create_virtual_dataset(KERNEL, layout)


def attribute(value, name="layer_names", group="/"):
    return lambda h5: h5[group].attrs.__setitem__(name, value)


def layer_a_dataset(h5):
    del h5["brain_prop_layer"]
    h5["brain_prop_layer"] = 1.0


ZEROS = np.zeros((500, 10), "f4")
HOSTILE = {
    "complex": (put(data=ZEROS.astype(complex)), "weights are numbers"),
    "text": (put(data=[["a"] * 10] * 500), "weights are numbers"),
    "compound": (put(data=np.zeros((500, 10), "f4,f4")), "weights are numbers"),
    "too large for 32 bits": (put(data=np.full((500, 10), 1e300)), "not finite"),
    "scalar": (put(data=np.float32(1)), "has kernel () in the file"),
    "nothing": (put(data=h5py.Empty("f4")), "has kernel None in the file"),
    "transposed": (put(data=ZEROS.T), "has kernel (10, 500) in the file"),
    "petabytes declared": (put(shape=(2**40, 2**20), dtype="f4", chunks=(99, 99)), "1099511627776"),
    "never written": (put(shape=(500, 10), dtype="f4"), "are missing in it"),
    "chunks never written": (put(shape=(500, 10), dtype="f4", chunks=True), "are missing in it"),
    "virtual": (virtual, "in another file"),
    "a group for a weight": (put_other("group"), "is not a dataset"),
    "a type for a weight": (put_other("type"), "is not a dataset"),
    "a weight for a layer": (layer_a_dataset, "is not a group"),
    "names a number": (attribute(7), "is damaged"),
    "names one text": (attribute("conv2d"), "is missing in it"),
    "names floats": (attribute([1.5]), "is damaged"),
    "names a table": (attribute(np.array([[b"conv2d"]])), "is damaged"),
    "a name not in it": (attribute(np.array([b"conv2d", b"elsewhere"])), "elsewhere is missing"),
    "a name of slashes": (attribute(np.array([b"//"])), "is missing"),
    "a name of bytes": (attribute(np.array([b"\xff"])), "is damaged"),
    "weight names a number": (attribute(7, "weight_names", "conv2d"), "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "hint"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_files(conv, file, change, hint):
    with h5py.File(file, "r+") as h5:
        change(h5)
    assert hint in refused(conv, file)


@pytest.mark.parametrize(
    ("dtype", "options"),
    [("f2", {}), ("f8", {}), (">f4", {}), ("i1", {}), ("f4", {"compression": 9})],
)
def test_other_numbers_and_files_without_checksums_load(conv, file, dtype, options):
    kernel = (9 * np.random.default_rng(0).random((500, 10))).astype(dtype)
    with h5py.File(file, "r+") as h5:
        put(data=kernel, **options)(h5)
    load_weights(conv, file)
    np.testing.assert_array_equal(conv.get_weights()[-1], kernel.astype("f4"))
    randomize(conv)


def test_the_output_layers_name_tells_the_algorithm(conv, file, tmp_path):
    assert algorithm_of(load_weights(conv, file)) == "BrainProp"
    save_weights(build_model("MNIST", "conv", "EBP"), tmp_path / "ebp.h5")
    assert algorithm_of(load_weights(conv, tmp_path / "ebp.h5")) == "EBP"
    randomize(conv)


def test_loading_takes_no_more_memory_than_twice_the_file(conv, file):
    tracemalloc.start()
    load_weights(conv, file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * file.stat().st_size


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small model, and the content of its weights file."""
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(2)(keras.layers.BatchNormalization()(inputs))
    model = keras.Model(inputs, outputs)
    path = tmp_path_factory.mktemp("small") / "w.h5"
    save_weights(model, path)
    return model, path


def check(small, content):
    """Loads a file of such content, which gives finite weights or the one error."""
    model, path = small
    damaged = path.with_name("damaged.h5")
    damaged.write_bytes(content)
    try:
        load_weights(model, damaged)
    except BrainPropError as error:
        assert str(error).isprintable() and str(damaged) in str(error)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@given(content=st.binary(max_size=500).map(lambda tail: b"\x89HDF\r\n\x1a\n" + tail))
def test_random_bytes(small, content):
    check(small, content)


@given(data=st.data())
def test_mutated_files(small, data):
    check(small, data.draw(mutations(small[1].read_bytes())))


def test_keras_3_weights_file_is_told(conv, tmp_path):
    conv.save_weights(tmp_path / "model.weights.h5")
    assert "Keras's own model.load_weights" in refused(conv, tmp_path / "model.weights.h5")


def test_files_are_not_overwritten_unless_asked(conv, file):
    content = file.read_bytes()
    with pytest.raises(FileExistsError):
        save_weights(conv, file, overwrite=False)
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == ["weights.h5"]


def test_a_network_of_many_layers_comes_back(tmp_path):
    model = keras.Sequential([keras.Input((3,)), *[keras.layers.ReLU() for _ in range(300)]])
    model.add(keras.layers.Dense(2))
    save_weights(model, tmp_path / "w.h5")
    saved = model.get_weights()
    model.set_weights([np.zeros_like(weight) for weight in saved])
    load_weights(model, tmp_path / "w.h5")
    for weight, value in zip(model.get_weights(), saved, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_names_too_long_for_one_attribute_come_back(tmp_path):
    """As all names of a large network are, and the paths of weights in one within another."""

    def network():
        norms = [
            keras.layers.BatchNormalization(name=f"norm_{number:01500}") for number in range(12)
        ]
        inputs = keras.Input((3,))
        x = keras.Sequential([keras.Input((3,)), *norms])(inputs)
        for number in range(40):
            x = keras.layers.ReLU(name=f"relu_{number:02000}")(x)
        return keras.Model(inputs, x)

    saved, loaded = network(), network()
    randomize(saved)
    check_coming_back(saved, loaded, tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert {"layer_names0", "layer_names1"} <= set(file.attrs)
        assert {"weight_names0", "weight_names1"} <= set(file[saved.layers[1].name].attrs)
