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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import msgspec
import numpy as np
import pandas as pd
from rich.console import Console

from sentiment.manifest import Calibration, Metrics, Thresholds
from training.evaluation import metrics
from training.families import FAMILIES, Desk, Examples, Fitted, Untrainable, family
from training.registry import mlflow_tracking
from training.reports import plots

from .prepare import DATA, Split, dataset_sha256, load

SPLITS: tuple[Split, ...] = ("train", "validation")

console = Console(stderr=True)


@dataclass(frozen=True)
class Trained:
    """What `export` needs: the fitted model and what was learnt on validation."""

    family: str
    fitted: Fitted
    calibration: Calibration
    thresholds: Thresholds
    validation: Metrics


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
    target = taught(data["train"], arguments.teacher)
    settings = {"family": arguments.family, **flat(msgspec.to_builtins(configuration))}
    name = arguments.run_name or " ".join([arguments.family, *arguments.set])
    mlflow_tracking.connect()
    folder = mlflow_tracking.HOME / "trainings" / _identity(settings, data, target)
    with mlflow_tracking.resumed(folder, name) as run_id:
        mlflow.log_params(settings | {"texts": len(target), "teacher": str(arguments.teacher or "")})
        for split, rows in data.items():
            mlflow_tracking.log_input(split, rows)
        started = time.monotonic()
        try:
            trained, logit = fit(arguments.family, configuration, data, target, Desk(folder, mlflow_tracking.report))
        except Untrainable as error:
            raise SystemExit(f"--set {error}") from error
        mlflow_tracking.spent(time.monotonic() - started)
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


def fit(
    name: str, configuration: Any, data: Mapping[Split, pd.DataFrame], target: metrics.Targets, desk: Desk
) -> tuple[Trained, metrics.Floats]:
    """Fit on train, whose texts are positive with probability `target`; calibrate and measure on validation.

    Also returns the logit of every validation text, not calibrated.
    """
    train, validation = (Examples(data[s].text.tolist(), data[s].label.to_numpy(np.float32)) for s in SPLITS)
    fitted = family(name).fit(configuration, train._replace(target=target), validation, desk)
    logit = fitted.logit(validation.texts)
    calibration = metrics.calibrate(validation.label, logit)
    probability = metrics.probability(logit, calibration)
    thresholds = metrics.choose_thresholds(validation.label, probability)
    measured = metrics.measure(data["validation"], probability, thresholds)
    return Trained(name, fitted, calibration, thresholds, measured), logit


def taught(rows: pd.DataFrame, teacher: Path | None) -> metrics.Targets:
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


def configure[T: msgspec.Struct](configuration: type[T], settings: list[str]) -> T:
    """The configuration with `settings`, each KEY=VALUE with dots for nesting. Raises SystemExit with one line.

    If one of them is help, the lines are all settings there are.
    """
    nested = msgspec.to_builtins(configuration())
    if "help" in settings:
        known = flat(nested).items()
        raise SystemExit("\n".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in known))
    for setting in settings:
        key, equals, value = setting.partition("=")
        read = _value(value)
        *parents, name = key.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else place
        if not equals or not isinstance(place, dict):
            raise SystemExit(f"--set {setting}: must be KEY=VALUE")
        place[name] = [read] if isinstance(place.get(name), tuple) and not isinstance(read, list) else read
    return convert(configuration, nested)


def convert[T: msgspec.Struct](configuration: type[T], settings: Mapping[str, Any]) -> T:
    """The configuration with `settings`. Raises SystemExit with one line."""
    try:
        return msgspec.convert(settings, configuration, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"--set: {error}") from error


def _value(text: str) -> Any:
    """A value as JSON, or the words it is."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as MLflow wants them: {"text.urls": True}."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _identity(settings: dict[str, Any], data: Mapping[Split, pd.DataFrame], target: metrics.Targets) -> str:
    """What makes two trainings the same one."""
    digest = hashlib.sha256(msgspec.json.encode(settings))
    for rows in data.values():
        digest.update(dataset_sha256(rows).encode())
    digest.update(target.tobytes())
    return digest.hexdigest()[:16]


def _keep(trained: Trained, labels: metrics.Labels, logit: metrics.Floats) -> None:
    """Into the active run: the model, and what it looks like on validation."""
    probability = metrics.probability(logit, trained.calibration)
    plots.log(plots.judgement(labels, probability), "plots/validation")
    plots.log(plots.learning_curves(mlflow_tracking.history()), "plots")
    mlflow_tracking.keep(trained)
