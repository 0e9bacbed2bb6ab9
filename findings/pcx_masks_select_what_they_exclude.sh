#!/usr/bin/env bash
# PCX 0.6.3 (predictive coding; JAX 0.4.38, Equinox 0.11.12, Python 3.11): in a mask that combines others by & or |,
# ~ does nothing. M(LayerParam) & ~M(Frozen), the form of the example in M's documentation, selects exactly
# the frozen parameters, so an optimizer or a gradient that gets this mask changes only what it should leave
# alone. On its own, ~M(Frozen) is no mask, but True for any network. A function in its place works.
#
# Seen (parameters "weight", and "frozen" of a class of its own):
#   M(LayerParam) & ~M(Frozen)                            ['frozen']
#   M(LayerParam) & (lambda p: not isinstance(p, Frozen)) ['weight']
#   M(Frozen) | ~M(Frozen)                                ['frozen']
#   ~M(Frozen)                                            True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pcx==0.6.3 jax==0.4.38 equinox==0.11.12 optax==0.2.5
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
from pcx.nn import LayerParam
from pcx.predictive_coding import EnergyModule
from pcx.utils import M


class Frozen(LayerParam):
    pass


class Network(EnergyModule):
    def __init__(self):
        super().__init__()
        self.weight = LayerParam(jnp.ones(2))
        self.frozen = Frozen(jnp.ones(2))


def selected(mask):
    masked = mask(Network())
    if isinstance(masked, bool):
        return masked
    return [name for name in ("weight", "frozen") if getattr(masked, name) is not None]


for how, mask, expected in (
    ("M(LayerParam) & ~M(Frozen)", M(LayerParam) & ~M(Frozen), ["frozen"]),
    (
        "M(LayerParam) & (lambda p: not isinstance(p, Frozen))",
        M(LayerParam) & (lambda p: not isinstance(p, Frozen)),
        ["weight"],
    ),
    ("M(Frozen) | ~M(Frozen)", M(Frozen) | ~M(Frozen), ["frozen"]),
    ("~M(Frozen)", ~M(Frozen), True),
):
    print(f"{how:53} {selected(mask)}")
    assert selected(mask) == expected
PYTHON
