"""Reading pickled integer arrays and plain containers, without running code from the file.

A pickle names the functions that rebuild its objects. Here each name that such data need stands for
a small class or function below; every other name is refused. So a pickle reaches neither code with
side effects nor NumPy's own constructors.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

_INTEGERS = {f"{kind}{size}" for kind in "iu" for size in "1248"}


def loads(content: bytes) -> dict[str, Any]:
    """Reads a pickled dictionary, written by Python 2 or 3.

    Args:
        content: The pickle. The memory that it takes grows with its size, so limit that.

    Returns:
        The dictionary, its keys as text. Strings of Python 2 are bytes; arrays are read-only views.

    Raises:
        Exception: Of many types, if it is damaged or holds other objects than arrays of integers
            and plain values: call it inside `brainprop.common.reading.reading`.
    """
    result = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    if type(result) is not dict:
        raise pickle.UnpicklingError("it holds no dictionary")
    return {
        _text(key): value.values if isinstance(value, _Array) else value
        for key, value in result.items()
    }


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        allowed = _NAMES.get((module.replace("numpy._core.", "numpy.core."), name))
        if allowed is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        # A new function each time, since a pickle can set attributes of what it is given.
        return lambda *arguments: allowed(*arguments)


class _Dtype:
    """Stands for `numpy.dtype`: integers only."""

    def __init__(self, name: bytes | str, *_: Any):
        if _text(name) not in _INTEGERS:
            raise pickle.UnpicklingError("it holds an array of other values than integers")
        self.dtype = np.dtype(_text(name))

    def __setstate__(self, state: tuple) -> None:
        order: Any = _text(state[1])
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for `numpy.ndarray`: empty until its state arrives, then a view of those bytes."""

    values: np.ndarray | None = None

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran_order, content = state
        values = np.frombuffer(content, dtype.dtype)
        self.values = values.reshape(shape, order="F" if fortran_order else "C")


def _from_buffer(content: bytes, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", content))
    return array


def _scalar(dtype: _Dtype, content: bytes) -> int:
    return int(np.frombuffer(content, dtype.dtype)[0])


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    # Python 3 writes bytes for Python 2 as calls of these.
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin-1"),
    ("__builtin__", "bytes"): lambda: b"",
}
