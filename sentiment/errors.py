"""Everything that can go wrong on purpose. One tree, so that a caller can catch as widely as it needs.

A message is written for the person who caused it; it may be shown to them. Nothing here carries a stack or a text.
"""


class BuzzguardError(Exception):
    """The root of the tree."""


class ModelError(BuzzguardError):
    """A model folder is missing, broken, or not the one its manifest describes."""
