"""`export`: a trained run becomes a model folder that `sentiment.model` loads. Nothing is written that fails a gate.

Two folders are built. The reference, float32 weights and 64-bit hashes, must agree with the scikit-learn pipeline on
every label and to 1e-5 in probability. The compact one, float16 and 32-bit, is what ships: it must agree on 99.9% of
the labels. What compacting costs stands in the model card.
"""

import argparse
import hashlib
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import joblib
import mlflow
import msgspec
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from rich.console import Console

from sentiment.manifest import FILE, IdsCounts, Manifest, Registry
from sentiment.model import Model

from . import card, graphs, metrics, tracking
from .prepare import DATA, dataset_sha256, load
from .train import ARTIFACT, Trained

MODELS = Path("models")
GRAPH, VOCABULARY = "model.onnx", "ngrams.bin"
LARGEST_DIFFERENCE = 1e-5  # of the reference, in probability
AGREEMENT = 0.999  # of the compact model, in labels
SIZE = 4_000_000  # bytes on disk, all files of the compact model

console = Console(stderr=True)


class Comparison(msgspec.Struct, frozen=True):
    """An exported model beside the pipeline it came from, on the same texts."""

    texts: int
    flips: int  # labels that differ
    largest_difference: float  # in probability


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="the id that `train` printed")
    parser.add_argument("--name", required=True, help="the folder to write in models/")
    parser.add_argument("--data", type=Path, default=DATA, help="what `prepare` wrote (default: %(default)s)")
    parser.add_argument("--models", type=Path, default=MODELS)


def run(arguments: argparse.Namespace) -> None:
    if not re.fullmatch("[a-z0-9][a-z0-9_-]{0,40}", arguments.name):
        raise SystemExit(f"--name {arguments.name!r}: must be small letters, digits, - and _")
    tracking.connect()
    with tempfile.TemporaryDirectory() as folder:
        artifact = f"runs:/{arguments.run}/{ARTIFACT}"
        try:
            downloaded = mlflow.artifacts.download_artifacts(artifact, dst_path=folder)
        except (MlflowException, OSError) as error:
            raise SystemExit(f"{arguments.run}: there is no such run, or `train` did not end ({error})") from error
        trained: Trained = joblib.load(downloaded)
        if dataset_sha256(load("validation", arguments.data)) != trained.validation.dataset_sha256:
            raise SystemExit(f"{arguments.data}: not the data this run was trained on; give its folder as --data")
        test = load("test", arguments.data)
        manifest = export(trained, test, arguments.name, arguments.run, Path(folder) / "model")
        with mlflow.start_run(arguments.run):
            tracking.log_input("test", test)
            mlflow.log_artifacts(str(Path(folder) / "model"), "model")
            mlflow.log_metrics({f"test_{name}": v for name, v in manifest.metrics["test"].values.items()})
        publish(Path(folder) / "model", arguments.models, arguments.name)
    console.print(f"{arguments.models / arguments.name}: {manifest.version}, {manifest.metrics['test'].values}")


def export(trained: Trained, test: pd.DataFrame, name: str, run_id: str, folder: Path) -> Manifest:
    """Build both folders, hold them against the gates, write the compact one with its card to `folder`."""
    texts = test.text.tolist()
    expected = metrics.probability(trained.pipeline.decision_function(texts), trained.calibration)
    reference = compare(Model.load(write(trained, name, run_id, folder / "reference", "float32")), texts, expected)
    if reference.flips or reference.largest_difference > LARGEST_DIFFERENCE:
        raise SystemExit(f"the reference export is not the pipeline: {reference}")
    compact = folder / "compact"
    model = Model.load(write(trained, name, run_id, compact, "float16"))
    comparison = compare(model, texts, expected)
    if comparison.flips > (1 - AGREEMENT) * len(texts):
        raise SystemExit(f"the compact export is too far from the pipeline: {comparison}")
    measured = {
        "validation": trained.validation,
        "test": metrics.measure(test, model.score(texts).probability, trained.thresholds),
    }
    manifest = msgspec.structs.replace(model.manifest, metrics=measured)
    _write_manifest(compact, manifest)
    before = metrics.measure(test, expected, trained.thresholds)
    (compact / "MODEL_CARD.md").write_text(card.render(manifest, trained, before, reference, comparison))
    if (size := sum(path.stat().st_size for path in compact.iterdir())) > SIZE:
        raise SystemExit(f"the compact export has {size:,} bytes, more than {SIZE:,}: train with fewer n-grams")
    return manifest


def write(trained: Trained, name: str, run_id: str, folder: Path, weights: graphs.Weights) -> Path:
    """A model folder for the pipeline, without metrics; returns it."""
    folder.mkdir(parents=True)
    counts, tfidf, regression = (trained.pipeline[step] for step in ("counts", "tfidf", "regression"))
    idf, weight = tfidf.idf_, regression.coef_[0]
    bits: Literal[32, 64] = 64
    hashes = counts.vocabulary_
    if weights == "float16":  # the high half of a hash is enough; of two that share it, the first stays
        hashes, first = np.unique(hashes >> np.uint64(32), return_index=True)
        idf, weight, bits = idf[first], weight[first], 32
    (folder / VOCABULARY).write_bytes(hashes.astype(f"<u{bits // 8}").tobytes())
    graphs.optimise(graphs.linear(idf, weight, float(regression.intercept_[0]), weights), folder / GRAPH)
    files = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in (GRAPH, VOCABULARY)}
    manifest = Manifest(
        name=name,
        version="",
        family=trained.family,
        text=counts.text,
        input=IdsCounts(VOCABULARY, bits, counts.longest),
        graph=GRAPH,
        opset=graphs.OPSET,
        files=files,
        calibration=trained.calibration,
        thresholds=trained.thresholds,
        metrics={},
        run_id=run_id,
        created="",
    )
    now, digest = datetime.now(UTC), hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()
    version = f"{now:%Y%m%d}-{digest[:8]}"  # of everything that makes its answers
    dated = msgspec.structs.replace(manifest, version=version, created=now.isoformat(timespec="seconds"))
    _write_manifest(folder, dated)
    return folder


def compare(model: Model, texts: list[str], expected: metrics.Floats) -> Comparison:
    """`model` on `texts`, beside the probabilities of the pipeline."""
    batches = [model.score(texts[i : i + 64]).probability for i in range(0, len(texts), 64)]
    actual = np.concatenate(batches)
    flips = int(((actual >= 0.5) != (expected >= 0.5)).sum())
    return Comparison(len(texts), flips, float(np.abs(actual - expected).max()))


def publish(folder: Path, models: Path, name: str) -> None:
    """Put the compact folder in its place in `models`, never half of it; the first model there is the champion."""
    target, new = models / name, models / f".{name}.new"
    if new.exists():  # of an export that was interrupted
        shutil.rmtree(new)
    shutil.copytree(folder / "compact", new)
    if target.exists():
        shutil.rmtree(target)
    new.rename(target)
    registry = models / "registry.json"
    if not registry.exists():
        registry.write_bytes(msgspec.json.format(msgspec.json.encode(Registry(name))) + b"\n")


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
