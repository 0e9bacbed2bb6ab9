"""BrainProp: deep networks trained by a biologically plausible, reward-based learning rule.

    from brainprop import build_model, load_data, load_weights, save_weights, BrainProp, EBP
    from brainprop import Experiment, data_for, model_for, train

The names are looked up when they are first used, since TensorFlow takes seconds to import.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "BrainProp": "learning_rules",
    "BrainPropError": "errors",
    "EBP": "learning_rules",
    "Experiment": "experiments",
    "LocalNetwork": "local_rule",
    "build_model": "models",
    "data_for": "experiments",
    "load_data": "datasets",
    "load_weights": "weights",
    "model_for": "models",
    "save_weights": "weights",
    "train": "training",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
