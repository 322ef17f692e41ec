"""`export`: turn a trained run into a model folder and a version in MLflow's registry.

Two models are built. The float32 reference must reproduce the probabilities of the framework. The compact one, in
float16 or int8, is what ships: it is calibrated on its own scores, must agree with the framework on nearly every label,
and is evaluated on the test split. (--float32 ships the reference.) A model that fails a check is not registered. The
new version is the `challenger`; `promote` installs it in models/.
"""

import argparse
from pathlib import Path

from rich.console import Console

from training.data.dataset import DATA
from training.evaluation import calibration
from training.registry import mlflow_tracking
from training.registry.export import export_run
from training.registry.model_folder import check_name

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="the id that `train` printed")
    parser.add_argument("--name", required=True, help="of the folder in models/")
    parser.add_argument("--data", type=Path, default=DATA, help="the output of `prepare` (default: %(default)s)")
    parser.add_argument(
        "--float32", action="store_true", help="ship the reference: larger and slower, for a model that int8 changes"
    )


def run(arguments: argparse.Namespace) -> None:
    check_name("--name", arguments.name)
    with mlflow_tracking.connected():
        version, summary = export_run(arguments.run, arguments.name, arguments.data, compact=not arguments.float32)
    manifest = summary.manifest
    console.print(
        f"{mlflow_tracking.REGISTERED_MODEL} {version} is the challenger: {manifest.version}, "
        f"{summary.evaluation.overall.values}"
    )
    for decision in calibration.unreachable_decisions(manifest.thresholds):
        console.print(
            f"it never says {decision}: {manifest.metrics['validation'].n:,} texts of validation are too few, or too "
            f"hard, to be {calibration.MIN_PRECISION:.0%} right with confidence; give `prepare` more texts or a larger "
            "--holdout",
            soft_wrap=True,
        )
    print(version)
