"""Weights files in the HDF5 layout of Keras 2, which the paper's 2020 code wrote and reads.

The root, or the group `model_weights` of a whole model's file, has the attributes `layer_names`,
`backend` and `keras_version`. Each layer has a group with the attribute `weight_names`, and a data
set for each name. Names that are too long for one attribute are in several, `weight_names0` and so
on. Each layer has its trainable weights first and its other weights after them.
"""

import io
import itertools
import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from brainprop.common.errors import BrainPropError
from brainprop.common.files import atomic_write
from brainprop.common.reading import check_readable, reading
from brainprop.common.values import as_stored
from brainprop.rules.feedback import feedback_weights

# Keras 2 reads this to know the layout; 2.4 is what the 2020 code ran on last.
LAYOUT_VERSION = "2.4.0"
# The group of the weights that belong to the model itself, not to one of its layers.
TOP_LEVEL = "top_level_model_weights"
MAX_ATTRIBUTE_BYTES = 64_000  # HDF5 takes 64 KiB, of which it needs a little itself.

# The path of a weight: its layer, the layer's running number, and its own name.
_WEIGHT_PATH = re.compile(r"(?:.*/)?([^/]*?)(?:_(\d+))?/([^/:]+)(?::0)?")

# A layer's name, with its weights or, in a file, its unread data sets.
Layer = tuple[str, list[Any]]
NOTHING: Layer = ("", [])


def save_weights(model: keras.Model, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Writes a model's weights in the layout that Keras 2, Keras 3 and `load_weights` read.

    Args:
        model: A built model.
        path: The file; it appears whole or not at all. Keras 3 expects its own layout where a
            name ends in ".weights.h5".
        overwrite: Whether to replace an existing file. Defaults to True.

    Raises:
        BrainPropError: If the model is not built, or has state that this layout cannot hold.
        FileExistsError: If the file exists and `overwrite` is false.
        OSError: If the file cannot be written.
    """
    content = serialized(model)
    with atomic_write(path, overwrite) as partial:
        partial.write_bytes(content)


def serialized(model: keras.Model) -> bytes:
    """Returns the content of a model's weights file.

    Raises:
        BrainPropError: If the model is not built, or has state that this layout cannot hold.
    """
    layers = _layers_of(model)
    for layer in model._flatten_layers():
        _check_holdable(layer)
    # On a full disk, HDF5 would end the process if it wrote the file itself.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_(LAYOUT_VERSION)
        names = _unique(name for name, _ in layers)
        _write_names(file, "layer_names", [name for name in names if name != TOP_LEVEL])
        for name, (_, weights) in zip(names, layers, strict=True):
            _write_layer(file.create_group(name), weights)
    return content.getvalue()


def load_weights(model: keras.Model, path: str | os.PathLike) -> str:
    """Loads weights from a file of `save_weights`, the 2020 code or Keras 2.

    Layers are matched by order. Within a nested model, the order in a file depends on which layers
    were frozen, so there the weights are matched by name where the names allow it. If anything is
    wrong, the model stays as it was.

    Args:
        model: A built model.
        path: The weights file, or the .h5 file of a whole model that Keras 2 or 3 saved.

    Returns:
        The name of the output layer in the file, which identifies the learning rule.

    Raises:
        BrainPropError: If the model is not built, or the file cannot be read or does not fit. The
            message names the first layer that differs, and its two shapes.
    """
    path = Path(path)
    layers = [(name, weights) for name, weights in _layers_of(model) if weights]
    check_readable(path)
    with reading(path, "copy or download it again"):
        if not h5py.is_hdf5(path):
            raise BrainPropError(
                f"{path} is not an HDF5 file: give a weights file (.h5) that -s or the 2020 code "
                "wrote"
            )
        with h5py.File(path, "r", locking=False) as file:  # Not every drive has locks.
            stored = _stored_layers(file, path)
            values = [
                (weight, _read(dataset, weight.dtype, path))
                for dataset, weight in _matched(stored, layers, model.name, path)
            ]
    for weight, value in values:
        weight.assign(value)
    _finalize(model)
    return next((name for name, _ in reversed(stored) if name != TOP_LEVEL), "")


def _layers_of(model: keras.Model) -> list[Layer]:
    """Returns the layers' names and their weights, in the order of the file.

    Raises:
        BrainPropError: If the model is not built.
    """
    if not model.built:
        raise BrainPropError(f"{model.name} has no weights yet: call it on a batch first")
    layers = [(layer.name, _ordered(layer)) for layer in model.layers]
    within = {id(weight) for _, weights in layers for weight in weights}
    # Feedback kernels are no part of the network: the file stays the one that Keras 2 reads.
    within |= {id(weight) for weight in feedback_weights(model)}
    own = [weight for weight in _ordered(model) if id(weight) not in within]
    return [*layers, (TOP_LEVEL, own)] if own else layers


def _ordered(layer: keras.Layer) -> list:
    """Returns a layer's weights in the order of Keras 2."""
    return layer.trainable_weights + layer.non_trainable_weights


def _check_holdable(layer: keras.Layer) -> None:
    """Checks that a layer has no state outside of its weights, such as an adapted vocabulary."""
    if hasattr(layer, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            layer.save_assets(folder)
            has_more = any(os.scandir(folder))
    elif isinstance(layer, keras.layers.Discretization):
        has_more = layer.num_bins is not None
    else:
        variables: dict[str, object] = {}
        layer.save_own_variables(variables)
        has_more = len(variables) > len(layer.weights)
    if has_more:
        raise BrainPropError(
            f"{layer.name} has state besides its weights, which a weights file of Keras 2 cannot "
            "hold: use Keras's own model.save, or model.save_weights"
        )


def _unique(names: Iterable[str]) -> list[str]:
    """Adds a number to names that occurred before: readers go by order, HDF5 by name."""
    unique: dict[str, None] = {}
    for name in names:
        candidates = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(1)))
        unique[next(other for other in candidates if other not in unique)] = None
    return list(unique)


