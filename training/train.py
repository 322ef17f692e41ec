"""`train`: fit one model family on the prepared data, calibrate it, measure it on validation, and keep it in MLflow.

Test is not looked at: that is for `export`, once, when everything has been chosen. Any setting of the family's
Configuration can be given: --set C=1 --set longest=2 --set text.stop_words=true
"""

import argparse
import tempfile
from collections.abc import Mapping
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
from .prepare import DATA, Split, load

ARTIFACT = "trained.joblib"

console = Console(stderr=True)


@dataclass(frozen=True)
class Trained:
    """What `export` needs: the fitted pipeline and what was learnt on validation."""

    family: str
    pipeline: Pipeline
    calibration: Calibration
    thresholds: Thresholds
    validation: Metrics
    unpruned: Metrics  # on validation, before n-grams were left out, with a calibration and thresholds of its own


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", choices=FAMILIES, required=True)
    parser.add_argument("--data", type=Path, default=DATA, help="what `prepare` wrote (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the family")


def run(arguments: argparse.Namespace) -> None:
    family = FAMILIES[arguments.family]
    configuration = configure(family.Configuration, arguments.set)
    splits: tuple[Split, ...] = ("train", "validation")
    data = {split: load(split, arguments.data) for split in splits}
    tracking.connect()
    with mlflow.start_run(run_name=arguments.family) as active:
        mlflow.log_params({"family": arguments.family, **_flat(msgspec.to_builtins(configuration))})
        for split, rows in data.items():
            tracking.log_input(split, rows)
        trained = fit(arguments.family, configuration, data)
        mlflow.log_metrics({f"validation_{name}": value for name, value in trained.validation.values.items()})
        mlflow.log_metrics({f"unpruned_{name}": value for name, value in trained.unpruned.values.items()})
        with tempfile.TemporaryDirectory() as folder:
            joblib.dump(trained, Path(folder) / ARTIFACT)
            mlflow.log_artifact(str(Path(folder) / ARTIFACT))
    console.print(trained.validation.values)
    print(active.info.run_id)


def fit(family: str, configuration: Any, data: Mapping[Split, pd.DataFrame]) -> Trained:
    """Fit on train; calibrate, choose thresholds and measure on validation."""
    rows = data["train"]
    pipeline, full = FAMILIES[family].fit(configuration, rows.text.tolist(), rows.label.to_numpy())
    calibration, thresholds, measured = _judge(pipeline, data["validation"])
    _, _, unpruned = _judge(full, data["validation"])
    return Trained(family, pipeline, calibration, thresholds, measured, unpruned)


def _judge(pipeline: Pipeline, rows: pd.DataFrame) -> tuple[Calibration, Thresholds, Metrics]:
    """What the validation texts say of a pipeline."""
    labels = rows.label.to_numpy()
    logit = pipeline.decision_function(rows.text.tolist())
    calibration = metrics.calibrate(labels, logit)
    probability = metrics.probability(logit, calibration)
    thresholds = metrics.choose_thresholds(labels, probability)
    return calibration, thresholds, metrics.measure(rows, probability, thresholds)


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
