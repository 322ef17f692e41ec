"""`promote`: install the challenger in models/ if it is not worse than the model it would replace.

It is compared with the model of the same name or, if there is none, with the champion: on the test split and on every
file given with --on (--labels says what the labels of these files mean). On each, neither accuracy nor AUC may be worse
with 95% confidence (paired bootstrap). Size and latency have limits. If the incumbent exceeds the latency limit on this
machine, the challenger may be as slow as that; where there is no incumbent, the model that ships takes its place. A
model with a new name that passes is the champion from now on, and gets that alias in MLflow.

Whenever `promote` is killed, the folder of the models serves the old model or the new one; run it again. On a file
system that cannot exchange two folders in one step, there may be no model of that name until then. Only one `promote`
works on a folder at a time.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.console import Console

from sentiment.errors import ModelError
from sentiment.manifest import read_manifest
from training.data import labels, readers
from training.data.dataset import DATA, dataset_sha256, load
from training.data.replacement import locked
from training.registry import mlflow_tracking, promotion
from training.scoring.predict import MODELS

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="of the registered model (default: the challenger)")
    parser.add_argument("--data", type=Path, default=DATA, help="the output of `prepare` (default: %(default)s)")
    parser.add_argument("--on", type=Path, action="append", default=[], metavar="FILE", help="another labelled file")
    labels.add_option(parser)
    parser.add_argument("--models", type=Path, default=MODELS, help="the folder of the models (default: %(default)s)")
    parser.add_argument("--megabytes", type=float, default=25, help="maximum size on disk, in MB (default: 25)")
    parser.add_argument(
        "--milliseconds", type=float, default=5, help="the longest time for a tweet of 30 tokens (default: 5)"
    )


def run(arguments: argparse.Namespace) -> None:
    with mlflow_tracking.connected(), locked(arguments.models, "promote"):
        promotion.complete_interrupted(arguments.models)  # before the gates, which need the incumbent
        version = mlflow_tracking.find_version(arguments.version)
        test = load("test", arguments.data)
        others = {str(path): read(path, arguments.labels) for path in arguments.on}
        with tempfile.TemporaryDirectory() as scratch:
            folder = mlflow_tracking.download_model_folder(version.run_id, Path(scratch))
            name = check_is_exported_with(folder, test, arguments.data)
            run_gates(arguments, version.version, folder, {"the test split": test} | others)
            is_champion = promotion.install(folder, arguments.models)
        if is_champion:
            mlflow_tracking.set_alias(mlflow_tracking.CHAMPION, version.version)
    role = ", the champion" if is_champion else ""
    installed = f"{arguments.models / name} is version {version.version}{role}"
    console.print(installed, markup=False, soft_wrap=True)


def read(path: Path, named: labels.Labels | None) -> pd.DataFrame:
    """Read a labelled file; print what is left out. Raises SystemExit with one line."""
    rows, skipped = readers.read_labelled(path, named)
    for reason, number in skipped.items():
        console.print(f"{path}: left out: {number:,} rows, {reason}", markup=False, soft_wrap=True)
    return rows


def check_is_exported_with(folder: Path, test: pd.DataFrame, data: Path) -> str:
    """Return the name of the model in `folder`. Raises SystemExit unless it was measured on this test split."""
    try:
        manifest = read_manifest(folder)
    except ModelError as error:
        raise SystemExit(f"the challenger cannot be loaded: {error}; `export` it again") from error
    measured = manifest.metrics.get("test")
    if measured is None or dataset_sha256(test) != measured.dataset_sha256:
        raise SystemExit(f"{data}: not the data that was exported with; give its folder as --data")
    return manifest.name


def run_gates(arguments: argparse.Namespace, version: str, folder: Path, datasets: Mapping[str, pd.DataFrame]) -> None:
    """Print what is measured of the model in `folder`. Raises SystemExit unless it meets every requirement."""
    limits = promotion.Limits(arguments.megabytes, arguments.milliseconds)
    failures = []
    for result in promotion.run_gates(folder, arguments.models, limits, datasets):
        console.print(result.measured, markup=False, soft_wrap=True)
        failures += [result.failure] if result.failure else []
    if failures:
        raise SystemExit("\n".join([f"version {version} is not promoted:", *failures]))
