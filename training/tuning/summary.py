"""Summarize a study: the best trial and plots in MLflow, and the command that trains with the best settings."""

import math
import shlex

import mlflow
import numpy as np
import optuna
from matplotlib.figure import Figure

from training.data.dataset import DATA
from training.reports import plots

from . import trial_queue
from .study import StudyConfig


def log_summary(study: optuna.Study) -> None:
    """Log the best trial and plots of all trials to the active run."""
    mlflow.set_tag("finished", trial_queue.count_finished(study))
    if not trial_queue.completed_trials(study):
        return
    best = study.best_trial
    settings = dict(setting.split("=", 1) for setting in best.user_attrs["settings"])
    mlflow.log_metric("validation_break_even", best.value)
    mlflow.set_tags({"best": f"trial {best.number}"} | {f"best.{name}": value for name, value in settings.items()})
    plots.log({"history": plot_history(study)} | plot_importances(study), "plots")


def plot_history(study: optuna.Study) -> Figure:
    """Plot the value of each trial and the best value so far."""
    figure = Figure(plots.SIZE, layout="constrained")
    axes = figure.add_subplot(xlabel="trial", ylabel="break-even precision on validation")
    numbers, values = zip(*((t.number, t.value) for t in trial_queue.completed_trials(study)), strict=True)
    axes.plot(numbers, values, ".", label="trained to the end")
    axes.step(numbers, np.maximum.accumulate(values), where="post", label="best so far")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def plot_importances(study: optuna.Study) -> dict[str, Figure]:
    """Plot which settings distinguish the best tenth of the trials; empty if that tenth is no better than the rest.

    PED-ANOVA: Watanabe, Bansal and Hutter, 2023.
    """
    values = sorted(trial.value for trial in trial_queue.completed_trials(study))
    if values[-math.ceil(len(values) / 10)] == values[0]:
        return {}
    importances = optuna.importance.get_param_importances(study)
    figure = Figure((plots.SIZE[0], 1 + 0.25 * len(importances)), layout="constrained")
    axes = figure.add_subplot(xlabel="importance")
    axes.barh(list(importances)[::-1], list(importances.values())[::-1])
    return {"importance": figure}


def train_command(config: StudyConfig, settings: list[str]) -> str:
    """Return the shell command that trains with `settings` on the data of the study."""
    words = ["python", "-m", "training", "train", "--family", config.family]
    if config.data != DATA:
        words += ["--data", str(config.data)]
    if config.texts is not None:
        words += ["--texts", str(config.texts)]
    return shlex.join([*words, *(word for setting in settings for word in ("--set", setting))])
