"""The options that both commands share: the data's folder, and the fields of `Experiment`."""

import argparse
import dataclasses
import statistics

from brainprop.common.arguments import path_of
from brainprop.experiments import OF_ARCHITECTURE, Experiment, settings_fields
from brainprop.paper import ARCHITECTURES

METAVARS = {int: "N", float: "X"}


def add_data_dir(group: argparse._ActionsContainer) -> None:
    """Adds the option that names the data sets' folder."""
    group.add_argument(
        "--data-dir", metavar="DIR", type=path_of,
        help="folder of the data set (default: the environment variable BRAINPROP_DATA, else "
        "the current folder, then the program's own). A missing data set is taken from Keras's "
        "cache, or downloaded",
    )  # fmt: skip


def add_settings(parser: argparse.ArgumentParser, leave_out: tuple[str, ...] = ()) -> None:
    """Adds an option for each field of `Experiment`; one that is not given keeps the default.

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
    given = vars(arguments)
    names = (field.name for field in dataclasses.fields(Experiment))
    return {name: given[name] for name in names if given.get(name) is not None}
