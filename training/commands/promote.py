"""`promote`: install the challenger in models/ if it is not worse than the model it would replace.

It is compared with the model of the same name or, if there is none, with the champion: on the test split and on every
file given with --on. On each, neither accuracy nor AUC may be worse with 95% confidence (paired bootstrap). Size and
latency have limits. If the incumbent exceeds the latency limit on this machine, the challenger may be as slow as that;
where there is no incumbent, the model that ships takes its place. A model with a new name that passes is the champion
from now on, and gets that alias in MLflow.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from sentiment.manifest import read_manifest
from training.data import readers
from training.data.dataset import DATA, dataset_sha256, load
from training.registry import mlflow_tracking, promotion
from training.scoring.predict import MODELS

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="of the registered model (default: the challenger)")
    parser.add_argument("--data", type=Path, default=DATA, help="the output of `prepare` (default: %(default)s)")
    parser.add_argument("--on", type=Path, action="append", default=[], metavar="FILE", help="another labelled file")
    parser.add_argument("--models", type=Path, default=MODELS, help="the folder of the models (default: %(default)s)")
    parser.add_argument("--megabytes", type=float, default=25, help="maximum size on disk, in MB (default: 25)")
    parser.add_argument(
        "--milliseconds", type=float, default=5, help="the longest time for a tweet of 30 tokens (default: 5)"
    )


def run(arguments: argparse.Namespace) -> None:
    mlflow_tracking.connect()
    version = mlflow_tracking.find_version(arguments.version)
    limits = promotion.Limits(arguments.megabytes, arguments.milliseconds)
    test = load("test", arguments.data)
    datasets = {"the test split": test} | {str(path): readers.read_labelled(path)[0] for path in arguments.on}
    with tempfile.TemporaryDirectory() as scratch:
        folder = mlflow_tracking.download_model_folder(version.run_id, Path(scratch))
        manifest = read_manifest(folder)
        if dataset_sha256(test) != manifest.metrics["test"].dataset_sha256:
            raise SystemExit(f"{arguments.data}: not the data that was exported with; give its folder as --data")
        failures = []
        for result in promotion.run_gates(folder, arguments.models, limits, datasets):
            console.print(result.measured, markup=False, soft_wrap=True)
            failures += [result.failure] if result.failure else []
        if failures:
            raise SystemExit("\n".join([f"version {version.version} is not promoted:", *failures]))
        is_champion = promotion.install(folder, arguments.models)
    if is_champion:
        mlflow_tracking.set_alias(mlflow_tracking.CHAMPION, version.version)
    role = ", the champion" if is_champion else ""
    installed = f"{arguments.models / manifest.name} is version {version.version}{role}"
    console.print(installed, markup=False, soft_wrap=True)
