"""The one error that users meet."""

import re


class BrainPropError(Exception):
    """A bad argument, file or environment, in one line.

    The message names what is wrong and the way out. The command line prints it on stderr and exits
    with code 2; Python code gets it as an exception.
    """


class StdoutLost(BrainPropError):
    """Stdout is closed, so the whole command ends."""


def printable(thing: object) -> str:
    """Returns text from the user or a file as one line, with "?" for unprintable characters."""
    text = " ".join(str(thing).split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def one_line(error: object) -> str:
    """Returns an exception as one short line: its message, or its type if it has none.

    Objects without a name, such as "<_io.BytesIO object at 0x7f0c>", are left out.
    """
    message = re.sub(r" ?<[\w.]+ object at 0x[0-9a-f]+>", "", printable(error))
    return message[:200] or type(error).__name__
