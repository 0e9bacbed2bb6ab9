"""The one error that users meet: something given to the program is at fault."""

import difflib
from collections.abc import Iterable


class BrainPropError(Exception):
    """A bad argument, file or environment, told in one line.

    The message names the thing at fault and the way out of it. The command line
    prints it on stderr and exits with code 2; from Python it is raised as it is.
    """


def closest(name: str, options: Iterable[str]) -> str | None:
    """Finds the option that somebody probably meant, for the hint of a message.

    Args:
        name: What they wrote.
        options: What they could have written.

    Returns:
        The most similar option, ignoring case, hyphens, underscores and spaces, or None if none is
        similar: "cifar-10" gives "CIFAR10".
    """

    def plain(text: str) -> str:
        return text.casefold().translate(str.maketrans("", "", "-_ "))

    by_plain_name = {plain(option): option for option in options}
    matches = difflib.get_close_matches(plain(name), by_plain_name, n=1)
    return by_plain_name[matches[0]] if matches else None