def _write_layer(group: h5py.Group, weights: Sequence) -> None:
    """Writes the weights of a layer, with checksums that HDF5 verifies when it reads them."""
    names = [f"{path}:0" for path in _unique(weight.path for weight in weights)]
    _write_names(group, "weight_names", names)
    for name, weight in zip(names, weights, strict=True):
        value = as_stored(keras.ops.convert_to_numpy(weight))
        # Single numbers cannot have checksums.
        verified = {"chunks": True, "fletcher32": True} if value.size and value.ndim else {}
        group.create_dataset(name, data=value, **verified)


def _write_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    """Writes names as Keras 2 does: as an array of bytes, or as several where they are many."""
    array = np.array([name.encode() for name in names], dtype="S")  # S1, if there are none.
    parts = math.ceil(array.nbytes / MAX_ATTRIBUTE_BYTES)
    if parts <= 1:
        group.attrs[attribute] = array
        return
    for number, part in enumerate(np.array_split(array, parts)):
        group.attrs[f"{attribute}{number}"] = part


def _stored_layers(file: h5py.File, path: Path) -> list[Layer]:
    """Returns the layers that have weights in a file, in order."""
    group = file
    if "layer_names" not in file.attrs and "model_weights" in file:  # A whole model.
        group = _member(file, "model_weights", h5py.Group, path)
    if not {"layer_names", "layer_names0"} & set(group.attrs):
        if {"layers", "_layer_checkpoint_dependencies"} & set(group):
            raise BrainPropError(
                f"{path} has the layout of Keras 3: load it with Keras's own model.load_weights"
            )
        raise BrainPropError(
            f"{path} has no weights in the layout of Keras 2: give a file that -s or the 2020 code "
            "wrote"
        )
    layers = []
    for name in [*_names(group, "layer_names"), *({TOP_LEVEL} & set(group))]:
        layer = _member(group, name, h5py.Group, path)
        datasets = [_member(layer, n, h5py.Dataset, path) for n in _names(layer, "weight_names")]
        if datasets:
            layers.append((name, datasets))
    return layers


def _names(group: h5py.Group, attribute: str) -> Iterator[str]:
    """Yields the names that an attribute lists, or several numbered ones."""
    numbered = [f"{attribute}{number}" for number in range(len(group.attrs))]
    for part in [attribute] if attribute in group.attrs else numbered:
        for name in group.attrs.get(part, ()):
            yield name.decode() if isinstance(name, bytes) else name


