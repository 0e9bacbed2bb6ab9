"""The one error that users meet: something given to the program is at fault."""


class BrainPropError(Exception):
    """A bad argument, file or environment, told in one line.

    The message names the thing at fault and the way out of it. The command line
    prints it on stderr and exits with code 2; from Python it is raised as it is.
    """
