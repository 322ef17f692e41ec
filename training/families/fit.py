"""Train a family, calibrate it, choose its thresholds, and measure it on validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sentiment.manifest import Calibration, Metrics, Thresholds
from training.data.dataset import Split
from training.evaluation import metrics

from . import load_family
from .base import Examples, FittedModel, RunContext

TRAINING_SPLITS: tuple[Split, ...] = ("train", "validation")  # `export` alone looks at test


@dataclass(frozen=True)
class Trained:
    """A fitted model, and what was fitted and measured on validation. `train` stores it, `export` ships it."""

    family: str
    fitted: FittedModel
    calibration: Calibration
    thresholds: Thresholds
    validation: Metrics


def fit(
    family: str, configuration: Any, data: Mapping[Split, pd.DataFrame], target: metrics.Targets, context: RunContext
) -> tuple[Trained, metrics.Floats]:
    """Train on the train split with `target`, P(positive) of each text; calibrate and measure on validation.

    Also returns the logit of every validation text, not calibrated.
    """
    train = Examples(data["train"].text.tolist(), target)
    validation = Examples(data["validation"].text.tolist(), data["validation"].label.to_numpy(np.float32))
    fitted = load_family(family).fit(configuration, train, validation, context)
    logit = fitted.logit(validation.texts)
    calibration = metrics.calibrate(validation.label, logit)
    probability = metrics.probability(logit, calibration)
    thresholds = metrics.choose_thresholds(validation.label, probability)
    measured = metrics.measure(data["validation"], probability, thresholds)
    return Trained(family, fitted, calibration, thresholds, measured), logit
