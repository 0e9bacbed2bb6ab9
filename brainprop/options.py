"""The options that both commands share: plugins, the data's folder, the fields of `Experiment`."""

import argparse
import dataclasses
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from brainprop.common.arguments import known_name, number, path_of
from brainprop.common.commands import ArgumentParser
from brainprop.common.errors import BrainPropError
from brainprop.common.plugins import load_plugin, plugin_names
from brainprop.common.reading import read_bytes, reading
from brainprop.experiments import OF_ARCHITECTURE, Experiment, settings_fields
from brainprop.paper import ALGORITHMS, ARCHITECTURES

METAVARS = {int: "N", float: "X"}
_FIELDS = [field.name for field in dataclasses.fields(Experiment)]


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
        help="run this Python file first, which registers architectures, data sets or algorithms "
        "(docs/extending.md). It is code: it can do all that you can. Repeatable",
    )  # fmt: skip


def add_data_dir(group: argparse._ActionsContainer) -> None:
    """Adds the option that names the data sets' folder."""
    group.add_argument(
        "--data-dir", metavar="DIR", type=path_of,
        help="folder of the data set (default: the environment variable BRAINPROP_DATA, else "
        "the current folder, then the program's own). A data set that is missing there is taken "
        "from Keras's cache, or downloaded",
    )  # fmt: skip


def add_settings(parser: argparse.ArgumentParser, leave_out: tuple[str, ...] = ()) -> None:
    """Adds an option for each field of `Experiment`, and for each argument of a plugin's algorithm.

    An option that is not given keeps the default. Call this last: an option of a plugin must not
    have the name of another.

    Args:
        parser: The command's parser.
        leave_out: Fields that get no option. Defaults to none.
    """
    group = parser.add_argument_group("settings (default: the paper's)")
    for field in settings_fields():
        if field.name in leave_out:
            continue
        kind = field.metadata["kind"]
        flags = {"action": argparse.BooleanOptionalAction} if kind is bool else {
            "type": kind, "metavar": "|".join(field.metadata["choices"]) or METAVARS[kind]
        }  # fmt: skip
        group.add_argument(
            field.metadata["option"] or f"--{field.name.replace('_', '-')}",
            dest=field.name,
            help=f"{field.metadata['help']} (default: {_default(field)})",
            **flags,
        )
    for name, defaults in _rule_arguments().items():
        kind = type(sum(defaults.values()))  # Float, if one of them is.
        usual = "; ".join(f"{algorithm} {default:g}" for algorithm, default in defaults.items())
        try:
            group.add_argument(
                f"--{name.replace('_', '-')}", dest=name, type=number, metavar=METAVARS[kind],
                help=f"argument of an algorithm (default: {usual})",
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
    if field.metadata["choices"]:
        return str(field.default)
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
    settings = {name: value for name, value in given.items() if name in _FIELDS}
    own = {name: value for name, value in given.items() if name in _rule_arguments()}
    return settings | ({"rule_arguments": own} if own else {})


def experiment_of(arguments: argparse.Namespace, defaults: Mapping | None = None) -> Experiment:
    """Makes the experiment from `--config`, if it is given, and from the command line, which wins.

    Args:
        arguments: What the command line gives.
        defaults: Settings to take where neither gives any.

    Raises:
        BrainPropError: As `Experiment` and `read_config`, or if the data set, the architecture or
            the algorithm is missing.
    """
    settings, plugins = read_config(arguments.config) if arguments.config else ({}, ())
    given = settings_given(arguments)
    there, own = settings.get("algorithm"), settings.pop("rule_arguments", {})
    own_given = given.pop("rule_arguments", {})
    settings = {**(defaults or {}), **settings, **given}
    missing = [name.upper() for name in _FIELDS[:3] if name not in settings]
    if missing:
        raise BrainPropError(f"{' and '.join(missing)} missing: --help lists all")
    try:
        algorithm = known_name("algorithm", settings["algorithm"], ALGORITHMS)
        if there is not None and algorithm.casefold() != str(there).casefold():
            own = {name: own[name] for name in own if name in ALGORITHMS[algorithm].own}
        return Experiment(**settings, rule_arguments=own | own_given)
    except BrainPropError as error:
        absent = [name for name in plugins if name not in plugin_names()]
        if not absent:
            raise
        hint = " ".join(f"--plugin {name}" for name in absent)
        raise BrainPropError(f"{error}. {arguments.config} is of a run with {hint}") from error


def read_config(path: Path) -> tuple[dict, list[str]]:
    """Reads settings from a JSON file.

    Args:
        path: An object of settings by name, or one with such an object under "settings", as a
            history of an earlier run has it.

    Returns:
        The settings, and the names of the plugins that the earlier run had.

    Raises:
        BrainPropError: If the file cannot be read, or a setting is unknown.
    """
    with reading(path, "give a JSON file of settings, such as the history of a run"):
        content = json.loads(read_bytes(path))
        settings = content.get("settings", content) if isinstance(content, dict) else content
        if not isinstance(settings, dict):
            raise ValueError("it holds no settings by name")
        own = dict(settings.pop("rule_arguments", {}))
        plugins = [str(name) for name in content.get("plugins", ())]
        given = {
            known_name(f"setting in {path}", name, _FIELDS): settings[name] for name in settings
        }
    return given | ({"rule_arguments": own} if own else {}), plugins
