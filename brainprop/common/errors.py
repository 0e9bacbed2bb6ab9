"""The one error that users meet: something given to the program is at fault."""


class BrainPropError(Exception):
    """A bad argument, file or environment, told in one line.

    The message names the thing at fault and the way out of it. The command line
    prints it on stderr and exits with code 2; from Python it is raised as it is.
    """


class StdoutLost(BrainPropError):
    """Nobody reads what is printed any more, so that the whole command ends."""


def printable(thing: object) -> str:
    """Tells whatever a user gave on one line, with "?" for what cannot be printed."""
    text = " ".join(str(thing).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def one_line(error: object) -> str:
    """Tells an exception in one short line: its message, or its type where it has none."""
    return printable(error)[:200] or type(error).__name__
