"""The model families, one file each. `train` knows them by the names here."""

from . import logreg

FAMILIES = {"logreg": logreg}
