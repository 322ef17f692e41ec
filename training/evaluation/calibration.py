"""Calibrate a model on labelled texts it was not trained on: Platt scaling, and thresholds of the decisions."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from sentiment.manifest import PUBLISH_NOTHING, Calibration, Thresholds
from sentiment.model import Scores

from . import bootstrap, metrics
from .estimates import Estimates
from .metrics import Floats, Labels, Mask, Predictions

MIN_PRECISION = 0.95  # of an automatic decision
Z = 1.645  # standard deviations: 95% of a normal distribution lie below
FOLDS = 5
# With fewer texts, chance alone could change the calibration.
MIN_CALIBRATION_TEXTS = 200
MIN_CALIBRATION_TEXTS_PER_LABEL = 50


class UnsuitableTexts(ValueError):
    """A model should not be calibrated on these texts."""


class CalibrationGain(NamedTuple):
    """What calibrating on some texts changes on these texts."""

    before: Estimates
    after: Estimates  # cross-fitted


def fit_platt_scaling(labels: Labels, logit: Floats) -> Calibration:
    """Return the slope and intercept that turn the logits of held-out texts [n] into calibrated log-odds.

    With the targets of Platt (1999), section 2.2, slightly inside 0 and 1: a few texts that the logits happen to
    separate without a mistake do not make the model certain.
    """
    positives = int(labels.sum())
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2))
    # Each text appears in both classes, weighted by its target.
    repeated_logits, classes = np.tile(logit, 2)[:, None], np.repeat([0, 1], len(labels))
    weights = np.concatenate([1 - target, target])
    fitted = LogisticRegression(C=np.inf).fit(repeated_logits, classes, sample_weight=weights)
    return Calibration(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))


def calibrated_probability(logit: Floats, calibration: Calibration) -> Floats:
    """Return the calibrated P(positive), as `sentiment.model` computes it."""
    return np.asarray(expit(calibration.slope * logit + calibration.intercept))


def choose_thresholds(labels: Labels, probability: Floats) -> Thresholds:
    """Return the thresholds that decide most texts while each decision is MIN_PRECISION precise with 95% confidence.

    Publish is never below 0.5, hold never above. The confidence is the lower bound of Wilson's score interval (1927),
    so a handful of texts that happen to be right is not enough. If no threshold is precise enough, publish is above 1
    and hold below 0: every text is for review.
    """
    publish = _lowest_precise_threshold(labels == 1, probability)
    hold = 1 - _lowest_precise_threshold(labels == 0, 1 - probability)
    return Thresholds(publish=round(max(publish, 0.5), 4), hold=round(min(hold, 0.4999), 4))


def unreachable_decisions(thresholds: Thresholds) -> list[str]:
    """Return the decisions that no probability can reach."""
    return [name for name, never in (("publish", thresholds.publish > 1), ("hold", thresholds.hold < 0)) if never]


def cross_fit(labels: Labels, logit: Floats) -> Predictions:
    """Return calibrated predictions of each fold, with calibration and thresholds fitted on the other folds.

    The texts outside each fold must have both labels.
    """
    n = len(labels)
    fitted = Predictions(labels, probability=np.empty(n), publish=np.zeros(n, bool), hold=np.zeros(n, bool))
    for others, fold in KFold(FOLDS, shuffle=True, random_state=0).split(labels):
        probability = calibrated_probability(logit, fit_platt_scaling(labels[others], logit[others]))
        thresholds = choose_thresholds(labels[others], probability[others])
        decided = metrics.predictions(labels[fold], probability[fold], thresholds)
        fitted.probability[fold] = decided.probability
        fitted.publish[fold] = decided.publish
        fitted.hold[fold] = decided.hold
    return fitted


def require_enough_texts(labels: Labels) -> None:
    """Raise UnsuitableTexts if the texts are too few to calibrate a model on."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    if min(positive, negative) < MIN_CALIBRATION_TEXTS_PER_LABEL or len(labels) < MIN_CALIBRATION_TEXTS:
        raise UnsuitableTexts(
            f"{negative} negative and {positive} positive texts; {MIN_CALIBRATION_TEXTS_PER_LABEL} of each and "
            f"{MIN_CALIBRATION_TEXTS} in all are needed"
        )


def assess_recalibration(labels: Labels, scores: Scores, thresholds: Thresholds) -> CalibrationGain:
    """Return the metrics of a model before and after it is calibrated on labelled texts.

    Raises UnsuitableTexts unless the texts show with 95% confidence that it becomes better, by its Brier score.
    """
    if fit_platt_scaling(labels, scores.logit).slope <= 0:
        raise UnsuitableTexts("are the labels the right way round? The model does not tell these texts apart")
    before, after = metrics.predictions(labels, scores.probability, thresholds), cross_fit(labels, scores.logit)
    low, high = bootstrap.paired_differences(["brier"], after, before)["brier"]
    if high >= 0:
        raise UnsuitableTexts(
            f"these {len(labels):,} texts do not show that the model would be better: its Brier score differs by "
            f"{low:+.4f} to {high:+.4f}"
        )
    return CalibrationGain(Estimates.without_intervals(before), Estimates.without_intervals(after))


def _lowest_precise_threshold(right: Mask, confidence: Floats) -> float:
    """Return the lowest confidence from which on MIN_PRECISION of the texts are right; above 1 if there is none."""
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    share = np.cumsum(right[order]) / n
    spread = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    lower_bound = (share + Z**2 / (2 * n) - spread) / (1 + Z**2 / n)
    confidence = confidence[order]
    separable = np.append(confidence[1:] < confidence[:-1], True)  # a threshold cannot separate ties
    precise = confidence[separable & (lower_bound >= MIN_PRECISION)]
    return float(np.ceil(precise[-1] * 1e4) / 1e4) if len(precise) else PUBLISH_NOTHING
