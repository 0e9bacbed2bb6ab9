"""Plugins: the user's Python files, which register architectures, data sets or algorithms."""

import os
import sys
import traceback
from contextlib import redirect_stderr
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from brainprop.common.errors import BrainPropError, one_line
from brainprop.common.reading import check_readable
from brainprop.common.startup import quiet_stderr

# The modules of the files that have run, by absolute path, in order.
LOADED: dict[Path, ModuleType] = {}


def load_plugin(path: str | Path) -> Path:
    """Runs a plugin's file, unless this process has already run it.

    A plugin is code: it can do all that the user can.

    Args:
        path: The Python file.

    Returns:
        Its absolute path.

    Raises:
        BrainPropError: If it cannot be read or raises an exception.
    """
    path = Path(path).expanduser().resolve()
    if path in LOADED:
        return path
    check_readable(path)
    name = f"brainprop_plugin_{len(LOADED)}_{path.stem}"
    loader = SourceFileLoader(name, str(path))
    module = module_from_spec(spec_from_loader(name, loader))  # type: ignore[arg-type]
    sys.modules[name] = module
    try:
        # Hides only the notes of TensorFlow, which a plugin may import.
        with os.fdopen(os.dup(2), "w") as stderr, quiet_stderr(), redirect_stderr(stderr):
            loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failure(path, error) from error
    LOADED[path] = module
    return path


def plugin_failure(error: Exception) -> BrainPropError | None:
    """Returns an exception that arose in a plugin, or below it, as an error that names its line."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [Path(frame.filename) for frame in frames]
    return next((_failure(path, error) for path in reversed(places) if path in LOADED), None)


def _failure(path: Path, error: Exception) -> BrainPropError:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f" in line {frame.lineno}" for frame in frames if frame.filename == str(path)]
    kind = "" if isinstance(error, BrainPropError) else f"{type(error).__name__}: "
    return BrainPropError(
        f"the plugin {path.name} fails{''.join(lines[-1:])} ({kind}{one_line(error)}): correct it"
    )


def plugin_names() -> list[str]:
    """Returns the names of the plugins' files, in the order in which they ran."""
    return [path.name for path in LOADED]
