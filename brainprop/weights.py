"""Weights files in the HDF5 layout of Keras 2, which the paper's 2020 code wrote and reads.

The root has the attributes `layer_names`, `backend` and `keras_version`. Each layer has a group
with the attribute `weight_names`, and a data set for each name. Layers are matched by order and
shape, since their names carry running numbers that differ from file to file.
"""

import os
from pathlib import Path

import h5py
import keras
import numpy as np

from brainprop.errors import BrainPropError
from brainprop.files import written_whole

# Keras 2 reads this to know the layout; 2.4 is what the 2020 code ran on last.
LAYOUT_VERSION = "2.4.0"


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
    with written_whole(path, overwrite) as partial, h5py.File(partial, "w") as file:
        file.attrs["layer_names"] = _ascii(layer.name for layer in model.layers)
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_(LAYOUT_VERSION)
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{weight.path}:0" for weight in layer.weights]
            group.attrs["weight_names"] = _ascii(names)
            for name, weight in zip(names, layer.weights, strict=True):
                # A checksum a chunk, which HDF5 itself verifies at reading.
                group.create_dataset(name, data=weight.numpy(), chunks=True, fletcher32=True)


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Loads a weights file of the 2020 code, of `save_weights` or of Keras 2 into a model.

    All or nothing: a file at fault leaves the model as it was.

    Args:
        model: A built model.
        path: The file.

    Raises:
        BrainPropError: The file cannot be read or does not fit. The message names the first layer
            that differs, and its two shapes.
    """
    path = Path(path)
    layers = [layer for layer in model.layers if layer.weights]
    try:
        with _open(path) as file:
            stored = [names for names in _weight_names(file, path) if names[1]]
            _check_fit(file, stored, layers, model.name, path)
            values = [_read(file[group][name], path) for group, names in stored for name in names]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise BrainPropError(
            f"{path} is damaged ({_one_line(error)}): copy or download it again"
        ) from error
    weights = [weight for layer in layers for weight in layer.weights]
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)


def _open(path: Path) -> h5py.File:
    """Opens an HDF5 file for reading, or tells why it cannot be one."""
    if path.is_dir():
        raise BrainPropError(f"{path} is a folder: give a weights file (.h5)")
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise BrainPropError(f"cannot read the weights file {path}: {error.strerror}") from error
    if not h5py.is_hdf5(path):
        raise BrainPropError(
            f"{path} is not an HDF5 file: give a weights file (.h5) that -s or the 2020 code wrote"
        )
    return h5py.File(path, "r")


def _weight_names(file: h5py.File, path: Path) -> list[tuple[str, list[str]]]:
    """The groups of a file in order, each with the names of its weights."""
    if "layer_names" not in file.attrs:
        kind = "Keras 3's" if {"layers", "_layer_checkpoint_dependencies"} & set(file) else "no"
        raise BrainPropError(
            f"{path} has {kind} layout: give a file in the layout of Keras 2, as -s writes it"
        )
    groups = _text(file.attrs["layer_names"])
    return [(group, _text(_member(file, group, path).attrs["weight_names"])) for group in groups]


def _check_fit(file: h5py.File, stored, layers: list[keras.Layer], model: str, path: Path) -> None:
    """Compares the shapes of all weights, layer by layer."""
    for index in range(max(len(stored), len(layers))):
        here = there = "nothing"
        if index < len(layers):
            here = " ".join(str(tuple(weight.shape)) for weight in layers[index].weights)
        if index < len(stored):
            group, names = stored[index]
            there = " ".join(str(_member(file[group], name, path).shape) for name in names)
        if here != there:
            name = layers[index].name if index < len(layers) else stored[index][0]
            raise BrainPropError(
                f"{path} does not fit {model}: layer {index + 1} with weights, {name}, "
                f"has {there} in the file and {here} in the model"
            )


def _member(group: h5py.Group, name: str, path: Path) -> h5py.Group | h5py.Dataset:
    """Looks a member up, following nothing that could lead out of the file."""
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            raise BrainPropError(f"{path} is damaged: {name} is missing in it")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise BrainPropError(f"{path} has a link at {name}: links are never followed")
        group = group[part]
    return group


def _read(dataset: h5py.Dataset, path: Path) -> np.ndarray:
    """The values of a weight, float32, verified."""
    if dataset.is_virtual or dataset.external:
        raise BrainPropError(f"{path} keeps {dataset.name} in another file: none is followed")
    if dataset.dtype.kind != "f":
        raise BrainPropError(f"{path} has {dataset.dtype} at {dataset.name}: weights are floats")
    value = dataset[()].astype("float32")
    if not np.isfinite(value).all():
        raise BrainPropError(
            f"{path} has weights that are not finite numbers at {dataset.name}: "
            "it comes from a run that diverged"
        )
    return value


def _ascii(names) -> np.ndarray:
    """Names as Keras 2 stores them: an array of bytes, of dtype S1 where it is empty."""
    return np.array([name.encode() for name in names], dtype="S")


def _text(names) -> list[str]:
    """Names as text, whichever way h5py hands them out."""
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
