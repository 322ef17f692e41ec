"""The ROC curve of a model, short enough for a file."""

import numpy as np
from sklearn.metrics import roc_curve

from .metrics import COMPARED_DIGITS, Floats, Labels

MAX_POINTS = 200


def roc_points(labels: Labels, probability: Floats) -> list[tuple[float, float]]:
    """Return at most MAX_POINTS points of the ROC curve: (false positive rate, true positive rate)."""
    fpr, tpr, _ = roc_curve(labels, probability)
    kept = np.unique(np.linspace(0, len(fpr) - 1, MAX_POINTS).astype(int))
    points = zip(fpr[kept].tolist(), tpr[kept].tolist(), strict=True)
    return [(round(x, COMPARED_DIGITS), round(y, COMPARED_DIGITS)) for x, y in points]
