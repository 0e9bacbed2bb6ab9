"""Checks of what users give: paths, names and numbers."""

import argparse
import difflib
import math
import numbers
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from brainprop.common.errors import BrainPropError


def path_of(text: str) -> Path:
    """Converts an argument to a path. An empty one is a mistake, such as an unset "$DIR".

    Raises:
        argparse.ArgumentTypeError: If it is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty name: give the name of a file or a folder")
    return Path(text)


def number(text: str) -> int | float:
    """Returns the number that an argument is: whole, if it is written so."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def known_name(kind: str, name: str, known: Collection[str]) -> str:
    """Returns the one of the known names that equals a name, regardless of case.

    Args:
        kind: What is named, for the message: "data set".
        name: The name.
        known: The known names.

    Raises:
        BrainPropError: If there is none. The message suggests a similar one.
    """
    for option in known:
        if str(name).casefold() == option.casefold():
            return option
    meant = closest(str(name), known)
    way_out = f"did you mean {meant}? Choose" if meant else "choose"
    raise BrainPropError(f"unknown {kind} {str(name)!r}: {way_out} from {', '.join(known)}")


def check_number(name: str, value, kind: type, low: float, high: float) -> None:
    """Checks that an argument is a finite number of a kind, `int` or `float`, from `low` to `high`.

    Raises:
        BrainPropError: If it is not. The message begins with `name`.
    """
    accepted = numbers.Integral if kind is int else numbers.Real
    is_number = isinstance(value, accepted) and not isinstance(value, bool)
    too_large = is_number and kind is float and abs(value) > sys.float_info.max
    if not is_number or too_large or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        if high < math.inf:
            what += f" from {low} to {high}"
        elif low > -math.inf:
            what += f" of at least {low}"
        raise BrainPropError(f"{name} must be {what}, not {value!r}")


def closest(name: str, options: Iterable[str]) -> str | None:
    """Returns the option that a user probably meant: "CIFAR10" for "cifar-10". Else `None`."""

    def plain(text: str) -> str:
        return text.casefold().translate(str.maketrans("", "", "-_ "))

    by_plain_name = {plain(option): option for option in options}
    matches = difflib.get_close_matches(plain(name), by_plain_name, n=1)
    return by_plain_name[matches[0]] if matches else None
