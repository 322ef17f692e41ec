"""What can go wrong in devhost."""


class HostError(Exception):
    """The app, its files or this machine are not fit to run. The message is one line for a person."""


class InvocationError(Exception):
    """A function failed. What went wrong is in the log, and nowhere else."""
