"""Weights files in the HDF5 layout of Keras 2, which the paper's 2020 code wrote and reads.

The root has the attributes `layer_names`, `backend` and `keras_version`. Each layer has a group
with the attribute `weight_names`, and a data set for each name. What is too long for one
attribute is in several, `weight_names0` and so on. Layers are matched by order and shape, since
their names carry running numbers that differ from file to file.
"""

import io
import itertools
import math
import os
from pathlib import Path

import h5py
import keras
import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.files import check_readable, written_whole
from brainprop.common.reading import reading

# Keras 2 reads this to know the layout; 2.4 is what the 2020 code ran on last.
LAYOUT_VERSION = "2.4.0"

MAX_NAMES, MAX_NAME_BYTES = 2048, 256
MAX_ATTRIBUTE_BYTES = 64_000  # HDF5 takes 64 KiB, of which it needs a little itself.
MIN_CHUNK_BYTES = 2**10  # HDF5 needs kilobytes of memory for every chunk


def save_weights(model: keras.Model, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Writes a model's weights so that Keras 2's `load_weights` and `load_weights` here read them.

    Args:
        model: A built model.
        path: Where the file shall be; it appears whole or not at all.
        overwrite: Whether a file that is there is replaced.

    Raises:
        FileExistsError: There is a file and `overwrite` is false.
        OSError: The file cannot be written.
    """
    with written_whole(path, overwrite) as partial:
        partial.write_bytes(serialized(model))


def serialized(model: keras.Model) -> bytes:
    """A model's weights as the content of such a file."""
    # On a full disk, HDF5 would bring the process down if it wrote the file itself.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        _write_names(file, "layer_names", [layer.name for layer in model.layers])
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_(LAYOUT_VERSION)
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{weight.path}:0" for weight in layer.weights]
            _write_names(group, "weight_names", names)
            for name, weight in zip(names, layer.weights, strict=True):
                # A checksum a chunk, which HDF5 verifies at reading; a single number takes none.
                value = weight.numpy()
                if value.dtype.kind == "V":  # HDF5 has no bfloat16.
                    value = value.astype("float32")
                verified = {"chunks": True, "fletcher32": True} if value.ndim else {}
                group.create_dataset(name, data=value, **verified)
    return content.getvalue()


def load_weights(model: keras.Model, path: str | os.PathLike) -> str:
    """Loads a weights file of the 2020 code, of `save_weights` or of Keras 2 into a model.

    All or nothing: a file at fault leaves the model as it was.

    Args:
        model: A built model.
        path: The file.

    Returns:
        What the file calls the output layer, which tells the learning rule it comes from.

    Raises:
        BrainPropError: The file cannot be read or does not fit. The message names the first layer
            that differs, and its two shapes.
    """
    path = Path(path)
    layers = [layer for layer in model.layers if layer.weights]
    weights = [weight for layer in layers for weight in layer.weights]
    check_readable(path)
    with reading(path, "copy or download it again"):
        if not h5py.is_hdf5(path):
            raise BrainPropError(
                f"{path} is not an HDF5 file: give a weights file (.h5) that -s or the 2020 code "
                "wrote"
            )
        with h5py.File(path, "r") as file:
            stored = _stored_layers(file, path)
            _check_fit(stored, layers, model.name, path)
            datasets = [dataset for _, datasets in stored for dataset in datasets]
            values = [
                _read(dataset, weight.dtype, path)
                for dataset, weight in zip(datasets, weights, strict=True)
            ]
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
    return stored[-1][0] if stored else ""


def _stored_layers(file: h5py.File, path: Path) -> list[tuple[str, list[h5py.Dataset]]]:
    """The layers with weights in order: each one's name, and its weights, not yet read."""
    if not {"layer_names", "layer_names0"} & set(file.attrs):
        kind = "Keras 3's" if {"layers", "_layer_checkpoint_dependencies"} & set(file) else "no"
        raise BrainPropError(
            f"{path} has {kind} layout: give a file in the layout of Keras 2, as -s writes it"
        )
    layers = []
    for layer in _names(file, "layer_names"):
        group = _member(file, layer, h5py.Group, path)
        names = _names(group, "weight_names")
        layers.append((layer, [_member(group, name, h5py.Dataset, path) for name in names]))
    return [(layer, datasets) for layer, datasets in layers if datasets]


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """The names that an attribute lists, or several, numbered."""
    if attribute in group.attrs:
        return _names_in(group, attribute)
    numbered = (f"{attribute}{number}" for number in itertools.count())
    parts = list(itertools.takewhile(group.attrs.__contains__, numbered))
    if not parts:
        raise ValueError(f"{group.name} has no {attribute}")
    return [name for part in parts for name in _names_in(group, part)]


def _names_in(group: h5py.Group, attribute: str) -> list[str]:
    """The names that one attribute lists."""
    stored = group.attrs.get_id(attribute)
    if stored.shape == (0,):
        return []
    is_text = h5py.check_string_dtype(stored.dtype) and len(stored.shape or ()) == 1
    if not is_text or stored.shape[0] > MAX_NAMES or stored.dtype.itemsize > MAX_NAME_BYTES:
        raise ValueError(f"its {attribute} are no list of names")
    names = group.attrs[attribute]
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def _check_fit(stored, layers: list[keras.Layer], network: str, path: Path) -> None:
    """Compares the names and shapes of all weights, layer by layer.

    Weights of the same name and shape that changed places are beyond it.
    """
    ours = ((layer.name, _described((w.path, w.shape) for w in layer.weights)) for layer in layers)
    theirs = ((name, _described((d.name, d.shape) for d in datasets)) for name, datasets in stored)
    pairs = itertools.zip_longest(ours, theirs, fillvalue=(None, "nothing"))
    for number, ((name, here), (other, there)) in enumerate(pairs, start=1):
        if here != there:
            raise BrainPropError(
                f"{path} does not fit {network}: layer {number} with weights, {name or other}, "
                f"has {there} in the file and {here} in the model: give a file of this network"
            )


def _described(weights) -> str:
    """Names without the layers' running numbers, and shapes: "gamma (32,) beta (32,)"."""
    return ", ".join(
        f"{path.rpartition('/')[2].partition(':')[0]} {shape and tuple(shape)}"
        for path, shape in weights
    )


def _member(group: h5py.Group, name: str, kind: type, path: Path) -> h5py.Group | h5py.Dataset:
    """Looks a member up, following nothing that could lead out of the file."""
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            raise ValueError(f"{name} is missing in it")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise BrainPropError(f"{path} has a link at {name}: links are never followed")
        group = group[part]
    if not isinstance(group, kind):
        raise ValueError(f"{name} is no {kind.__name__.lower()}")
    return group


def _read(dataset: h5py.Dataset, dtype: str, path: Path) -> np.ndarray:
    """The values of a weight, verified, in memory that the file's size bounds.

    They are float32, or of the weight's dtype where that is one of integers, as what
    `Normalization` counts.
    """
    if dataset.is_virtual or dataset.external:
        raise BrainPropError(f"{path} keeps {dataset.name} in another file: none is followed")
    is_integer = keras.backend.is_int_dtype(dtype)
    if dataset.dtype.kind not in ("iu" if is_integer else "f") or dataset.dtype.itemsize > 8:
        kind = "integers" if is_integer else "floats"
        raise BrainPropError(f"{path} has {dataset.dtype} at {dataset.name}: weights are {kind}")
    if not _is_plain(dataset):
        raise BrainPropError(
            f"{path} is compressed or chunked in an unusual way at {dataset.name}: write it anew "
            "with h5repack -f NONE -l CONTI"
        )
    if dataset.id.get_storage_size() < dataset.nbytes:  # HDF5 would read zeros.
        raise ValueError(f"the values of {dataset.name} are missing in it")
    if is_integer:
        return dataset[()].astype(dtype)
    with np.errstate(over="ignore"):
        value = dataset[()].astype("float32")
    if not np.isfinite(value).all():
        raise BrainPropError(
            f"{path} has weights that are not finite numbers at {dataset.name}: "
            "it comes from a run that diverged, so give another file"
        )
    return value


def _is_plain(dataset: h5py.Dataset) -> bool:
    """Whether it is stored as by Keras 2 or `save_weights`, so that it unpacks to its own size."""
    plist = dataset.id.get_create_plist()
    filters = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
    if filters - {h5py.h5z.FILTER_FLETCHER32}:
        return False
    if dataset.chunks is None:
        return True
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    within = all(part <= whole for part, whole in zip(dataset.chunks, dataset.shape, strict=True))
    return within and size >= min(MIN_CHUNK_BYTES, dataset.nbytes)


def _write_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    """Writes names as Keras 2 does: as an array of bytes, or as several where they are many."""
    array = np.array([name.encode() for name in names], dtype="S")  # S1, if there are none.
    parts = math.ceil(array.nbytes / MAX_ATTRIBUTE_BYTES)
    if parts <= 1:
        group.attrs[attribute] = array
        return
    for number, part in enumerate(np.array_split(array, parts)):
        group.attrs[f"{attribute}{number}"] = part