def _member(group: h5py.Group, name: str, kind: type, path: Path) -> h5py.Group | h5py.Dataset:
    """Returns a member of a group. Follows no link, since a link can lead out of the file."""
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            raise ValueError(f"{name} is missing in it")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise BrainPropError(f"{path} has a link at {name}: give a file without links")
        group = group[part]
    if not isinstance(group, kind):
        raise ValueError(f"{name} is not a {kind.__name__.lower()}")
    if isinstance(group, h5py.Dataset) and (group.is_virtual or group.external):
        raise BrainPropError(f"{path} keeps {name} in another file: give a file that is complete")
    return group


def _matched(
    stored: list[Layer], layers: list[Layer], network: str, path: Path
) -> Iterator[tuple[h5py.Dataset, keras.Variable]]:
    """Yields each data set with its weight.

    Raises:
        BrainPropError: If a shape differs. The message names the first.
    """
    pairs = itertools.zip_longest(stored, layers, fillvalue=NOTHING)
    for number, ((other, datasets), (name, weights)) in enumerate(pairs, start=1):
        by_key = dict(zip(_keys([dataset.name for dataset in datasets]), datasets, strict=True))
        keys = _keys([weight.path for weight in weights])
        if len(by_key) == len(datasets) and by_key.keys() == set(keys):
            datasets = [by_key[key] for key in keys]
        for dataset, weight in itertools.zip_longest(datasets, weights):
            if dataset is None or weight is None or dataset.shape != tuple(weight.shape):
                raise BrainPropError(
                    f"{path} does not fit {network}: layer {number} with weights, {name or other}, "
                    f"has {_described(dataset)} in the file and {_described(weight)} in the model: "
                    "give a file of this network"
                )
            yield dataset, weight


def _described(weight: keras.Variable | h5py.Dataset | None) -> str:
    """Describes a weight by its name and shape: "kernel (500, 10)"."""
    if weight is None:
        return "nothing"
    name = weight.name.rpartition("/")[2].partition(":")[0]
    return f"{name} {weight.shape}"


def _keys(paths: Sequence[str]) -> list:
    """Returns what identifies each weight of a layer, without what differs from file to file.

    That is its sublayer's name, its rank among the running numbers of that name, and its own name.
    """
    # Keras 2 called a kernel depthwise_kernel, where Keras 3 calls it kernel.
    paths = [path.replace("/depthwise_kernel", "/kernel") for path in paths]
    parts = [match.groups() for match in map(_WEIGHT_PATH.fullmatch, paths) if match]
    if len(parts) < len(paths):
        return list(range(len(paths)))  # By order.
    numbers: dict[str, set[int]] = {}
    for layer, number, _ in parts:
        numbers.setdefault(layer, set()).add(int(number or 0))
    return [
        (layer, sorted(numbers[layer]).index(int(number or 0)), name)
        for layer, number, name in parts
    ]


def _read(dataset: h5py.Dataset, dtype: str, path: Path) -> np.ndarray:
    """Reads a weight and converts it to the dtype of the model's.

    Raises:
        BrainPropError: If its values are not finite numbers, or cannot have this dtype.
        ValueError: If its values are missing in the file.
    """
    if dataset.dtype.kind not in "fiubc" or (dataset.dtype.kind == "c") != ("complex" in dtype):
        raise BrainPropError(f"{path} has {dataset.dtype} at {dataset.name}: weights are numbers")
    if dataset.size and not dataset.id.get_storage_size():  # HDF5 would read zeros.
        raise ValueError(f"the values of {dataset.name} are missing in it")
    stored = dataset[()]
    with np.errstate(over="ignore", invalid="ignore"):
        value = stored.astype(np.dtype(dtype), copy=False)
    if not np.isfinite(value).all():
        raise BrainPropError(
            f"{path} has weights that are not finite numbers at {dataset.name}: "
            "it comes from a run that diverged, so give another file"
        )
    if keras.backend.is_int_dtype(dtype) and (value != stored).any():
        raise BrainPropError(
            f"{path} has {dataset.dtype} at {dataset.name}, where the weights are integers: give a "
            "file of this network"
        )
    return value


def _finalize(model: keras.Model) -> None:
    """Updates what layers such as `Normalization` derive from their weights."""
    layers = [
        layer
        for layer in model._flatten_layers()
        if layer.weights and hasattr(layer, "finalize_state")
    ]
    for layer in layers:
        layer.finalize_state()
    if layers:  # Functions that are traced already hold the former values.
        model.train_function = model.test_function = model.predict_function = None
