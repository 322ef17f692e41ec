"""Decide whether a challenger may replace a model in models/, and install it there."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sentiment import manifest
from sentiment.errors import ModelError
from sentiment.manifest import REGISTRY_FILE, Registry
from sentiment.model import Model
from training.data.json_files import read_json, write_json
from training.data.replacement import RETIRED, replace_folder, restore_folder
from training.evaluation import bootstrap, metrics
from training.evaluation.latency import median_latency_ms
from training.scoring.predict import MODELS, predict

from .model_folder import folder_bytes

NEXT_REGISTRY = f".{REGISTRY_FILE}.next"  # while a model with a new name is installed
NEW = ".new"  # ends the name of a copy that is not installed yet
LATENCY_TOLERANCE = 1.05  # two measurements of the same model, taken in turns, differ by up to 5%


class Limits(NamedTuple):
    megabytes: float  # on disk
    latency_ms: float  # for evaluation.latency.LATENCY_TEXT


class GateResult(NamedTuple):
    """One requirement of a challenger: what was measured and, if it was not met, why."""

    measured: str
    failure: str | None


def run_gates(folder: Path, models: Path, limits: Limits, datasets: Mapping[str, pd.DataFrame]) -> Iterator[GateResult]:
    """Check the size and latency of the model in `folder`, and that it is not worse than the incumbent on `datasets`.

    Where `models` has no incumbent, there is nothing to be worse than; the shipped model then shows how fast the
    machine is. Raises SystemExit if a model cannot be loaded.
    """
    try:
        challenger = Model.load(folder)
    except ModelError as error:
        raise SystemExit(f"the challenger cannot be loaded: {error}; `export` it again") from error
    name = challenger.manifest.name
    incumbent = load_incumbent(name, models)
    yield check_size(folder, limits.megabytes)
    yield check_latency(challenger, incumbent or load_incumbent(name, MODELS), limits.latency_ms)
    if incumbent:
        for dataset, rows in datasets.items():
            yield from check_quality(challenger, incumbent, dataset, rows)


def load_incumbent(name: str, models: Path) -> Model | None:
    """Load the model that a new `name` replaces or competes with: the one of that name, else the champion.

    Returns None if `models` has neither, or lost the champion of that name. Raises SystemExit if the model cannot be
    loaded.
    """
    try:
        if (models / name).exists():
            return Model.load(models / name)
        champion = manifest.read_champion(models) if (models / REGISTRY_FILE).exists() else name
        return Model.load(models / champion) if champion != name else None
    except ModelError as error:
        raise SystemExit(f"the present model cannot be loaded: {error}") from error


def check_size(folder: Path, limit: float) -> GateResult:
    """Compare the size of a model folder with a limit in megabytes."""
    megabytes = folder_bytes(folder) / 1e6
    failure = f"{megabytes:.1f} MB on disk; {limit:g} are allowed" if megabytes > limit else None
    return GateResult(f"{megabytes:.1f} MB on disk", failure)


def check_latency(challenger: Model, incumbent: Model | None, limit: float) -> GateResult:
    """Compare the latency with a limit in milliseconds.

    If the incumbent exceeds it on this machine, compare with the incumbent's latency.
    """
    latency, *others = median_latency_ms(challenger, *([incumbent] if incumbent else []))
    measured = f"a tweet of 30 tokens: {latency:.2f} ms" + "".join(f", incumbent {other:.2f} ms" for other in others)
    allowed = max([limit, *(LATENCY_TOLERANCE * other for other in others)])
    failure = f"{latency:.2f} ms for a tweet; {allowed:.3g} are allowed" if latency > allowed else None
    return GateResult(measured, failure)


def check_quality(challenger: Model, incumbent: Model, dataset: str, rows: pd.DataFrame) -> Iterator[GateResult]:
    """Compare the primary metrics with the incumbent's.

    A metric is worse if the whole 95% interval of the difference is below 0 (paired bootstrap).
    """
    texts, labels = rows.text.tolist(), rows.label.to_numpy()
    new, old = (metrics.predictions(labels, predict(model, texts).probability) for model in (challenger, incumbent))
    for name, (low, high) in bootstrap.paired_differences(metrics.PRIMARY, new, old).items():
        title = metrics.METRICS[name].title
        worse = f"{dataset}: {title} is worse than {incumbent.manifest.name}'s by {-high:.4f} to {-low:.4f}"
        measured = f"{dataset}, {len(rows):,} texts: {title} differs by {low:+.4f} to {high:+.4f}"
        yield GateResult(measured, worse if high < 0 else None)


def install(folder: Path, models: Path) -> bool:
    """Install a model folder in `models` and return whether that model is the champion.

    A new name becomes the champion. A known name keeps its role. Whenever this is killed, `models` serves the old model
    or the new one; `complete_interrupted`, to be called before the next promotion, does what is left to do.
    """
    name = manifest.read_manifest(folder).name
    target, new = models / name, models / f".{name}{NEW}"
    shutil.copytree(folder, new)
    if target.exists():
        replace_folder(new, target)
    else:
        write_json(models / NEXT_REGISTRY, Registry(name))
        new.rename(target)
        (models / NEXT_REGISTRY).replace(models / REGISTRY_FILE)
    return manifest.read_champion(models) == name


def complete_interrupted(models: Path) -> None:
    """Complete, or undo, what a promotion that was killed left in `models`."""
    for path in models.glob(f".*{NEW}"):
        shutil.rmtree(path)
    for path in models.glob(f".*{RETIRED}"):
        restore_folder(models / path.name.removeprefix(".").removesuffix(RETIRED))
    following = models / NEXT_REGISTRY
    if following.exists():
        name = read_json(following, Registry, "remove it").champion
        if (models / name).exists():  # killed between the folder and the registry
            following.replace(models / REGISTRY_FILE)
        else:
            following.unlink()
