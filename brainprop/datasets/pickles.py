"""Reading pickles from the internet: numpy's integer arrays and plain containers, and no code.

A pickle is a program. Three things make it safe to run one that a stranger wrote:

1. The few names it may use stand for small classes of our own, so that it cannot reach any code
   with side effects, nor numpy's constructors, which allocate what they are told to.
2. Only the instructions that such data need are let through.
3. Their number is bounded, and so are the tricks by which a short pickle can claim much memory or
   time: high memo numbers, and containers that hold one another many times over.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_INSTRUCTIONS = 1_000_000  # 50,000 images with two labels and a file name need 200,000
MAX_TUPLES = 100  # an array needs six

_INTEGERS = frozenset(f"{kind}{size}" for kind in "iu" for size in "1248")

_VALUES = frozenset(
    [
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE"),
    ]
)
_TUPLES = frozenset(["EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"])
_PUTS = frozenset(["BINPUT", "LONG_BINPUT", "MEMOIZE"])
_GETS = frozenset(["BINGET", "LONG_BINGET"])
_OTHERS = frozenset(
    [
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "BUILD"),
        *("PROTO", "FRAME", "MARK", "STOP"),
    ]
)
_ALLOWED = _VALUES | _TUPLES | _PUTS | _GETS | _OTHERS


def loads(content: bytes) -> dict:
    """Reads a pickled dictionary, of Python 2 as well.

    Args:
        content: The pickle, of protocol 2 or later.

    Returns:
        The dictionary. Python 2's strings are bytes; arrays are read-only views.

    Raises:
        Exception: Of many types, if it is damaged or holds anything else than arrays of integers
            and plain values: call it inside `brainprop.common.reading.reading`.
    """
    _check_instructions(content)
    result = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    if type(result) is not dict:
        raise pickle.UnpicklingError("it holds no dictionary")
    return {
        key: value.values if isinstance(value, _Array) else value for key, value in result.items()
    }


def _check_instructions(content: bytes) -> None:
    """Refuses instructions that such data do not need, before any of them runs."""
    memo: dict[int, bool] = {}  # may it be used again?
    tuples, previous = 0, ""
    argument: Any  # of what type depends on the instruction
    for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        name = instruction.name
        if name not in _ALLOWED:
            raise pickle.UnpicklingError(f"instruction {name} is not allowed")
        tuples += name in _TUPLES
        if count > MAX_INSTRUCTIONS or tuples > MAX_TUPLES:
            raise pickle.UnpicklingError("it has more instructions than it may")
        if name == "LONG1" and argument.bit_length() > 63:
            raise pickle.UnpicklingError("it holds an enormous number")
        if name in _PUTS:
            number = len(memo) if name == "MEMOIZE" else argument
            if number > MAX_INSTRUCTIONS:
                raise pickle.UnpicklingError("it has a memo number higher than it may")
            memo[number] = previous in _VALUES
        if name in _GETS and not memo.get(argument):
            raise pickle.UnpicklingError("it uses a container twice")
        if name != "FRAME":  # which may stand between a long string and its memo number
            previous = name


class _Unpickler(pickle.Unpickler):
    """Knows the names below and no others."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = _NAMES.get((module, name))
        if allowed is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        # a new function each time, because a pickle can set attributes of what it is given
        return lambda *arguments: allowed(*arguments)


class _Dtype:
    """Stands for `numpy.dtype`: integers only."""

    def __init__(self, name: bytes | str, *_: Any):
        name = name.decode() if isinstance(name, bytes) else name
        if name not in _INTEGERS:
            raise pickle.UnpicklingError("it holds an array of something else than integers")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        order: Any = state[1].decode() if isinstance(state[1], bytes) else state[1]
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for `numpy.ndarray`: empty until its state arrives, then a view of those bytes."""

    values: np.ndarray | None = None

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran_order, content = state
        if not isinstance(dtype, _Dtype):
            raise pickle.UnpicklingError("it holds an array without a data type")
        values = np.frombuffer(content, dtype.dtype)
        self.values = values.reshape(shape, order="F" if fortran_order else "C")


def _from_buffer(content: bytes, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", content))
    return array


def _encode(text: str, _encoding: str) -> bytes:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes for Python 2."""
    return text.encode("latin-1")


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}
