"""Train a family, calibrate it, choose its thresholds, and measure it on validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sentiment.manifest import Calibration, Metrics, Thresholds
from training.data.dataset import Split
from training.data.teacher import Targets
from training.evaluation import calibration, metrics

from . import load_family
from .base import Examples, FittedModel, RunContext


@dataclass(frozen=True)
class Trained:
    """A fitted model, and what was fitted and measured on validation. `train` stores it, `export` ships it."""

    family: str
    fitted: FittedModel
    calibration: Calibration
    thresholds: Thresholds
    validation: Metrics


def fit(
    family: str, configuration: Any, data: Mapping[Split, pd.DataFrame], target: Targets, context: RunContext
) -> tuple[Trained, metrics.Floats]:
    """Train on the train split with `target`, P(positive) of each text; calibrate and measure on validation.

    Also returns the logit of every validation text, not calibrated.
    """
    train = Examples(data["train"].text.tolist(), target)
    validation = Examples(data["validation"].text.tolist(), data["validation"].label.to_numpy(np.float32))
    fitted = load_family(family).fit(configuration, train, validation, context)
    logit = fitted.logit(validation.texts)
    platt = calibration.fit_platt_scaling(validation.label, logit)
    probability = calibration.calibrated_probability(logit, platt)
    thresholds = calibration.choose_thresholds(validation.label, probability)
    measured = metrics.manifest_metrics(data["validation"], probability, thresholds)
    return Trained(family, fitted, platt, thresholds, measured), logit
