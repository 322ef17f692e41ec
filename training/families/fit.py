"""Fit a family, calibrate it and measure it on validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sentiment.manifest import Calibration, Metrics, Thresholds
from training.data.dataset import Split
from training.data.teacher import Targets
from training.evaluation import calibration, metrics
from training.families import Examples, FittedModel, RunContext, family

SPLITS: tuple[Split, ...] = ("train", "validation")


@dataclass(frozen=True)
class Trained:
    """What `export` needs: the fitted model and what was learnt on validation."""

    family: str
    fitted: FittedModel
    calibration: Calibration
    thresholds: Thresholds
    validation: Metrics


def fit(
    name: str, configuration: Any, data: Mapping[Split, pd.DataFrame], target: Targets, context: RunContext
) -> tuple[Trained, metrics.Floats]:
    """Fit on train, whose texts are positive with probability `target`; calibrate and measure on validation.

    Also returns the logit of every validation text, not calibrated.
    """
    train, validation = (Examples(data[s].text.tolist(), data[s].label.to_numpy(np.float32)) for s in SPLITS)
    fitted = family(name).fit(configuration, train._replace(target=target), validation, context)
    logit = fitted.logit(validation.texts)
    platt = calibration.fit_platt_scaling(validation.label, logit)
    probability = calibration.calibrated_probability(logit, platt)
    thresholds = calibration.choose_thresholds(validation.label, probability)
    measured = metrics.manifest_metrics(data["validation"], probability, thresholds)
    return Trained(name, fitted, platt, thresholds, measured), logit
