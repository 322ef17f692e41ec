"""Build the model folder of a trained run, in stages: reference, compact, calibrate, evaluate, card.

The reference is float32 and must reproduce the probabilities of the framework. The compact model, in float16 or int8,
is what ships: it is calibrated on its own scores and must agree with the framework on nearly every label. A model that
fails a check raises SystemExit.
"""

from collections.abc import Mapping, Sequence
from itertools import batched
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from sentiment.manifest import Calibration, Metrics, read_manifest
from sentiment.model import Model
from training.data.dataset import Split
from training.evaluation import calibration, metrics
from training.evaluation.estimates import Estimates
from training.evaluation.evaluation import evaluate
from training.evaluation.latency import median_latency_ms
from training.evaluation.metrics import Floats
from training.families.fit import Trained
from training.reports import model_card
from training.reports.export_summary import ExportCheck, ExportSummary
from training.scoring.predict import BATCH_SIZE, predict

from .model_folder import calibrate_manifest, folder_bytes, write_manifest, write_model_folder

MAX_CHECKED_TEXTS = 10_000  # on which an export is compared with the framework
MAX_REFERENCE_DIFFERENCE = 1e-4  # between the probabilities of the reference and of the framework
MIN_AGREEMENT = 0.995  # share of labels that the compact model and the framework have in common
TOO_FAR = "the compact export is too far from the model that was trained (try --float32)"


class ExportSource(NamedTuple):
    """What an export is built from: a trained model, and what its model folder says about its origin."""

    trained: Trained
    name: str  # of the model folder
    run_id: str
    data: Mapping[Split, pd.DataFrame]
    about: str  # the data, in words


class Expected(NamedTuple):
    """The predictions of the trained model in its own framework. An export must reproduce them."""

    texts: list[str]
    probability: Floats  # [texts]


def build(run: ExportSource, folder: Path, *, compact: bool = True) -> ExportSummary:
    """Build the compact model, or else the reference, and its card in `folder`. Raises SystemExit if a check fails."""
    expected = predict_in_framework(run)
    reference = build_reference(run, expected, folder)
    if compact:  # in the place of the reference: both have the same files
        write_model_folder(run.trained, run.name, run.run_id, folder, compact=True)
    model = calibrate_on_validation(run, folder)
    shipped = check_shipped(model, expected, folder) if compact else reference
    summary = evaluate_on_test(run, model, expected, reference, shipped)
    write_manifest(folder, summary.manifest)
    (folder / model_card.CARD).write_text(model_card.render(summary))
    return summary


def predict_in_framework(run: ExportSource) -> Expected:
    """Predict the test texts, and more up to MAX_CHECKED_TEXTS, as the framework does."""
    test = run.data["test"]
    texts = pd.concat([test, run.data["validation"], run.data["train"]]).text
    texts = texts[: max(MAX_CHECKED_TEXTS, len(test))].tolist()
    return Expected(texts, calibration.calibrated_probability(run.trained.fitted.logit(texts), run.trained.calibration))


def build_reference(run: ExportSource, expected: Expected, folder: Path) -> ExportCheck:
    """Write the float32 model and check that it reproduces the framework's probabilities."""
    write_model_folder(run.trained, run.name, run.run_id, folder, compact=False)
    check = check_export(Model.load(folder), expected, folder)
    if check.label_changes or check.largest_difference > MAX_REFERENCE_DIFFERENCE:
        raise SystemExit(f"the reference export is not the model that was trained: {check}")
    return check


def calibrate_on_validation(run: ExportSource, folder: Path) -> Model:
    """Calibrate the model in `folder` on its own scores: rounded weights shift them a little to one side.

    Raises SystemExit if the scores fall where they should rise.
    """
    validation = run.data["validation"]
    scores = predict(Model.load(folder), validation.text.tolist())
    calibrated = calibrate_manifest(read_manifest(folder), validation, scores)
    if calibrated.calibration.slope <= 0:
        raise SystemExit(f"{TOO_FAR}: {calibrated.calibration}")
    write_manifest(folder, calibrated)
    return Model.load(folder)


def check_shipped(model: Model, expected: Expected, folder: Path) -> ExportCheck:
    """Check that the compact model, calibrated as it ships, agrees with the framework on nearly every label."""
    check = check_export(model, expected, folder)
    if check.label_changes > (1 - MIN_AGREEMENT) * check.texts:
        raise SystemExit(f"{TOO_FAR}: {check}")
    return check


def check_export(model: Model, expected: Expected, folder: Path) -> ExportCheck:
    """Compare a model with the predictions that it should reproduce, on MAX_CHECKED_TEXTS texts at most.

    The framework knows no windows: it reads each text in one piece, and so does the model here.
    """
    texts, probability = expected.texts[:MAX_CHECKED_TEXTS], expected.probability[:MAX_CHECKED_TEXTS]
    actual = predict_in_one_piece(model, texts)
    changed = ((actual >= 0.5) != (probability >= 0.5)) & (np.abs(probability - 0.5) > MAX_REFERENCE_DIFFERENCE)
    (latency_ms,) = median_latency_ms(model)
    return ExportCheck(
        texts=len(texts),
        label_changes=int(changed.sum()),
        largest_difference=float(np.abs(actual - probability).max()),
        bytes=folder_bytes(folder),
        latency_ms=latency_ms,
    )


def predict_in_one_piece(model: Model, texts: Sequence[str]) -> Floats:
    """Return P(positive) as the framework would predict it: [texts]. What is longer than the graph takes is cut."""
    logits = [model.logit([model.tokens(text) for text in batch]) for batch in batched(texts, BATCH_SIZE, strict=False)]
    return calibration.calibrated_probability(np.concatenate(logits), Calibration())


def evaluate_on_test(
    run: ExportSource, model: Model, expected: Expected, reference: ExportCheck, shipped: ExportCheck
) -> ExportSummary:
    """Evaluate the shipped model on the test split, and the trained model beside it."""
    test = run.data["test"]
    labels = test.label.to_numpy()
    scores = predict(model, test.text.tolist())
    evaluation = evaluate(model, test, scores)
    test_metrics = Metrics(len(test), evaluation.dataset_sha256, evaluation.overall.values)
    return ExportSummary(
        manifest=msgspec.structs.replace(model.manifest, metrics=model.manifest.metrics | {"test": test_metrics}),
        about=run.about,
        reference=reference,
        shipped=shipped,
        trained=Estimates.without_intervals(
            metrics.predictions(labels, expected.probability[: len(test)], run.trained.thresholds)
        ),
        evaluation=evaluation,
        predictions=pd.DataFrame({"label": labels, "probability": scores.probability}),
    )
