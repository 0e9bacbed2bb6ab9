"""The values of `--sweep NAME=VALUE,VALUE`."""

from collections.abc import Callable, Sequence

from brainprop.common.arguments import known_name, number
from brainprop.common.errors import BrainPropError
from brainprop.experiments import settings_fields
from brainprop.paper import ALGORITHMS

KINDS = {
    int: "a whole number", float: "a number", number: "a number", bool: "yes or no", str: "a name",
}  # fmt: skip


def swept_values(sweeps: Sequence[str]) -> dict[str, list]:
    """Reads what `--sweep` was given: `["l2=0,5e-4"]` becomes `{"l2": [0.0, 0.0005]}`.

    A name may have hyphens. `Experiment` checks the range of the values.

    Raises:
        BrainPropError: If a name is unknown, or a value is not of the setting's kind.
    """
    kinds = {field.name: field.metadata["kind"] for field in settings_fields()}
    for row in ALGORITHMS.values():
        kinds |= dict.fromkeys(row.own, number)  # It can be whole for one algorithm only.
    found: dict[str, dict] = {}
    for text in sweeps:
        written, _, values = text.partition("=")
        name = known_name("setting", written.strip().lstrip("-").replace("-", "_"), kinds)
        if name == "seed":
            raise BrainPropError("seeds are no sweep: give them as --seeds 1,2,3")
        for value in map(str.strip, values.split(",")):
            found.setdefault(name, {})[_converted(name, kinds[name], value)] = None
    return {name: list(values) for name, values in found.items()}


def _converted(name: str, kind: Callable, text: str):
    convert = {"yes": True, "no": False}.__getitem__ if kind is bool else kind
    try:
        return convert(text)
    except (KeyError, ValueError) as error:
        raise BrainPropError(
            f"--sweep {name}: {text!r} is not {KINDS[kind]}; give --sweep {name}=VALUE,VALUE"
        ) from error
