"""Labels and probabilities that are calibrated by construction, for tests of metrics, intervals and calibration."""

import numpy as np

from training.evaluation.metrics import Floats, Labels


def calibrated(n: int, seed: int = 0) -> tuple[Labels, Floats]:
    """Return labels, and uniform probabilities that are calibrated for them."""
    random = np.random.default_rng(seed)
    probability = random.uniform(size=n)
    return (random.uniform(size=n) < probability).astype(np.int8), probability
