"""`train`: fit one model family on the prepared data, calibrate it, measure it on validation, and keep it in MLflow.

Test is not looked at: that is for `export`, once, when everything has been chosen. Any setting of the family's
Configuration in training/families/ can be given: --set C=1 --set longest=2 --set text.stop_words=true, and several
where a tuple is meant: --set 'C=[0.5,1,2]'. --set help lists them with their defaults.

A training that was stopped goes on where it was when the same command is given again.

With --teacher FILE, a file of the training texts that `score` wrote, the family learns the teacher's probabilities
in place of the labels (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015).
"""

import argparse
import hashlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import msgspec
import numpy as np
import pandas as pd
from rich.console import Console

from training.data.dataset import DATA, Split, dataset_sha256, load
from training.evaluation import calibration, metrics
from training.families import FAMILIES, RunContext, Untrainable, family
from training.families.fit import SPLITS, Trained, fit
from training.families.settings import configure, flatten
from training.registry import mlflow_tracking
from training.reports import plots

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", choices=FAMILIES, required=True)
    parser.add_argument("--data", type=Path, default=DATA, help="what `prepare` wrote (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; help lists them")
    parser.add_argument("--run-name", help="what `compare` calls it (default: the family and what is set)")
    parser.add_argument("--texts", type=int, metavar="N", help="train on the first N texts of the split only")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="the training texts with a teacher's probability")


def run(arguments: argparse.Namespace) -> None:
    module = family(arguments.family)
    configuration = configure(module.Configuration, arguments.set)
    data = read(arguments.data, arguments.texts)
    target = load_teacher_targets(data["train"], arguments.teacher)
    settings = {"family": arguments.family, **flatten(msgspec.to_builtins(configuration))}
    name = arguments.run_name or " ".join([arguments.family, *arguments.set])
    mlflow_tracking.connect()
    folder = mlflow_tracking.HOME / "trainings" / _identity(settings, data, target)
    with mlflow_tracking.resume_run(folder, name) as run_id:
        mlflow.log_params(settings | {"texts": len(target), "teacher": str(arguments.teacher or "")})
        for split, rows in data.items():
            mlflow_tracking.log_dataset(split, rows)
        started = time.monotonic()
        try:
            trained, logit = fit(
                arguments.family, configuration, data, target, RunContext(folder, mlflow_tracking.log_step)
            )
        except Untrainable as error:
            raise SystemExit(f"--set {error}") from error
        mlflow_tracking.log_duration(time.monotonic() - started)
        mlflow.log_metrics({f"validation_{name}": value for name, value in trained.validation.values.items()})
        _keep(trained, data["validation"].label.to_numpy(), logit)
    shutil.rmtree(folder)
    console.print(trained.validation.values)
    print(run_id)


def read(folder: Path, texts: int | None) -> dict[Split, pd.DataFrame]:
    """What is trained on, the first `texts` of it, and validation. Raises SystemExit unless each has both classes."""
    if texts is not None and texts < 1:
        raise SystemExit(f"--texts {texts}: must be at least 1")
    data = {split: load(split, folder) for split in SPLITS}
    data["train"] = data["train"][:texts]
    for split, cure in zip(SPLITS, ("--sample, in the place of --texts", "a larger --holdout"), strict=True):
        if data[split].label.nunique() < 2:
            raise SystemExit(f"{folder}: {len(data[split]):,} texts of {split} lack a class: `prepare` with {cure}")
    return data


def load_teacher_targets(rows: pd.DataFrame, teacher: Path | None) -> metrics.Targets:
    """P(positive) of every text: its label, or what a teacher said of the same texts. Raises SystemExit."""
    if teacher is None:
        return np.asarray(rows.label, np.float32)
    if not teacher.is_file():
        raise SystemExit(f"{teacher}: there is no such file; `score` makes it")
    try:
        said = pd.read_parquet(teacher, columns=["text", "probability"])[: len(rows)]
        probability = np.asarray(said.probability, np.float32)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{teacher}: not what `score` writes: {str(error).splitlines()[0]}") from error
    if said.text.tolist() != rows.text.tolist():
        raise SystemExit(f"{teacher}: not the texts that are trained on, in their order")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise SystemExit(f"{teacher}: not every probability is between 0 and 1")
    return probability


def _identity(settings: dict[str, Any], data: Mapping[Split, pd.DataFrame], target: metrics.Targets) -> str:
    """What makes two trainings the same one."""
    digest = hashlib.sha256(msgspec.json.encode(settings))
    for rows in data.values():
        digest.update(dataset_sha256(rows).encode())
    digest.update(target.tobytes())
    return digest.hexdigest()[:16]


def _keep(trained: Trained, labels: metrics.Labels, logit: metrics.Floats) -> None:
    """Into the active run: the model, and what it looks like on validation."""
    probability = calibration.calibrated_probability(logit, trained.calibration)
    plots.log(plots.diagnostic_plots(labels, probability), "plots/validation")
    plots.log(plots.learning_curves(mlflow_tracking.metric_history()), "plots")
    mlflow_tracking.log_model(trained)
