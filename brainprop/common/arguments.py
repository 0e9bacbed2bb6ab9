"""Checks of what users give: names, numbers, command lines."""

import argparse
import difflib
import math
import numbers
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from brainprop.common.commands import BAD_INPUT
from brainprop.common.errors import BrainPropError


class ArgumentParser(argparse.ArgumentParser):
    """An argument parser that prints errors in one line."""

    def parse_args(self, args=None, namespace=None):
        # Options may stand between positional arguments that can be left out.
        arguments, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            meant = closest(unknown[0].partition("=")[0], self._option_string_actions)
            hint = f"did you mean {meant}?" if meant else "--help lists all"
            self.error(f"unknown argument {unknown[0]}: {hint}")
        return arguments

    def error(self, message):
        raise SystemExit(self.report(message))

    def report(self, problem: str | Exception) -> int:
        """Prints on stderr what is wrong, and returns the exit code `BAD_INPUT`."""
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(problem))
        print(f"{self.prog}: error: {line}", file=sys.stderr)
        return BAD_INPUT


def path_of(text: str) -> Path:
    """Returns the path that an argument names. An empty one is a mistake, as an unset "$DIR".

    Raises:
        argparse.ArgumentTypeError: If it is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty name: give the name of a file or a folder")
    return Path(text)


def known_name(kind: str, name: str, known: Collection[str]) -> str:
    """Returns the known name that a name is, in any case of letters.

    Args:
        kind: What it names, for the message.
        name: What was given.
        known: The known names.

    Raises:
        BrainPropError: If it is unknown. The message names the most similar one.
    """
    for option in known:
        if str(name).casefold() == option.casefold():
            return option
    meant = closest(str(name), known)
    way_out = f"did you mean {meant}? Choose" if meant else "choose"
    raise BrainPropError(f"unknown {kind} {str(name)!r}: {way_out} from {', '.join(known)}")


def check_number(name: str, value, kind: type, low: float, high: float) -> None:
    """Checks that a value is a number within its range.

    Args:
        name: The name of the argument, for the message.
        value: The value that was given.
        kind: `int` for whole numbers only, or `float`.
        low: The smallest value allowed.
        high: The largest value allowed.

    Raises:
        BrainPropError: If it is not.
    """
    accepted = numbers.Integral if kind is int else numbers.Real
    is_number = isinstance(value, accepted) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        if high < math.inf:
            what += f" from {low} to {high}"
        elif low > -math.inf:
            what += f" of at least {low}"
        raise BrainPropError(f"{name} must be {what}, not {value!r}")


def closest(name: str, options: Iterable[str]) -> str | None:
    """Returns the option that a user probably meant: "CIFAR10" for "cifar-10".

    Args:
        name: What the user gave.
        options: The valid names.

    Returns:
        The most similar option, regardless of case, hyphens and underscores. `None` if no option
        is similar.
    """

    def plain(text: str) -> str:
        return text.casefold().translate(str.maketrans("", "", "-_ "))

    by_plain_name = {plain(option): option for option in options}
    matches = difflib.get_close_matches(plain(name), by_plain_name, n=1)
    return by_plain_name[matches[0]] if matches else None
