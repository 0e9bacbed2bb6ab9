"""What all commands share: exit codes, and one line on stderr for what ends one early.

The exit code of bad input is `arguments.BAD_INPUT`.
"""

import signal
import sys
from collections.abc import Callable

from brainprop.common.arguments import ArgumentParser
from brainprop.common.errors import BrainPropError, one_line, printable
from brainprop.common.signals import handled_by
from brainprop.common.streams import end_stdout

SUCCESS, FAILURE, SIGNAL_BASE = 0, 1, 128


def run_command(
    work: Callable[[], int], parser: ArgumentParser, debug: bool = False, farewell="interrupted"
) -> int:
    """Does what a command line asks for, and tells in one line on stderr what ends it early.

    Args:
        work: Returns the exit code.
        parser: Tells errors.
        debug: Errors are raised instead.
        farewell: What to say when a signal ends it.

    Returns:
        The exit code.
    """
    try:
        with handled_by(_interrupt):  # By KeyboardInterrupt, so that it tidies up.
            code = work()
        sys.stdout.flush()
        return code
    except BrainPropError as error:
        if debug:
            raise
        return parser.report(error)
    except KeyboardInterrupt as interrupt:
        print(farewell, file=sys.stderr)
        return SIGNAL_BASE + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    except BrokenPipeError:
        return FAILURE
    except MemoryError as error:  # While TensorFlow runs, `devices.failures_told` meets it.
        if debug:
            raise
        return parser.report(f"out of memory ({one_line(error)}): end other programs")
    except OSError as error:  # Nothing else has met it: as a rule, stdout's disk is full.
        if debug:
            raise
        what, why = printable(error.filename or "what this prints"), error.strerror
        return parser.report(f"{what} cannot be written ({why}): make room, or write elsewhere")
    finally:
        end_stdout()


def _interrupt(number, frame):
    raise KeyboardInterrupt(number)
