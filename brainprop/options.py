"""The options that both commands share: plugins, the data's folder, the fields of `Experiment`."""

import argparse
import dataclasses
import statistics
from collections.abc import Callable, Sequence

from brainprop.common.arguments import ArgumentParser, path_of
from brainprop.common.errors import BrainPropError
from brainprop.common.plugins import load_plugin
from brainprop.experiments import OF_ARCHITECTURE, Experiment, settings_fields
from brainprop.paper import ALGORITHMS, ARCHITECTURES

METAVARS = {int: "N", float: "X"}


def parse(
    make_parser: Callable[[], argparse.ArgumentParser], argv: Sequence[str] | None
) -> argparse.Namespace:
    """Runs the files of `--plugin`, then reads all arguments: plugins add names and options.

    Args:
        make_parser: Makes the command's parser.
        argv: The command's arguments. Defaults to the process's.

    Raises:
        BrainPropError: As `load_plugin`.
    """
    first = ArgumentParser(add_help=False, allow_abbrev=False)
    add_plugin(first)
    first.parse_known_args(argv)
    return make_parser().parse_args(argv)


def add_plugin(group: argparse._ActionsContainer) -> None:
    """Adds the option that runs a plugin's file."""
    group.add_argument(
        "--plugin", metavar="FILE.py", type=load_plugin, action="append",
        help="run this Python file first. It is code, which can do all that you can; it registers "
        "architectures, data sets or algorithms (docs/extending.md). Can be given several times",
    )  # fmt: skip


def add_data_dir(group: argparse._ActionsContainer) -> None:
    """Adds the option that names the data sets' folder."""
    group.add_argument(
        "--data-dir", metavar="DIR", type=path_of,
        help="folder of the data set (default: the environment variable BRAINPROP_DATA, else "
        "the current folder, then the program's own). A missing data set is taken from Keras's "
        "cache, or downloaded",
    )  # fmt: skip


def add_settings(parser: argparse.ArgumentParser, leave_out: tuple[str, ...] = ()) -> None:
    """Adds an option for each field of `Experiment`, and for each argument of a plugin's algorithm.

    An option that is not given keeps the default. Call this last: an option of a plugin must not
    have the name of another.

    Args:
        parser: The command's parser.
        leave_out: Fields that the command has in another form.
    """
    group = parser.add_argument_group("settings (default: the paper's)")
    for field in settings_fields():
        if field.name in leave_out:
            continue
        kind = field.metadata["kind"]
        flags = {"action": "store_true", "default": None} if kind is bool else {
            "type": kind, "metavar": METAVARS[kind]
        }  # fmt: skip
        group.add_argument(
            field.metadata["option"] or f"--{field.name.replace('_', '-')}",
            dest=field.name,
            help=f"{field.metadata['help']} (default: {_default(field)})",
            **flags,
        )
    for name, defaults in _rule_arguments().items():
        kind = type(next(iter(defaults.values())))
        told = "; ".join(f"{algorithm} {default:g}" for algorithm, default in defaults.items())
        try:
            group.add_argument(
                f"--{name.replace('_', '-')}", dest=name, type=kind, metavar=METAVARS[kind],
                help=f"argument of an algorithm (default: {told})",
            )  # fmt: skip
        except argparse.ArgumentError as error:
            raise BrainPropError(
                f"a plugin's algorithm has an argument {name}, and there is an option of this "
                "name: give it another"
            ) from error


def _rule_arguments() -> dict[str, dict[str, float]]:
    """Returns the algorithms' own arguments: their defaults, by name and then by algorithm."""
    found: dict[str, dict[str, float]] = {}
    for algorithm, row in ALGORITHMS.items():
        for name, default in row.own.items():
            found.setdefault(name, {})[algorithm] = default
    return found


def _default(field: dataclasses.Field) -> str:
    """Returns a setting's default as help shows it: "0.02", "128; loccon 32", "all", "no"."""
    if field.name in OF_ARCHITECTURE:
        return _by_architecture(field.name)
    if field.default is None:
        return field.metadata["none"]
    return "no" if field.default is False else f"{field.default:g}"


def _by_architecture(name: str) -> str:
    """Returns the most common value, then the exceptions: "128; loccon 32"."""
    values = {architecture: getattr(row, name) for architecture, row in ARCHITECTURES.items()}
    usual = statistics.mode(values.values())
    exceptions = [f"{key} {value:g}" for key, value in values.items() if value != usual]
    return "; ".join([f"{usual:g}", *exceptions])


def settings_given(arguments: argparse.Namespace) -> dict:
    """Returns the fields of `Experiment` that are given; the others keep their defaults."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    fields = {field.name for field in dataclasses.fields(Experiment)}
    settings = {name: value for name, value in given.items() if name in fields}
    own = {name: value for name, value in given.items() if name in _rule_arguments()}
    return settings | ({"rule_arguments": own} if own else {})
