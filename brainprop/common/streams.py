"""What the commands print to: it may be closed, full or unread; libraries use stderr, too."""

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def prepare_streams() -> None:
    """Has the three standard streams, also where the program was started with some of them closed.

    No file that is opened later then takes the place of stderr, where libraries write. Stdout can
    tell the name of any file, which a terminal may not be able to.
    """
    # In the order of the descriptors, since each takes the lowest that is free.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, errors="backslashreplace")  # noqa: SIM115
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def give_up_stdout() -> None:
    """Sends elsewhere what is still to be printed, when nobody takes it any more."""
    _send_nowhere(sys.stdout.fileno())


def give_up_closed_terminal() -> None:
    """Sends elsewhere what would go to a terminal that is closed, where printing fails."""
    for descriptor in (1, 2):
        with suppress(OSError):
            is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
            if is_device and not os.isatty(descriptor):
                _send_nowhere(descriptor)


def _send_nowhere(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def end_stdout() -> None:
    """Prints what Python still holds, whose own attempt at the end would not fail quietly."""
    try:
        sys.stdout.flush()
    except OSError:
        give_up_stdout()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps stderr to itself, below Python too: TensorFlow writes there before it heeds its level.

    What was written comes out after all if the block raises.
    """
    try:
        notes, stderr = tempfile.TemporaryFile(), os.dup(2)  # noqa: SIM115  # Closed below.
    except OSError:  # There is no stderr, or no room for a file: the notes may be seen.
        yield
        return
    with notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except Exception:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
