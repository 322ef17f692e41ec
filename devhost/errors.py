"""Errors of the local host."""


class HostError(Exception):
    """The app, its files or this machine cannot run. The message is one line for the user."""


class InvocationError(Exception):
    """A function failed. Only the log says why."""
