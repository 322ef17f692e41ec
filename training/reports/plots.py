"""Plots of a model, for MLflow and for docs/models.md."""

from collections.abc import Mapping, Sequence

import matplotlib
import mlflow
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import ConfusionMatrixDisplay, roc_curve

from training.evaluation.metrics import Floats, Labels

matplotlib.rcParams["svg.hashsalt"] = "buzzguard"  # equal plots give equal files

SIZE = (5, 4)  # inches
LEARNING_CURVE_METRICS = ("loss", "accuracy", "auc", "precision", "rate")
LINES = cycler(linestyle=["-", "--", ":"]) * cycler(color=matplotlib.color_sequences["tab10"])  # for thirty curves


def diagnostic_plots(labels: Labels, probability: Floats) -> dict[str, Figure]:
    """Return the ROC curve, calibration curve and confusion matrix of calibrated probabilities."""
    return {
        "roc": plot_roc(labels, probability),
        "calibration": plot_calibration(labels, probability),
        "confusion": plot_confusion(labels, probability),
    }


def plot_roc(labels: Labels, probability: Floats) -> Figure:
    """Plot the ROC curve of one model."""
    fpr, tpr, _ = roc_curve(labels, probability)
    return plot_roc_curves({"": list(zip(fpr, tpr, strict=True))})


def plot_roc_curves(models: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Plot a ROC curve for each model, given its points (false positive rate, true positive rate)."""
    figure, axes = _axes("false positive rate", "true positive rate")
    axes.set_prop_cycle(LINES)
    for name, points in models.items():
        axes.plot(*zip(*points, strict=True), label=name)
    if len(models) > 1:
        figure.set_size_inches(2 * SIZE[0], SIZE[1])
        figure.legend(loc="outside right center", frameon=False)
    return figure


def plot_calibration(labels: Labels, probability: Floats) -> Figure:
    """Plot the share of positive texts against the predicted probability, in equally full bins."""
    figure, axes = _axes("predicted P(positive)", "share that is positive")
    observed, predicted = calibration_curve(labels, probability, n_bins=15, strategy="quantile")
    axes.plot(predicted, observed, marker=".")
    return figure


def plot_confusion(labels: Labels, probability: Floats) -> Figure:
    """Plot the confusion matrix at 0.5."""
    figure = Figure(SIZE, layout="constrained")
    names = ["negative", "positive"]
    ConfusionMatrixDisplay.from_predictions(
        labels, probability >= 0.5, display_labels=names, colorbar=False, ax=figure.add_subplot(), values_format=",d"
    )
    return figure


def learning_curves(history: Mapping[str, Sequence[tuple[int, float]]]) -> dict[str, Figure]:
    """Plot each metric by step; return {} if the training has no steps."""
    names = [name for name in LEARNING_CURVE_METRICS if name in history]
    if not names:
        return {}
    figure = Figure((SIZE[0], 1.6 * len(names)), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(len(names), sharex=True)), names, strict=True):
        axes.plot(*zip(*history[name], strict=True), marker=".")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    return {"learning_curves": figure}


def log(figures: Mapping[str, Figure], folder: str) -> None:
    """Log plots to the active MLflow run."""
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"{folder}/{name}.png")


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(SIZE, layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    axes.grid(alpha=0.3)
    return figure, axes
