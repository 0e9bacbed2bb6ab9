"""Values as JSON and NumPy's files can hold them."""

import json
import math

import numpy as np


def as_json(value):
    """Returns a value with numbers and arrays of any library as Python's own; others as text."""

    def converted(part):
        array = np.asarray(part)
        return array.tolist() if array.dtype.kind in "fiub" else str(part)

    return json.loads(json.dumps(value, default=converted))


def finite(value):
    """Returns a value, or nested lists and dictionaries, with `None` for NaN and infinity."""
    if isinstance(value, list):
        return [finite(part) for part in value]
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_stored(array: np.ndarray) -> np.ndarray:
    """Returns an array in a type that HDF5 and `.npz` files have: bfloat16 becomes float32."""
    return array.astype("float32") if array.dtype.kind == "V" else array
