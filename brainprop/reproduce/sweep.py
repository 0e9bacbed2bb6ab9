"""Sweeps: a grid of values for some settings, from `--sweep NAME=VALUE,VALUE`."""

import itertools
from collections.abc import Callable, Mapping, Sequence

from brainprop.common.arguments import known_name
from brainprop.common.errors import BrainPropError
from brainprop.experiments import settings_fields
from brainprop.paper import ALGORITHMS, has_setting

SWITCH = {"yes": True, "no": False}
KINDS = {int: "a whole number", float: "a number", bool: "yes or no", str: "a name"}


def swept_values(sweeps: Sequence[str]) -> dict[str, list]:
    """Reads what `--sweep` was given: `["l2=0,5e-4"]` becomes `{"l2": [0.0, 0.0005]}`.

    A name may have hyphens. `Experiment` checks the range of the values.

    Raises:
        BrainPropError: If a name is unknown, or a value is not of the setting's kind.
    """
    kinds = {field.name: field.metadata["kind"] for field in settings_fields()}
    del kinds["seed"]  # --seeds names them.
    for row in ALGORITHMS.values():
        kinds |= {name: type(default) for name, default in row.own.items()}
    found: dict[str, dict] = {}
    for text in sweeps:
        written, _, values = text.partition("=")
        if written.strip().lstrip("-") == "seed":
            raise BrainPropError("seeds are no sweep: give them as --seeds 1,2,3")
        name = known_name("setting", written.strip().lstrip("-").replace("-", "_"), kinds)
        for value in map(str.strip, values.split(",")):
            found.setdefault(name, {})[_converted(name, kinds[name], value)] = None
    return {name: list(values) for name, values in found.items()}


def _converted(name: str, kind: type, value: str):
    convert: Callable = SWITCH.__getitem__ if kind is bool else kind
    try:
        if value:
            return convert(value)
    except (KeyError, ValueError):
        pass
    raise BrainPropError(
        f"--sweep {name}: {value!r} is not {KINDS[kind]}; give --sweep {name}=VALUE,VALUE"
    )


def grid(values: Mapping[str, Sequence], algorithm: str) -> list[dict]:
    """Returns the points of a grid for an algorithm: dictionaries of values by name.

    Settings that the algorithm does not have are left out: EBP has no exploration rate.
    """
    values = {name: choices for name, choices in values.items() if has_setting(algorithm, name)}
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]
