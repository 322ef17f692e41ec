"""The base of all errors that the app raises on purpose, and the errors of models.

A message may be shown to the caller: it never holds a traceback or a text that a person wrote.
"""


class BuzzguardError(Exception):
    """Base class of every error that the app raises on purpose."""


class ModelError(BuzzguardError):
    """A model folder is missing, broken, or does not match its manifest."""
