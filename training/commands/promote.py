"""`promote`: the challenger takes its place in models/, if it is not worse than the model it would replace.

It is held against the model of the same name, or, where there is none, against the one that is served, on the test
split and on every file given with --on. On each, neither accuracy nor AUC may be worse with 95% confidence (paired
bootstrap). It must be small and fast enough, too; on a machine too slow for the model it would replace, or, where there
is none, for the one that ships, no slower than that one. A model with a new name that passes is served from now on, and
MLflow's alias `champion` is its.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import mlflow
import msgspec
import pandas as pd
from mlflow.exceptions import MlflowException
from rich.console import Console

from sentiment import manifest
from sentiment.errors import ModelError
from sentiment.manifest import Registry
from sentiment.model import Model
from training.data import readers
from training.data.dataset import DATA, dataset_sha256, load
from training.evaluation import bootstrap, metrics
from training.evaluation.latency import milliseconds
from training.registry import mlflow_tracking
from training.registry.build import FOLDER, size
from training.scoring.predict import predict

MODELS = Path("models")
NOISE = 1.05  # between two timings of one model, taken in turns

console = Console(stderr=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", nargs="?", help="of the registered model (default: the challenger)")
    parser.add_argument("--data", type=Path, default=DATA, help="what `prepare` wrote (default: %(default)s)")
    parser.add_argument("--on", type=Path, action="append", default=[], metavar="FILE", help="another labelled file")
    parser.add_argument("--models", type=Path, default=MODELS, help="where models are kept (default: %(default)s)")
    parser.add_argument("--megabytes", type=float, default=25, help="the most it may take on disk (default: 25)")
    parser.add_argument("--milliseconds", type=float, default=5, help="the most for a tweet of 30 tokens (default: 5)")


def run(arguments: argparse.Namespace) -> None:
    mlflow_tracking.connect()
    version = _version(arguments.version)
    test = load("test", arguments.data)
    gated = {"the test split": test} | {str(path): readers.read_labelled(path)[0] for path in arguments.on}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(mlflow.artifacts.download_artifacts(f"runs:/{version.run_id}/{FOLDER}", dst_path=scratch))
        challenger = Model.load(folder)
        if dataset_sha256(test) != challenger.manifest.metrics["test"].dataset_sha256:
            raise SystemExit(f"{arguments.data}: not the data that was exported with; give its folder as --data")
        rival = incumbent(challenger.manifest.name, arguments.models)
        known = rival or incumbent(challenger.manifest.name, MODELS)
        faults = too_large(folder, arguments.megabytes) + too_slow(challenger, known, arguments.milliseconds)
        faults += worse(challenger, rival, gated) if rival else []
        if faults:
            raise SystemExit(f"version {version.version} is not promoted:\n" + "\n".join(faults))
        served = install(folder, arguments.models)
    if served:
        mlflow.MlflowClient().set_registered_model_alias(
            mlflow_tracking.MODEL, mlflow_tracking.CHAMPION, version.version
        )
    name = challenger.manifest.name
    told = f"{arguments.models / name} is version {version.version}" + (", and is served" if served else "")
    console.print(told, markup=False, soft_wrap=True)


def incumbent(name: str, models: Path) -> Model | None:
    """The model that a new one of that name has to stand up to; None where `models` has none. Raises SystemExit."""
    try:
        if (models / name).exists():
            return Model.load(models / name)
        return Model.load(models / manifest.read_champion(models)) if (models / "registry.json").exists() else None
    except ModelError as error:
        raise SystemExit(f"what is there cannot be compared with: {error}") from error


def too_large(folder: Path, budget: float) -> list[str]:
    """What a budget in megabytes has against a model folder."""
    takes = size(folder) / 1e6
    return [f"{takes:.1f} MB on disk; {budget:g} are allowed"] if takes > budget else []


def too_slow(challenger: Model, rival: Model | None, budget: float) -> list[str]:
    """What a budget in milliseconds has against a model, unless the machine is to blame: its rival is as slow there."""
    took, *others = milliseconds(challenger, *([rival] if rival else []))
    console.print(f"a tweet of 30 tokens: {took:.2f} ms" + "".join(f", its rival {other:.2f} ms" for other in others))
    allowed = max([budget, *(NOISE * other for other in others)])
    return [f"{took:.2f} ms for a tweet; {allowed:.3g} are allowed"] if took > allowed else []


def worse(challenger: Model, rival: Model, gated: Mapping[str, pd.DataFrame]) -> list[str]:
    """On what, and by how much, the challenger is worse than its rival with 95% confidence."""
    faults = []
    for name, rows in gated.items():
        texts, labels = rows.text.tolist(), rows.label.to_numpy()
        new, old = (metrics.predictions(labels, predict(model, texts).probability) for model in (challenger, rival))
        for metric, (low, high) in bootstrap.paired_differences(metrics.PRIMARY, new, old).items():
            figure = metrics.METRICS[metric].title
            told = f"{name}, {len(rows):,} texts: {figure} differs by {low:+.4f} to {high:+.4f}"
            console.print(told, markup=False, soft_wrap=True)
            if high < 0:
                faults.append(f"{name}: {figure} is worse than {rival.manifest.name}'s by {-high:.4f} to {-low:.4f}")
    return faults


def install(folder: Path, models: Path) -> bool:
    """Put a model folder in its place in `models`, never half of it; whether it is served from now on.

    A name that was there keeps its part, served or not.
    """
    name = manifest.read_manifest(folder).name
    target, new = models / name, models / f".{name}.new"
    known = target.exists()
    if new.exists():  # of a promotion that was interrupted
        shutil.rmtree(new)
    shutil.copytree(folder, new)
    if known:
        shutil.rmtree(target)
    new.rename(target)
    if not known:
        (models / "registry.json").write_bytes(msgspec.json.format(msgspec.json.encode(Registry(name))) + b"\n")
    return manifest.read_champion(models) == name


def _version(number: str | None) -> mlflow.entities.model_registry.ModelVersion:
    client = mlflow.MlflowClient()
    try:
        if number is None:
            return client.get_model_version_by_alias(mlflow_tracking.MODEL, mlflow_tracking.CHALLENGER)
        return client.get_model_version(mlflow_tracking.MODEL, number)
    except MlflowException as error:
        raise SystemExit(f"there is no such version: run `export` first ({error.message})") from error
