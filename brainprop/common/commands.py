"""What all commands share: streams, signals, exit codes, and errors in one line."""

import argparse
import io
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from brainprop.common.arguments import closest
from brainprop.common.errors import BrainPropError, one_line, printable
from brainprop.common.plugins import plugin_failure
from brainprop.common.startup import prepare_environment

# The exit codes; a command that signal n ends has SIGNAL_BASE + n.
SUCCESS, FAILURE, BAD_INPUT, SIGNAL_BASE = 0, 1, 2, 128
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal is closed.


class ArgumentParser(argparse.ArgumentParser):
    """An argument parser that prints errors in one line."""

    def parse_args(self, args=None, namespace=None):
        # Options may stand between positional arguments that can be left out.
        arguments, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            meant = closest(unknown[0].partition("=")[0], self._option_string_actions)
            hint = f"did you mean {meant}?" if meant else "--help lists all"
            self.error(f"unknown argument {unknown[0]}: {hint}")
        return arguments

    def error(self, message):
        raise SystemExit(self.report(message))

    def report(self, problem: str) -> int:
        """Prints on stderr what is wrong, and returns the exit code `BAD_INPUT`."""
        print(f"{self.prog}: error: {printable(problem)}", file=sys.stderr)
        return BAD_INPUT


def run_command(
    work: Callable[[], int],
    parser: ArgumentParser,
    debug: bool = False,
    farewell: str = "interrupted",
) -> int:
    """Runs a command, and prints one line on stderr if an error or a signal ends it early.

    Args:
        work: Reads the arguments, does what they ask for, and returns the exit code.
        parser: Prints errors.
        debug: Whether to raise errors instead.
        farewell: The line to print when a signal ends the command.

    Returns:
        The exit code.
    """
    prepare_environment()
    _prepare_streams()
    try:
        with handled_by(_interrupt):
            code = work()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as interrupt:
        print(farewell, file=sys.stderr)
        return SIGNAL_BASE + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    except BrokenPipeError:
        return FAILURE
    except (BrainPropError, MemoryError, OSError) as error:
        if debug:
            raise
        return parser.report(_message(error))
    except Exception as error:
        failure = plugin_failure(error)
        if debug or not failure:
            raise
        return parser.report(str(failure))
    finally:
        try:
            sys.stdout.flush()
        except OSError:  # Python would print a message when it flushes at exit.
            give_up_stdout()


def _message(error: BrainPropError | MemoryError | OSError) -> str:
    """Returns the line that reports what ended a command."""
    if isinstance(error, MemoryError):  # While TensorFlow runs, `devices` handles it.
        return f"out of memory ({one_line(error)}): end other programs"
    if isinstance(error, OSError):  # Errors of other files are handled where they occur.
        what = printable(error.filename or "what this prints")
        return f"{what} cannot be written ({error.strerror}): make room, or write elsewhere"
    return str(error)


def _interrupt(number, frame):
    """Handles a signal by an exception, so that files are closed and temporary ones removed."""
    raise KeyboardInterrupt(number)


@contextmanager
def handled_by(handler: Callable) -> Iterator[None]:
    """Lets a handler handle `SIGNALS` during the block, if this is the main thread.

    Signals that are ignored stay ignored, as `nohup` and jobs in the background need it.
    """

    def handle(number, frame):
        if number == signal.SIGHUP:
            _give_up_closed_terminal()
        handler(number, frame)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _prepare_streams() -> None:
    """Opens the standard streams that are closed, and lets them print the name of any file.

    Otherwise, a file that is opened later would get stderr's descriptor, to which libraries write.
    """
    # In the order of the descriptors: each stream takes the lowest one that is free.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, errors="backslashreplace"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_stdout() -> None:
    """Discards what is printed from now on, since stdout is closed or full."""
    _discard(sys.stdout.fileno())


def _give_up_closed_terminal() -> None:
    """Discards what is printed to a terminal that is closed, where printing fails."""
    for descriptor in (1, 2):
        with suppress(OSError):
            is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
            if is_device and not os.isatty(descriptor):
                _discard(descriptor)


def _discard(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
