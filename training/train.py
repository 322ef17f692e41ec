"""`train`: fit one model family on the prepared data, calibrate it, measure it, and keep it in MLflow.

Calibration and thresholds are fitted on validation; test is looked at once, to report. Any setting of the family's
Configuration can be given: --set C=1 --set longest=2 --set text.stop_words=true
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import mlflow
import msgspec
import pandas as pd
from rich.console import Console
from sklearn.pipeline import Pipeline

from sentiment.manifest import Calibration, Metrics, Thresholds

from . import metrics, tracking
from .families import FAMILIES
from .prepare import DATA, dataset_sha256, load

ARTIFACT = "trained.joblib"

console = Console(stderr=True)


@dataclass(frozen=True)
class Trained:
    """What `export` needs: the fitted pipeline and what was learnt on validation."""

    family: str
    pipeline: Pipeline
    calibration: Calibration
    thresholds: Thresholds
    test: Metrics
    unpruned: Metrics  # on test, before n-grams were left out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", choices=FAMILIES, required=True)
    parser.add_argument("--data", type=Path, default=DATA, help="what `prepare` wrote (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the family")


def run(arguments: argparse.Namespace) -> None:
    family = FAMILIES[arguments.family]
    configuration = configure(family.Configuration, arguments.set)
    data = {split: load(split, arguments.data) for split in ("train", "validation", "test")}
    tracking.connect()
    with mlflow.start_run(run_name=arguments.family) as active:
        mlflow.log_params({"family": arguments.family, **_flat(msgspec.to_builtins(configuration))})
        for split, rows in data.items():
            digest = dataset_sha256(rows)
            floats = rows.astype({"label": float})  # MLflow warns of integers, which cannot be missing
            mlflow.log_input(mlflow.data.from_pandas(floats, name=split, digest=digest[:36]), context=split)
        trained = fit(arguments.family, configuration, data)
        mlflow.log_metrics({f"test_{name}": value for name, value in trained.test.values.items()})
        mlflow.log_metrics({f"unpruned_{name}": value for name, value in trained.unpruned.values.items()})
        with tempfile.TemporaryDirectory() as folder:
            joblib.dump(trained, Path(folder) / ARTIFACT)
            mlflow.log_artifact(str(Path(folder) / ARTIFACT))
    console.print(trained.test.values)
    print(active.info.run_id)


def fit(family: str, configuration: Any, data: dict[str, pd.DataFrame]) -> Trained:
    """Fit on train, calibrate and choose thresholds on validation, measure on test."""
    rows = data["train"]
    pipeline, full = FAMILIES[family].fit(configuration, rows.text.tolist(), rows.label.to_numpy())
    validation, test = data["validation"], data["test"]
    labels = validation.label.to_numpy()
    logit = pipeline.decision_function(validation.text.tolist())
    calibration = metrics.calibrate(labels, logit)
    thresholds = metrics.choose_thresholds(labels, metrics.probability(logit, calibration))

    def measured(model: Pipeline) -> Metrics:
        probability = metrics.probability(model.decision_function(test.text.tolist()), calibration)
        values = metrics.evaluate(test.label.to_numpy(), probability, thresholds)
        return Metrics(len(test), dataset_sha256(test), values)

    return Trained(family, pipeline, calibration, thresholds, measured(pipeline), measured(full))


def configure[T](configuration: type[T], settings: list[str]) -> T:
    """The configuration with `settings`, each KEY=VALUE with dots for nesting. Raises SystemExit with one line."""
    nested: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        *parents, name = key.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        if not equals or not isinstance(place, dict):
            raise SystemExit(f"--set {setting}: must be KEY=VALUE")
        place[name] = value
    try:
        return msgspec.convert(nested, configuration, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"--set: {error}") from error


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as MLflow wants them: {"text.urls": True}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
