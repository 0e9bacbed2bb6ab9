"""BrainProp: deep networks trained by a biologically plausible, reward-based learning rule.

    from brainprop import build_model, load_data, load_weights, save_weights, BrainProp, EBP
    from brainprop import Experiment, train, evaluate, measure, save_run

The names are looked up when they are first used, since TensorFlow takes seconds to import.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from brainprop.common.errors import BrainPropError
    from brainprop.common.plugins import load_plugin
    from brainprop.datasets.table import load_data, register_dataset
    from brainprop.experiments import Experiment, data_for
    from brainprop.networks.layers import LocallyConnected2D
    from brainprop.networks.models import build_model, model_for
    from brainprop.networks.weights import load_weights, save_weights
    from brainprop.outputs.results import save_run
    from brainprop.paper import register_algorithm, register_architecture
    from brainprop.rules.base import LearningRule
    from brainprop.rules.brainprop import BrainProp
    from brainprop.rules.ebp import EBP
    from brainprop.rules.local_rule import LocalNetwork
    from brainprop.training.diagnostics import Diagnostics, measure
    from brainprop.training.evaluation import evaluate
    from brainprop.training.fit import train

# Where each public name lives; a test holds this to the imports above, which are for type checkers.
_HOMES = {
    "BrainProp": "rules.brainprop",
    "BrainPropError": "common.errors",
    "Diagnostics": "training.diagnostics",
    "EBP": "rules.ebp",
    "Experiment": "experiments",
    "LearningRule": "rules.base",
    "LocalNetwork": "rules.local_rule",
    "LocallyConnected2D": "networks.layers",
    "build_model": "networks.models",
    "data_for": "experiments",
    "evaluate": "training.evaluation",
    "load_data": "datasets.table",
    "load_plugin": "common.plugins",
    "load_weights": "networks.weights",
    "measure": "training.diagnostics",
    "model_for": "networks.models",
    "register_algorithm": "paper",
    "register_architecture": "paper",
    "register_dataset": "datasets.table",
    "save_run": "outputs.results",
    "save_weights": "networks.weights",
    "train": "training.fit",
}
__all__ = [
    "EBP",
    "BrainProp",
    "BrainPropError",
    "Diagnostics",
    "Experiment",
    "LearningRule",
    "LocalNetwork",
    "LocallyConnected2D",
    "build_model",
    "data_for",
    "evaluate",
    "load_data",
    "load_plugin",
    "load_weights",
    "measure",
    "model_for",
    "register_algorithm",
    "register_architecture",
    "register_dataset",
    "save_run",
    "save_weights",
    "train",
]

# Importing one of these lets Keras load saved models with any of them.
_REGISTERED = {"rules.brainprop", "rules.ebp", "networks.layers", "networks.optimizers"}

# Type checkers know the names from the imports above; with this function they would take any.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _HOMES[name]
        for other in _REGISTERED if home in _REGISTERED else ():
            importlib.import_module(f"{__name__}.{other}")
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
